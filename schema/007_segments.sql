-- Version 7: a long clip in segments.
--
-- A segment is a job of its own with a parent, so that it is claimed, leased, retried and recorded like any other. The
-- clip's job waits for its segments: pending, or running while one of them is. Only clips are counted. Triggers keep the
-- two in step, whoever changes either:
--   a segment that fails or dies takes its clip with it, with its reason;
--   a clip that ends otherwise than by its segments, or is to be done anew, cancels them and has their rows swept.
-- UNIQUE (clip_id, pipeline_id) holds for clips only now, which needs the table to be made again.

CREATE TABLE jobs_new (
    -- One pipeline on one clip, or on a segment of it. The queue is the rows in state pending.
    id            INTEGER PRIMARY KEY,
    clip_id       INTEGER NOT NULL REFERENCES clips (id),
    pipeline_id   INTEGER NOT NULL REFERENCES pipelines (id),
    state         TEXT NOT NULL CHECK (state IN
                      ('pending', 'running', 'done', 'partial', 'failed', 'dead', 'cancelled')),
    reason        TEXT NOT NULL,      -- failure class of the newest attempt, '' for none
    message       TEXT NOT NULL,
    priority      INTEGER NOT NULL,   -- larger first
    not_before_ms INTEGER NOT NULL,   -- 0: at once; -1: before those; later after a failure; waiting for segments: never
    submitted_ms  INTEGER NOT NULL,
    started_ms    INTEGER,            -- of the newest attempt
    ended_ms      INTEGER,            -- when the state became final
    probe_ns      INTEGER NOT NULL,   -- what probing took at submission
    media_ms      INTEGER NOT NULL,   -- the clip's or segment's duration, here for the totals
    frame_rows    INTEGER NOT NULL DEFAULT 0,  -- accepted rows of frames
    attempt       INTEGER NOT NULL DEFAULT 0,  -- fencing number: grows with every claim
    attempt_id    INTEGER,            -- attempts.id of the newest one
    accepted_id   INTEGER,            -- attempts.id whose results count; NULL until done or partial; of segments: until the clip is
    attempts      INTEGER NOT NULL DEFAULT 0,  -- claims, less those handed back untried
    failures      INTEGER NOT NULL DEFAULT 0,  -- attempts that failed
    crashes       INTEGER NOT NULL DEFAULT 0,  -- those of them that crashed or hung
    lost          INTEGER NOT NULL DEFAULT 0,  -- attempts whose lease ran out
    owner         TEXT,               -- the process that holds the lease
    run_id        INTEGER,
    lease_until_ms INTEGER,
    parent_id     INTEGER,            -- of a segment: its clip's job; else NULL
    segments      INTEGER NOT NULL DEFAULT 0,  -- of a clip: in how many it is done; 0: whole
    whole         INTEGER NOT NULL DEFAULT 0,  -- 1: not to be split, for that was tried in vain
    job_id        INTEGER GENERATED ALWAYS AS (coalesce(parent_id, id)) VIRTUAL  -- the clip's
);
INSERT INTO jobs_new (id, clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, started_ms, ended_ms,
                      probe_ns, media_ms, frame_rows, attempt, attempt_id, accepted_id, attempts, failures, crashes, lost, owner,
                      run_id, lease_until_ms)
SELECT id, clip_id, pipeline_id, state, reason, message, priority, not_before_ms, submitted_ms, started_ms, ended_ms,
       probe_ns, media_ms, frame_rows, attempt, attempt_id, accepted_id, attempts, failures, crashes, lost, owner,
       run_id, lease_until_ms
FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_new RENAME TO jobs;
CREATE UNIQUE INDEX jobs_of_clip ON jobs (clip_id, pipeline_id) WHERE parent_id IS NULL;
CREATE INDEX jobs_results ON jobs (job_id);
CREATE INDEX jobs_pending ON jobs (priority DESC, not_before_ms, id) WHERE state = 'pending';
CREATE INDEX jobs_running ON jobs (lease_until_ms, owner) WHERE state = 'running';
CREATE INDEX jobs_reason ON jobs (reason) WHERE reason <> '';

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs WHEN new.parent_id IS NULL BEGIN
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = new.state;
END;

CREATE TRIGGER jobs_count_update AFTER UPDATE OF state, media_ms, frame_rows, pipeline_id ON jobs WHEN new.parent_id IS NULL BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = old.state;
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = new.state;
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs WHEN old.parent_id IS NULL BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = old.state;
END;

