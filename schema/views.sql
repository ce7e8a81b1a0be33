-- What clipq tells, as SQL. These views are the interface: names and columns stay, more may be added.
--
-- Per-frame views show accepted attempts only and share these columns:
--   job_id, path, model   which job, the clip's path, the model's name
--   frame                 ordinal in presentation order from 0; NULL where sampling made it unknowable
--   seq                   order of sampling, from 0
--   pts, time_s           in the clip's time base, and in seconds; as decoded, never counted from a rate
-- Boxes and points are in display pixels (what a viewer sees). Times of the clock are RFC 3339, UTC.

CREATE VIEW v_jobs AS
-- One row per clip and pipeline.
SELECT j.id AS job_id, c.path, j.state,
       j.reason,                       -- failure class, '' for none
       j.attempts, j.message, j.priority, j.clip_id, j.pipeline_id, p.hash AS pipeline,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.submitted_ms / 1000.0, 'unixepoch') AS submitted,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.started_ms / 1000.0, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.ended_ms / 1000.0, 'unixepoch') AS ended,
       c.duration_s, c.size,
       j.frame_rows AS frames,         -- rows in v_frames
       j.failures, j.crashes, j.lost, j.owner,
       j.segments                      -- in how many it is done (v_segments); 0: whole
FROM jobs j JOIN clips c ON c.id = j.clip_id JOIN pipelines p ON p.id = j.pipeline_id
WHERE j.parent_id IS NULL;

CREATE VIEW v_segments AS
-- The pieces that long clips are worked on in, those of earlier tries too (cancelled). Their results are the clip's.
SELECT j.job_id, c.path, g.number AS segment, j.state, j.reason, j.attempts, j.message, g.from_s, g.to_s,
       g.first_ordinal AS first_frame, g.frames, g.sampled,    -- as foretold; they must come out so
       strftime('%Y-%m-%dT%H:%M:%fZ', j.started_ms / 1000.0, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.ended_ms / 1000.0, 'unixepoch') AS ended,
       j.failures, j.crashes, j.lost, j.owner, j.id AS segment_id
FROM segments g JOIN jobs j ON j.id = g.job_id JOIN clips c ON c.id = j.clip_id;

CREATE VIEW v_clips AS
-- What each clip is, as probed.
SELECT id AS clip_id, path, fingerprint, failure, message, size, container, codec, pixel_format,
       coded_w, coded_h, display_w, display_h, sar_num, sar_den, rotation, mirrored,
       tb_num || '/' || tb_den AS time_base, tb_num, tb_den, start_pts, duration_s, frames_claimed, fps,
       stream_index, video_streams, stream_reason
FROM clips;

CREATE VIEW v_paths AS
-- Every path ever submitted, further paths of the same content too, with the job that answers for it.
SELECT s.path, j.id AS job_id, j.state, j.reason, c.path AS job_path, s.path <> c.path AS is_other_path,
       j.clip_id, j.pipeline_id
FROM paths s JOIN jobs j ON j.id = s.job_id JOIN clips c ON c.id = j.clip_id;

CREATE VIEW v_frames AS
-- Every sampled frame, once per model.
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       c.tb_num || '/' || c.tb_den AS time_base, c.tb_num, c.tb_den,
       CASE f.source WHEN 0 THEN 'inferred' WHEN 1 THEN 'inherited' ELSE 'cached' END AS source,
       sf.ordinal AS source_frame, f.source_seq
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN frames f ON f.attempt_id = j.accepted_id AND f.model = pm.position
LEFT JOIN frames sf ON sf.attempt_id = f.attempt_id AND sf.model = f.model AND sf.seq = f.source_seq;

CREATE VIEW v_detections AS
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       d.n AS detection, d.class_id,
       coalesce(l.label, d.class_id) || '' AS label,   -- the class number where the model has no names
       d.score, d.x0, d.y0, d.x1, d.y1,
       d.landmarks                     -- JSON [[x,y],...] or NULL
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN detections d ON d.attempt_id = j.accepted_id AND d.model = pm.position
JOIN frames f ON f.attempt_id = d.attempt_id AND f.model = d.model AND f.seq = d.seq
LEFT JOIN labels l ON l.model_id = m.id AND l.class_id = d.class_id;

