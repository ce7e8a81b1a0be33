-- Eleven questions to a clipq database. All at once:   sqlite3 -box clipq.db < examples/queries.sql
-- Only the v_* views are used; they are stable. Change labels and thresholds to what your models know.

-- 1. How did the batch go: how many clips in which state, how much video, how many frames?
SELECT state, count(*) AS clips, round(sum(duration_s) / 60, 1) AS minutes, sum(frames) AS frames
FROM v_jobs
GROUP BY state
ORDER BY clips DESC;

-- 2. Which clips did not come out whole, and why? "partial" ones kept the frames that could be decoded.
SELECT path, state, reason, frames_kept, message
FROM v_failures
ORDER BY reason, path;

-- 3. In which clips was a person seen, and where is the surest look at one?
--    (SQLite takes time_s from the row that has the maximum.)
SELECT path, count(DISTINCT seq) AS frames_with_person, max(score) AS best_score, round(time_s, 2) AS at_s
FROM v_detections
WHERE label = 'person' AND score >= 0.5
GROUP BY job_id, model
ORDER BY frames_with_person DESC;

-- 4. From when to when? Sightings less than two seconds apart are one appearance.
WITH seen AS (
    SELECT DISTINCT job_id, path, time_s FROM v_detections WHERE label = 'person' AND score >= 0.5
), marked AS (
    SELECT *, time_s - lag(time_s, 1, -1e9) OVER (PARTITION BY job_id ORDER BY time_s) > 2 AS opens FROM seen
), numbered AS (
    SELECT *, sum(opens) OVER (PARTITION BY job_id ORDER BY time_s) AS appearance FROM marked
)
SELECT path, appearance, round(min(time_s), 2) AS from_s, round(max(time_s), 2) AS to_s, count(*) AS frames
FROM numbered
GROUP BY job_id, appearance
ORDER BY path, from_s;

-- 5. Which kinds of things are there, and how many at most in one frame?
WITH per_frame AS (
    SELECT job_id, path, model, seq, label, count(*) AS n FROM v_detections WHERE score >= 0.3 GROUP BY job_id, model, seq, label
)
SELECT label, count(DISTINCT job_id) AS clips, count(*) AS frames, max(n) AS most_at_once, path AS example
FROM per_frame
GROUP BY label
ORDER BY frames DESC;

-- 6. Which clips were looked at from end to end with nothing found? (No row in v_detections alone would not
--    tell "nothing there" from "never looked at".)
SELECT j.path, count(DISTINCT f.seq) AS frames_looked_at
FROM v_jobs j
JOIN v_frames f ON f.job_id = j.job_id
WHERE j.state = 'done' AND NOT EXISTS (SELECT 1 FROM v_detections d WHERE d.job_id = j.job_id AND d.score >= 0.3)
GROUP BY j.job_id
ORDER BY frames_looked_at DESC;

-- 7. Which clips show the same, and what would deleting the smaller copy free?
SELECT d.path_a, d.path_b, round(d.similarity, 3) AS similarity, round(min(a.size, b.size) / 1e6, 1) AS smaller_mb
FROM v_duplicates d
JOIN v_jobs a ON a.job_id = d.job_a
JOIN v_jobs b ON b.job_id = d.job_b
ORDER BY similarity DESC;

-- 8. How is each clip cut: shots, their mean length, the longest?
SELECT path, count(*) AS shots, round(avg(end_s - start_s), 2) AS mean_s, round(max(end_s - start_s), 2) AS longest_s
FROM v_shots
GROUP BY job_id, model
ORDER BY shots DESC;

-- 9. Which clips are too dark or washed out, for more than a tenth of their frames?
SELECT path, round(avg(exposure < 0.1 OR clipped_dark > 0.5), 2) AS dark_share,
       round(avg(exposure > 0.9 OR clipped_bright > 0.5), 2) AS bright_share, round(avg(sharpness), 2) AS mean_sharpness
FROM v_quality
GROUP BY job_id, model
HAVING dark_share > 0.1 OR bright_share > 0.1
ORDER BY max(dark_share, bright_share) DESC;

-- 10. Where did the time go, stage by stage, and which clip was worst in it?
WITH spent AS (
    SELECT stage, path, count * mean_ms / 1e3 AS seconds, p95_ms FROM v_job_metrics
)
SELECT stage, round(sum(seconds), 2) AS seconds, round(100 * sum(seconds) / (SELECT sum(seconds) FROM spent), 1) AS percent,
       round(max(p95_ms), 2) AS worst_p95_ms, path AS in_clip
FROM spent
GROUP BY stage
ORDER BY sum(seconds) DESC;

-- 11. How near did the last run come to what this machine can do, and what took the rest?
SELECT s.run_id, round(s.score, 1) AS score, round(s.took_s, 1) AS took_s, l.key AS lost_to, round(100 * l.value / s.took_s, 1) AS points
FROM v_scores s JOIN json_each(s.losses) l
WHERE s.scope = 'run' AND s.run_id = (SELECT max(run_id) FROM v_scores WHERE scope = 'run')
ORDER BY l.value DESC;