CREATE TABLE segments (
    -- What a segment is (stages/media/segment.h): where it lies, what comes before it, what must come out.
    job_id        INTEGER PRIMARY KEY,  -- the segment's own
    number        INTEGER NOT NULL,     -- from 1
    from_s        REAL NOT NULL,        -- seconds from the clip's first frame
    to_s          REAL NOT NULL,
    from_pts      INTEGER,              -- NULL: the clip's begin
    to_pts        INTEGER,              -- NULL: its end
    first_ordinal INTEGER,              -- NULL: unknowable
    first_seq     INTEGER NOT NULL,
    first_s       REAL NOT NULL,        -- of the sampler: the clip's first frame, frames seen, next tick
    seen          INTEGER NOT NULL,
    next_tick     INTEGER NOT NULL,
    frames        INTEGER NOT NULL,
    digest        INTEGER NOT NULL,
    sampled       INTEGER NOT NULL
);

CREATE TABLE segment_stages (
    -- Histograms of segments that are done, until their clip is and they are merged (runner/metrics.h).
    job_id    INTEGER NOT NULL,
    stage     INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    sum_ns    INTEGER NOT NULL,
    max_ns    INTEGER NOT NULL,
    histogram TEXT NOT NULL,
    PRIMARY KEY (job_id, stage)
) WITHOUT ROWID;

-- A shot of such a clip begins and ends in frames of its segments: the attempts that hold them; NULL: the shot's own.
ALTER TABLE shots ADD COLUMN first_part INTEGER;
ALTER TABLE shots ADD COLUMN last_part INTEGER;

CREATE TRIGGER segments_move AFTER UPDATE OF state ON jobs WHEN new.parent_id IS NOT NULL AND new.state <> old.state BEGIN
    UPDATE jobs SET state = new.state, reason = new.reason, ended_ms = new.ended_ms,
        message = 'segment ' || (SELECT number FROM segments WHERE job_id = new.id) || ' of ' || segments || ': ' || new.message
    WHERE id = new.parent_id AND segments > 0 AND state IN ('pending', 'running') AND new.state IN ('failed', 'dead', 'cancelled');
    UPDATE jobs SET state = CASE state WHEN 'pending' THEN 'running' ELSE 'pending' END
    WHERE id = new.parent_id AND segments > 0 AND state IN ('pending', 'running') AND (state = 'running') <>
        EXISTS (SELECT 1 FROM jobs s WHERE s.job_id = new.parent_id AND s.parent_id IS NOT NULL AND s.state = 'running');
END;

CREATE TRIGGER segments_drop AFTER UPDATE OF state, segments ON jobs
WHEN old.segments > 0 AND (new.segments = 0 OR new.state IN ('failed', 'dead', 'cancelled') OR
                           (old.state NOT IN ('pending', 'running') AND new.state IN ('pending', 'running')))
BEGIN
    UPDATE jobs SET segments = 0, not_before_ms = CASE not_before_ms WHEN 9223372036854775807 THEN 0 ELSE not_before_ms END WHERE id = new.id;
    UPDATE attempts SET sweep = 1, ended_ms = coalesce(ended_ms, new.ended_ms, strftime('%s', 'now') * 1000),
        outcome = CASE WHEN outcome IN ('running', 'done') THEN 'cancelled' ELSE outcome END
    WHERE id IN (SELECT attempt_id FROM jobs WHERE job_id = new.id AND parent_id IS NOT NULL);
    UPDATE attempts SET ended_ms = coalesce(ended_ms, new.ended_ms, strftime('%s', 'now') * 1000),
        outcome = CASE WHEN new.state IN ('failed', 'dead', 'cancelled') THEN new.state ELSE 'released' END
    WHERE id = new.attempt_id AND outcome = 'split';
    DELETE FROM segment_stages WHERE job_id IN (SELECT id FROM jobs WHERE job_id = new.id AND parent_id IS NOT NULL);
    UPDATE jobs SET accepted_id = NULL, owner = NULL, lease_until_ms = NULL,
        ended_ms = coalesce(ended_ms, new.ended_ms, strftime('%s', 'now') * 1000),
        state = CASE WHEN state IN ('failed', 'dead') THEN state ELSE 'cancelled' END
    WHERE job_id = new.id AND parent_id IS NOT NULL;
END;