CREATE VIEW v_classifications AS
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       k.rank,                         -- from 1, best first
       k.class_id, coalesce(l.label, k.class_id) || '' AS label, k.score
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN classifications k ON k.attempt_id = j.accepted_id AND k.model = pm.position
JOIN frames f ON f.attempt_id = k.attempt_id AND f.model = k.model AND f.seq = k.seq
LEFT JOIN labels l ON l.model_id = m.id AND l.class_id = k.class_id;

CREATE VIEW v_embeddings AS
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       length(e.v) / 4 AS dims,
       e.v AS embedding                -- float32, little-endian
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN embeddings e ON e.attempt_id = j.accepted_id AND e.model = pm.position
JOIN frames f ON f.attempt_id = e.attempt_id AND f.model = e.model AND f.seq = e.seq;

CREATE VIEW v_quality AS
-- builtin:scene: the picture itself.
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       q.sharpness,                    -- larger is sharper; compare within one size of picture
       q.exposure,                     -- mean luma 0..1
       q.contrast,                     -- standard deviation of luma
       q.clipped_dark, q.clipped_bright  -- shares of pixels 0..1
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN quality q ON q.attempt_id = j.accepted_id AND q.model = pm.position
JOIN frames f ON f.attempt_id = q.attempt_id AND f.model = q.model AND f.seq = q.seq;

CREATE VIEW v_artifacts AS
-- Files that hold a frame's tensors or picture.
SELECT j.job_id, c.path, m.name AS model, f.ordinal AS frame, f.seq, f.pts, f.time_s,
       a.kind, a.name, a.shape,
       a.file                          -- relative to the database's folder
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN artifacts a ON a.attempt_id = j.accepted_id AND a.model = pm.position
JOIN frames f ON f.attempt_id = a.attempt_id AND f.model = a.model AND f.seq = a.seq;

CREATE VIEW v_shots AS
SELECT j.job_id, c.path, m.name AS model, h.shot,
       a.ordinal AS frame, a.pts, a.time_s,   -- of the frame that opens it
       a.ordinal AS first_frame, b.ordinal AS last_frame, h.start_s, h.end_s,
       h.cut_score                     -- distance at the cut that opens it; 0 for the first
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN pipeline_models pm ON pm.pipeline_id = j.pipeline_id
JOIN models m ON m.id = pm.model_id
JOIN shots h ON h.attempt_id = j.accepted_id AND h.model = pm.position
JOIN frames a ON a.attempt_id = coalesce(h.first_part, h.attempt_id) AND a.model = h.model AND a.seq = h.first_seq
JOIN frames b ON b.attempt_id = coalesce(h.last_part, h.attempt_id) AND b.model = h.model AND b.seq = h.last_seq;

CREATE VIEW v_duplicates AS
-- Pairs of clips that show the same, each pair once.
SELECT ja.id AS job_a, ca.path AS path_a, jb.id AS job_b, cb.path AS path_b, d.similarity
FROM duplicates d
JOIN signatures sa ON sa.id = d.signature_a
JOIN signatures sb ON sb.id = d.signature_b
JOIN attempts aa ON aa.id = sa.attempt_id
JOIN attempts ab ON ab.id = sb.attempt_id
JOIN jobs ja ON ja.id = aa.job_id AND ja.accepted_id = aa.id
JOIN jobs jb ON jb.id = ab.job_id AND jb.accepted_id = ab.id
JOIN clips ca ON ca.id = ja.clip_id
JOIN clips cb ON cb.id = jb.clip_id;

