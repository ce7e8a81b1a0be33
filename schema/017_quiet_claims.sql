-- Version 17: fewer pages for each clip that is claimed and done.
--
-- Every attempt was in an index by its job. Now those are that did not go from running to done: the newest of a job is
-- jobs.attempt_id, and what was done is never tried again. And every claim was counted, from pending to running: now the
-- totals have one row for both, open, and what runs is counted in jobs_queue by who looks.

PRAGMA legacy_alter_table = ON;      -- or the triggers on jobs would have to be dropped, that mention attempts

CREATE TABLE attempts_new (
    -- The history: one row per claim of a job, kept for good.
    id              INTEGER PRIMARY KEY,
    job_id          INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,   -- jobs.attempt at the claim
    run_id          INTEGER,
    owner           TEXT NOT NULL,
    started_ms      INTEGER NOT NULL,
    ended_ms        INTEGER,
    outcome         TEXT NOT NULL,      -- as v_attempts explains it
    reason          TEXT NOT NULL DEFAULT '',
    message         TEXT NOT NULL DEFAULT '',
    sweep           INTEGER NOT NULL DEFAULT 0,  -- 1: its result rows are to be deleted
    pid             INTEGER,            -- of the decode worker
    device          TEXT,
    wall_ns         INTEGER,
    frames_decoded  INTEGER,
    frames_sampled  INTEGER,
    frames_inferred INTEGER,
    batches         INTEGER,            -- that held a frame of it
    mean_batch      REAL,
    oom_halvings    INTEGER,
    last_words      TEXT,               -- the end of what its decoder said on standard error
    -- JSON [[stage, count, mean, median, 95th percentile, longest], ...], in nanoseconds per frame (probe, write: per call).
    -- Stages: 0 probe, 1 decode, 2 scale, 3 wait, 4 infer, 5 postprocess, 6 write.
    stages          TEXT
);
INSERT INTO attempts_new (id, job_id, attempt, run_id, owner, started_ms, ended_ms, outcome, reason, message, sweep, pid, device,
                          wall_ns, frames_decoded, frames_sampled, frames_inferred, batches, mean_batch, oom_halvings, last_words, stages)
SELECT id, job_id, attempt, run_id, owner, started_ms, ended_ms, outcome, reason, message, sweep, pid, device,
       wall_ns, frames_decoded, frames_sampled, frames_inferred, batches, mean_batch, oom_halvings, last_words, stages
FROM attempts;
DROP TABLE attempts;
ALTER TABLE attempts_new RENAME TO attempts;
PRAGMA legacy_alter_table = OFF;
CREATE INDEX attempts_sweep ON attempts (id) WHERE sweep = 1;
CREATE UNIQUE INDEX attempts_aside ON attempts (job_id, attempt) WHERE outcome <> 'running' AND outcome <> 'done';

DROP TRIGGER pipelines_count;
DROP TRIGGER jobs_count_insert;
DROP TRIGGER jobs_count_update;
DROP TRIGGER jobs_count_delete;

INSERT INTO totals (pipeline_id, state, jobs, media_ms, frame_rows)
SELECT pipeline_id, 'open', sum(jobs), sum(media_ms), sum(frame_rows) FROM totals WHERE state IN ('pending', 'running') GROUP BY 1;
DELETE FROM totals WHERE state IN ('pending', 'running');

CREATE TRIGGER pipelines_count AFTER INSERT ON pipelines BEGIN
    INSERT INTO totals (pipeline_id, state)
    VALUES (new.id, 'open'), (new.id, 'done'), (new.id, 'partial'), (new.id, 'failed'), (new.id, 'dead'), (new.id, 'cancelled');
END;

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs WHEN new.parent_id IS NULL BEGIN
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = iif(new.state IN ('pending', 'running'), 'open', new.state);
END;

CREATE TRIGGER jobs_count_update AFTER UPDATE OF state, media_ms, frame_rows, pipeline_id ON jobs
WHEN new.parent_id IS NULL AND NOT (old.state IN ('pending', 'running') AND new.state IN ('pending', 'running') AND
    old.media_ms = new.media_ms AND old.frame_rows = new.frame_rows AND old.pipeline_id = new.pipeline_id)
BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = iif(old.state IN ('pending', 'running'), 'open', old.state);
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = iif(new.state IN ('pending', 'running'), 'open', new.state);
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs WHEN old.parent_id IS NULL BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = iif(old.state IN ('pending', 'running'), 'open', old.state);
END;