CREATE VIEW v_job_metrics AS
-- One row per job and stage: how often and how long, in milliseconds. wall_s is the whole job's; of a clip in segments,
-- from its first look to the end of the last.
SELECT j.id AS job_id, c.path, a.wall_ns / 1e9 AS wall_s,
       CASE json_extract(s.value, '$[0]') WHEN 0 THEN 'probe' WHEN 1 THEN 'decode' WHEN 2 THEN 'scale' WHEN 3 THEN 'wait'
                                          WHEN 4 THEN 'infer' WHEN 5 THEN 'postprocess' ELSE 'write' END AS stage,
       json_extract(s.value, '$[1]') AS count, json_extract(s.value, '$[2]') / 1e6 AS mean_ms,
       json_extract(s.value, '$[3]') / 1e6 AS p50_ms, json_extract(s.value, '$[4]') / 1e6 AS p95_ms,
       json_extract(s.value, '$[5]') / 1e6 AS max_ms
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN attempts a ON a.id = coalesce(j.accepted_id, j.attempt_id)
JOIN json_each(a.stages) s
WHERE j.parent_id IS NULL
UNION ALL
-- What failed in probing has no attempt, but its probe took time too.
SELECT j.id, c.path, NULL, 'probe', 1, j.probe_ns / 1e6, j.probe_ns / 1e6, j.probe_ns / 1e6, j.probe_ns / 1e6
FROM jobs j JOIN clips c ON c.id = j.clip_id
WHERE j.attempt_id IS NULL AND j.state = 'failed';

CREATE VIEW v_job_summary AS
-- One row per settled job.
SELECT j.id AS job_id, c.path, j.state, a.device, a.wall_ns / 1e9 AS wall_s,
       a.frames_decoded, a.frames_sampled, a.frames_inferred, a.batches, a.mean_batch, a.oom_halvings,
       CASE WHEN a.wall_ns > 0 THEN a.frames_inferred * 1e9 / a.wall_ns END AS frames_per_s,
       CASE WHEN a.wall_ns > 0 THEN c.duration_s * 1e9 / a.wall_ns END AS times_real_time,
       a.frames_cached                 -- answers that the cache knew; NULL in old rows
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN attempts a ON a.id = coalesce(j.accepted_id, j.attempt_id)
WHERE j.state NOT IN ('pending', 'running') AND a.wall_ns IS NOT NULL AND j.parent_id IS NULL;

CREATE VIEW v_job_cache AS
-- One row per settled job whose attempt says what the cache of answers did for it. A frame has an answer for each model.
SELECT j.id AS job_id, c.path, a.frames_sampled,
       a.frames_inferred,              -- answers that were computed,
       a.frames_cached,                -- and those that were known
       a.cache_misses,                 -- of those computed, how many the cache was asked for
       a.cache_evictions,              -- answers that went to make room for its own
       a.cache_saved_ns / 1e6 AS saved_ms   -- what computing the known ones had taken
FROM jobs j
JOIN clips c ON c.id = j.clip_id
JOIN attempts a ON a.id = coalesce(j.accepted_id, j.attempt_id)
WHERE j.state NOT IN ('pending', 'running') AND a.frames_cached IS NOT NULL AND j.parent_id IS NULL;

CREATE VIEW v_runs AS
-- Each `clipq work`. SQL has the wall clock only: after that was set, a run may seem killed, or running, until it is right
-- again. `clipq status` and `clipq report` go by the queue's own clock (boots).
SELECT id AS run_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_ms / 1000.0, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', ended_ms / 1000.0, 'unixepoch') AS ended,
       CASE WHEN ended_ms IS NOT NULL THEN end_reason
            WHEN alive_until_ms < strftime('%s', 'now') * 1000 THEN 'killed' ELSE 'running' END AS end_reason,
       host, pid, workers, batch,
       devices,                        -- names; while it runs, what was asked for
       options, jobs, frames_decoded, frames_sampled, frames_inferred, batches,
       CASE WHEN batches > 0 THEN frames_inferred * 1.0 / batches END AS mean_batch,
       oom_halvings, worker_restarts, engine_restarts, media_s, engines,
       prepare_s,                      -- of wall_s: engines starting, models loading, kernels compiling
       (ended_ms - started_ms) / 1000.0 AS wall_s,
       CASE WHEN ended_ms > started_ms THEN frames_inferred * 1000.0 / (ended_ms - started_ms) END AS frames_per_s,
       CASE WHEN ended_ms > started_ms THEN media_s * 1000.0 / (ended_ms - started_ms) END AS times_real_time,
       frames_cached, cache_misses, cache_evictions,   -- as in v_job_cache
       cache_saved_ns / 1e9 AS cache_saved_s
FROM runs;

CREATE VIEW v_attempts AS
-- Every time a job was tried.
SELECT j.job_id, c.path, a.attempt,
       a.outcome,                      -- running, done, partial, failed, dead, retried, lost, released, cancelled,
                                       -- replaced (by the results of a later one), split (into segments)
       a.reason, a.message, a.owner, r.host, a.pid, a.device, a.run_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.started_ms / 1000.0, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.ended_ms / 1000.0, 'unixepoch') AS ended,
       coalesce(a.wall_ns / 1e9, (a.ended_ms - a.started_ms) / 1000.0) AS wall_s, j.accepted_id IS a.id AS accepted,
       a.frames_decoded, a.frames_sampled, a.frames_inferred, a.batches, a.mean_batch, a.oom_halvings,
       a.last_words,                   -- the end of what its decoder said on standard error, libav's messages too; or NULL
       r.pid AS supervisor_pid,        -- of the `clipq work` that tried
       g.number AS segment,            -- of which segment; NULL: of the clip
       a.frames_cached                 -- answers that the cache knew; NULL in old rows
FROM jobs j
JOIN attempts a ON a.id = j.attempt_id OR (a.job_id = j.id AND a.outcome <> 'running' AND a.outcome <> 'done')
JOIN clips c ON c.id = j.clip_id
LEFT JOIN segments g ON g.job_id = j.id
LEFT JOIN runs r ON r.id = a.run_id;

CREATE VIEW v_failures AS
-- What did not come out whole, and why.
SELECT j.id AS job_id, c.path, j.state, j.reason, j.message, j.attempts,
       j.frame_rows AS frames_kept,
       strftime('%Y-%m-%dT%H:%M:%fZ', j.ended_ms / 1000.0, 'unixepoch') AS ended
FROM jobs j JOIN clips c ON c.id = j.clip_id
WHERE j.state IN ('partial', 'failed', 'dead') AND j.parent_id IS NULL;

CREATE VIEW v_tunings AS
-- Which kernel runs which operator, by measurement (`clipq tune kernels`).
SELECT device, driver, description AS operator, variant, heuristic,
       json_extract(measured, '$.' || variant) AS ms, json_extract(measured, '$.' || heuristic) AS heuristic_ms,
       measured, kernels,
       strftime('%Y-%m-%dT%H:%M:%fZ', tuned_ms / 1000.0, 'unixepoch') AS tuned
FROM tunings;

CREATE VIEW v_workers AS
-- The processes of each run, as of `updated`: supervisor, decode workers and engines. Killed: as in v_runs.
SELECT w.run_id, r.host, w.role, w.slot, w.pid,
       CASE WHEN r.ended_ms IS NOT NULL THEN 'ended'
            WHEN r.alive_until_ms < strftime('%s', 'now') * 1000 THEN 'killed'   -- with its run
            ELSE w.state END AS state,     -- starting, idle, busy, waiting (to be started again), out (of service)
       w.restarts, w.clips,               -- of an engine: batches
       w.frames, w.frames_per_s, w.cpu_s,
       w.rss,                              -- bytes
       strftime('%Y-%m-%dT%H:%M:%fZ', w.last_frame_ms / 1000.0, 'unixepoch') AS last_frame,
       coalesce(j.job_id, w.job_id) AS job_id, c.path,
       strftime('%Y-%m-%dT%H:%M:%fZ', w.updated_ms / 1000.0, 'unixepoch') AS updated
FROM workers w
JOIN runs r ON r.id = w.run_id
LEFT JOIN jobs j ON j.id = w.job_id
LEFT JOIN clips c ON c.id = j.clip_id;

CREATE VIEW v_pause AS
-- One row while the queue is paused (`clipq pause`), none otherwise.
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') AS since, by
FROM pause;

CREATE VIEW v_engines AS
-- How each run's batches were divided among its engines.
SELECT run_id, slot, spec, device, chosen, batches, frames,
       frames * 1.0 / nullif(sum(frames) OVER run, 0) AS share,   -- of the run's frames, once for each model
       busy_s,                         -- with a batch
       frames / nullif(busy_s, 0) AS frames_per_s,                 -- while it was busy
       frames / nullif(busy_s, 0) / sum(frames / nullif(busy_s, 0)) OVER run AS speed_share   -- of the speeds together
FROM engines
WINDOW run AS (PARTITION BY run_id);

CREATE VIEW v_limits AS
-- What a unit of work takes at best, which scores are held against: processor-seconds for a decoded frame, seconds of the
-- device for an inferred one. `clipq bench infer --record` and `bench decode --record` measure them; runs observe them.
SELECT host, kind, device, driver, units, coalesce(m.name, subject) AS subject, shape, source, batch, unit_s,
       strftime('%Y-%m-%dT%H:%M:%fZ', measured_ms / 1000.0, 'unixepoch') AS measured
FROM limits LEFT JOIN (SELECT hash, min(name) AS name FROM models GROUP BY hash) m ON m.hash = subject;

CREATE VIEW v_scores AS
-- How near each ended run (scope `run`), and each clip that is done or partial (scope `job`), came to what the machine can do: 100
-- times what the slowest necessary resource needed at its limit over what it took. `recomputed` is `score` once more, from
-- the columns after it. README.md says more, runner/score.h all.
SELECT scope, run_id, job_id, path, score,   -- 0..100, or NULL; then the reason says why
       CASE WHEN unknown OR needed_s <= 0 OR took_s <= 0 THEN NULL ELSE min(100.0, 100.0 * needed_s / took_s) END AS recomputed,
       formula, took_s, needed_s,
       CASE WHEN device_s * 1.0 / max(devices, 1) > (decode_s + infer_s) * 1.0 / max(processors, 1) THEN 'devices' ELSE 'processors' END AS resource,
       processors, devices,
       decoded, decode_s,              -- frames, and processor-seconds that they need at the limit
       inferred, infer_s,              -- the same of those inferred on the processors,
       on_devices, device_s,           -- and on devices of their own, in seconds of a device
       observed,                       -- 1: a limit among these is the best of runs, not measured by itself
       unknown,                        -- 1: a limit is not known at all
       s.reason, a.advice,             -- the largest part of what is missing, and the change that helps
       losses                          -- JSON {reason: seconds of took_s, ...}
FROM (SELECT *, max((decode_s + infer_s) * 1.0 / max(processors, 1), device_s * 1.0 / max(devices, 1)) AS needed_s
      FROM (SELECT 'run' AS scope, id AS run_id, NULL AS job_id, NULL AS path, score, score_inputs AS i,
                   score_inputs ->> '$.formula' AS formula, score_inputs ->> '$.took_s' AS took_s,
                   score_inputs ->> '$.processors' AS processors, score_inputs ->> '$.devices' AS devices,
                   score_inputs ->> '$.decoded' AS decoded, score_inputs ->> '$.decode_s' AS decode_s,
                   score_inputs ->> '$.inferred' AS inferred, score_inputs ->> '$.infer_s' AS infer_s,
                   score_inputs ->> '$.on_devices' AS on_devices, score_inputs ->> '$.device_s' AS device_s,
                   score_inputs ->> '$.observed' AS observed, score_inputs ->> '$.unknown' AS unknown,
                   score_inputs ->> '$.reason' AS reason, score_inputs -> '$.losses' AS losses
            FROM runs WHERE score_inputs IS NOT NULL
            UNION ALL
            SELECT 'job', a.run_id, j.id, c.path, a.score, a.score_inputs,
                   a.score_inputs ->> '$.formula', a.score_inputs ->> '$.took_s',
                   a.score_inputs ->> '$.processors', a.score_inputs ->> '$.devices',
                   a.score_inputs ->> '$.decoded', a.score_inputs ->> '$.decode_s',
                   a.score_inputs ->> '$.inferred', a.score_inputs ->> '$.infer_s',
                   a.score_inputs ->> '$.on_devices', a.score_inputs ->> '$.device_s',
                   a.score_inputs ->> '$.observed', a.score_inputs ->> '$.unknown',
                   a.score_inputs ->> '$.reason', a.score_inputs -> '$.losses'
            FROM jobs j JOIN attempts a ON a.id = j.accepted_id JOIN clips c ON c.id = j.clip_id
            WHERE j.parent_id IS NULL AND a.score_inputs IS NOT NULL)) s
LEFT JOIN score_reasons a ON a.reason = s.reason;
