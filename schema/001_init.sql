-- clipq's base tables, version 1.
--
-- Read the v_* views (views.sql), not these tables: the views are stable, the tables change with migrations.
-- Comments stand inside the statements so that they stay visible in sqlite_schema.
--
-- Results hang on an attempt, not on a job: rows of a running attempt are written as they come and are shown
-- once jobs.accepted_id names it. The large tables have integer keys only, no foreign keys and no further
-- indexes: they are always read by (attempt_id, model, seq).

CREATE TABLE models (
    -- One row per model file as used: the same file with other labels or another decoder is another row.
    id      INTEGER PRIMARY KEY,
    hash    TEXT NOT NULL,            -- of the .onnx file's bytes
    name    TEXT NOT NULL,            -- file name without folder, or "builtin:scene"
    path    TEXT NOT NULL,            -- where it was last seen
    decoder TEXT NOT NULL,            -- which turns its tensors into answers
    labels  TEXT NOT NULL,            -- one per line, as in the labels table; part of the key
    UNIQUE (hash, name, decoder, labels)
);

CREATE TABLE labels (
    -- Names of a model's classes.
    model_id INTEGER NOT NULL REFERENCES models (id),
    class_id INTEGER NOT NULL,
    label    TEXT NOT NULL,
    PRIMARY KEY (model_id, class_id)
) WITHOUT ROWID;

CREATE TABLE pipelines (
    -- What is done to a clip: one canonical JSON document, named by its hash.
    id         INTEGER PRIMARY KEY,
    hash       TEXT NOT NULL UNIQUE,
    document   TEXT NOT NULL,
    created_ms INTEGER NOT NULL       -- UTC milliseconds, as every *_ms that is a point in time
);

CREATE TABLE pipeline_models (
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id),
    position    INTEGER NOT NULL,     -- from 0; the "model" column of the result tables
    model_id    INTEGER NOT NULL REFERENCES models (id),
    PRIMARY KEY (pipeline_id, position)
) WITHOUT ROWID;

CREATE TABLE clips (
    -- A clip by its content (fingerprint); one that cannot be probed, by its path.
    id             INTEGER PRIMARY KEY,
    path           TEXT NOT NULL,     -- the first path it was submitted under that still exists
    fingerprint    TEXT NOT NULL,     -- size and hashed blocks; '' when not even the bytes could be read
    failure        TEXT NOT NULL,     -- class of the probe's failure, '' when it can be decoded
    message        TEXT NOT NULL,
    size           INTEGER NOT NULL,  -- bytes
    mtime_ns       INTEGER NOT NULL,
    container      TEXT NOT NULL,
    codec          TEXT NOT NULL,
    pixel_format   TEXT NOT NULL,
    coded_w        INTEGER NOT NULL,
    coded_h        INTEGER NOT NULL,
    display_w      INTEGER NOT NULL,  -- as seen: sample aspect, then rotation applied
    display_h      INTEGER NOT NULL,
    sar_num        INTEGER NOT NULL,
    sar_den        INTEGER NOT NULL,
    rotation       INTEGER NOT NULL,  -- clockwise degrees a viewer turns the picture
    mirrored       INTEGER NOT NULL,  -- flipped left-right before that turn
    tb_num         INTEGER NOT NULL,  -- seconds per unit of pts: tb_num / tb_den
    tb_den         INTEGER NOT NULL,
    start_pts      INTEGER,           -- NULL when unknown
    duration_s     REAL NOT NULL,
    frames_claimed INTEGER NOT NULL,  -- by the header; not to be trusted
    fps            REAL NOT NULL,     -- by the header
    stream_index   INTEGER NOT NULL,
    video_streams  INTEGER NOT NULL,
    stream_reason  TEXT NOT NULL      -- why this stream
);
CREATE UNIQUE INDEX clips_by_content ON clips (fingerprint) WHERE failure = '';
CREATE UNIQUE INDEX clips_unreadable ON clips (path) WHERE failure <> '';

CREATE TABLE jobs (
    -- One pipeline on one clip. The queue is the rows in state pending.
    id            INTEGER PRIMARY KEY,
    clip_id       INTEGER NOT NULL REFERENCES clips (id),
    pipeline_id   INTEGER NOT NULL REFERENCES pipelines (id),
    state         TEXT NOT NULL CHECK (state IN
                      ('pending', 'running', 'done', 'partial', 'failed', 'dead', 'cancelled')),
    reason        TEXT NOT NULL,      -- failure class of the newest attempt, '' for none
    message       TEXT NOT NULL,
    priority      INTEGER NOT NULL,   -- larger first
    not_before_ms INTEGER NOT NULL,   -- 0: at once; later after a failure
    submitted_ms  INTEGER NOT NULL,
    started_ms    INTEGER,            -- of the newest attempt
    ended_ms      INTEGER,            -- when the state became final
    probe_ns      INTEGER NOT NULL,   -- what probing took at submission
    media_ms      INTEGER NOT NULL,   -- the clip's duration, here for the totals
    frame_rows    INTEGER NOT NULL DEFAULT 0,  -- accepted rows of frames
    attempt       INTEGER NOT NULL DEFAULT 0,  -- fencing number: grows with every claim
    attempt_id    INTEGER,            -- attempts.id of the newest one
    accepted_id   INTEGER,            -- attempts.id whose results count; NULL until done or partial
    attempts      INTEGER NOT NULL DEFAULT 0,  -- claims, less those handed back untried
    failures      INTEGER NOT NULL DEFAULT 0,  -- attempts that failed
    crashes       INTEGER NOT NULL DEFAULT 0,  -- those of them that crashed or hung
    lost          INTEGER NOT NULL DEFAULT 0,  -- attempts whose lease ran out
    owner         TEXT,               -- the process that holds the lease
    run_id        INTEGER,
    lease_until_ms INTEGER,
    UNIQUE (clip_id, pipeline_id)
);
CREATE INDEX jobs_pending ON jobs (priority DESC, not_before_ms, id) WHERE state = 'pending';
CREATE INDEX jobs_running ON jobs (lease_until_ms, owner) WHERE state = 'running';
CREATE INDEX jobs_reason ON jobs (reason) WHERE reason <> '';

CREATE TABLE paths (
    -- Every path that was submitted, with the job that answers for it.
    path   TEXT NOT NULL,
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    PRIMARY KEY (path, job_id)
) WITHOUT ROWID;

CREATE TABLE totals (
    -- Jobs counted by triggers, so that looking at a million of them costs nothing.
    pipeline_id INTEGER NOT NULL,
    state       TEXT NOT NULL,
    jobs        INTEGER NOT NULL DEFAULT 0,
    media_ms    INTEGER NOT NULL DEFAULT 0,
    frame_rows  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (pipeline_id, state)
) WITHOUT ROWID;

CREATE TRIGGER pipelines_count AFTER INSERT ON pipelines BEGIN
    INSERT INTO totals (pipeline_id, state)
    VALUES (new.id, 'pending'), (new.id, 'running'), (new.id, 'done'), (new.id, 'partial'),
           (new.id, 'failed'), (new.id, 'dead'), (new.id, 'cancelled');
END;

CREATE TRIGGER jobs_count_insert AFTER INSERT ON jobs BEGIN
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = new.state;
END;

CREATE TRIGGER jobs_count_update AFTER UPDATE OF state, media_ms, frame_rows, pipeline_id ON jobs BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = old.state;
    UPDATE totals SET jobs = jobs + 1, media_ms = media_ms + new.media_ms, frame_rows = frame_rows + new.frame_rows
    WHERE pipeline_id = new.pipeline_id AND state = new.state;
END;

CREATE TRIGGER jobs_count_delete AFTER DELETE ON jobs BEGIN
    UPDATE totals SET jobs = jobs - 1, media_ms = media_ms - old.media_ms, frame_rows = frame_rows - old.frame_rows
    WHERE pipeline_id = old.pipeline_id AND state = old.state;
END;

CREATE TABLE attempts (
    -- The history: one row per claim of a job, kept for good.
    id              INTEGER PRIMARY KEY,
    job_id          INTEGER NOT NULL,
    attempt         INTEGER NOT NULL,   -- jobs.attempt at the claim
    run_id          INTEGER,
    owner           TEXT NOT NULL,
    started_ms      INTEGER NOT NULL,
    ended_ms        INTEGER,
    outcome         TEXT NOT NULL,      -- running, done, partial, failed, retried, lost (lease ran out), released
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
    UNIQUE (job_id, attempt)
);
CREATE INDEX attempts_sweep ON attempts (id) WHERE sweep = 1;

CREATE TABLE frames (
    -- Every sampled frame, once per model, and where its answer came from.
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,        -- position in the pipeline
    seq        INTEGER NOT NULL,        -- order of sampling, from 0
    ordinal    INTEGER,                 -- in presentation order from 0; NULL where sampling made it unknowable
    pts        INTEGER NOT NULL,        -- in the clip's time base
    time_s     REAL NOT NULL,
    source     INTEGER NOT NULL,        -- 0 inferred, 1 inherited, 2 cached
    source_seq INTEGER,                 -- inherited: from which frame
    PRIMARY KEY (attempt_id, model, seq)
) WITHOUT ROWID;

CREATE TABLE detections (
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    n          INTEGER NOT NULL,        -- from 0, as the decoder ordered them
    class_id   INTEGER NOT NULL,
    score      REAL NOT NULL,
    x0         REAL NOT NULL,           -- display pixels
    y0         REAL NOT NULL,
    x1         REAL NOT NULL,
    y1         REAL NOT NULL,
    landmarks  TEXT,                    -- JSON [[x,y],...] in display pixels
    PRIMARY KEY (attempt_id, model, seq, n)
) WITHOUT ROWID;

CREATE TABLE classifications (
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    rank       INTEGER NOT NULL,        -- from 1, best first
    class_id   INTEGER NOT NULL,
    score      REAL NOT NULL,
    PRIMARY KEY (attempt_id, model, seq, rank)
) WITHOUT ROWID;

CREATE TABLE embeddings (
    -- With a rowid, unlike its neighbours: in a table without one, a kilobyte of vector would go to an
    -- overflow page of its own.
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    v          BLOB NOT NULL,           -- float32, little-endian
    UNIQUE (attempt_id, model, seq)
);

CREATE TABLE quality (
    -- builtin:scene: what the picture itself is like.
    attempt_id     INTEGER NOT NULL,
    model          INTEGER NOT NULL,
    seq            INTEGER NOT NULL,
    sharpness      REAL NOT NULL,
    exposure       REAL NOT NULL,       -- mean luma 0..1
    contrast       REAL NOT NULL,       -- standard deviation of luma
    clipped_dark   REAL NOT NULL,       -- shares of pixels 0..1
    clipped_bright REAL NOT NULL,
    PRIMARY KEY (attempt_id, model, seq)
) WITHOUT ROWID;

CREATE TABLE artifacts (
    -- Tensors and pictures kept as files beside the database.
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    kind       TEXT NOT NULL,           -- png or npy
    name       TEXT NOT NULL,           -- the model's output
    shape      TEXT NOT NULL,
    file       TEXT NOT NULL,           -- relative to the database's folder
    PRIMARY KEY (attempt_id, model, seq, n)
) WITHOUT ROWID;

CREATE TABLE shots (
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    shot       INTEGER NOT NULL,        -- from 0
    first_seq  INTEGER NOT NULL,        -- of the frames it begins and ends with
    last_seq   INTEGER NOT NULL,
    start_s    REAL NOT NULL,
    end_s      REAL NOT NULL,
    cut_score  REAL NOT NULL,           -- distance at the cut that opens it; 0 for the first
    PRIMARY KEY (attempt_id, model, shot)
) WITHOUT ROWID;

CREATE TABLE signatures (
    -- One vector per clip, to find near-duplicates with. `matched`: NULL while its attempt runs, 0 when
    -- accepted and still to be compared, 1 when compared with every other that has 1.
    id         INTEGER PRIMARY KEY,
    attempt_id INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    clip_id    INTEGER NOT NULL,
    model_hash TEXT NOT NULL,
    duration_s REAL NOT NULL,
    matched    INTEGER,
    cursor     INTEGER NOT NULL DEFAULT 0,   -- compared so far with the matched ones up to this id
    v          BLOB NOT NULL,           -- float32, little-endian, unit length
    UNIQUE (attempt_id, model)
);
CREATE INDEX signatures_unmatched ON signatures (cursor DESC, id) WHERE matched = 0;

CREATE TABLE duplicates (
    -- Pairs of clips whose signatures agree; a pair stands once, whatever pipelines the clips went through.
    clip_a     INTEGER NOT NULL,        -- the smaller id
    clip_b     INTEGER NOT NULL,
    signature_a INTEGER NOT NULL,
    signature_b INTEGER NOT NULL,
    similarity REAL NOT NULL,           -- -1..1
    PRIMARY KEY (clip_a, clip_b)
) WITHOUT ROWID;

CREATE TABLE job_stages (
    -- Where an attempt's time went, in milliseconds per frame (probe, write: per call).
    attempt_id INTEGER NOT NULL,
    stage      INTEGER NOT NULL,        -- 0 probe, 1 decode, 2 scale, 3 wait, 4 infer, 5 postprocess, 6 write
    count      INTEGER NOT NULL,
    mean_ms    REAL NOT NULL,
    p50_ms     REAL NOT NULL,
    p95_ms     REAL NOT NULL,
    max_ms     REAL NOT NULL,
    PRIMARY KEY (attempt_id, stage)
) WITHOUT ROWID;

CREATE TABLE stage_totals (
    -- The same over all accepted attempts, as mergeable histograms ("bucket:count,..."; runner/metrics.h).
    stage     INTEGER PRIMARY KEY,
    count     INTEGER NOT NULL,
    sum_ns    INTEGER NOT NULL,
    max_ns    INTEGER NOT NULL,
    histogram TEXT NOT NULL
);

CREATE TABLE runs (
    -- One `clipq work`. Counters grow with each settled clip and are replaced by the run's own at its end.
    id              INTEGER PRIMARY KEY,
    started_ms      INTEGER NOT NULL,
    alive_until_ms  INTEGER NOT NULL,   -- pushed on by heartbeats; past and not ended: it was killed
    ended_ms        INTEGER,
    end_reason      TEXT NOT NULL DEFAULT '',
    host            TEXT NOT NULL,
    pid             INTEGER NOT NULL,
    workers         INTEGER NOT NULL,
    batch           INTEGER NOT NULL,   -- 0: chosen by the plan
    devices         TEXT NOT NULL,      -- as asked for; at the end the names of what was used
    options         TEXT NOT NULL,
    jobs            INTEGER NOT NULL DEFAULT 0,
    frames_decoded  INTEGER NOT NULL DEFAULT 0,
    frames_sampled  INTEGER NOT NULL DEFAULT 0,
    frames_inferred INTEGER NOT NULL DEFAULT 0,
    batches         INTEGER NOT NULL DEFAULT 0,
    oom_halvings    INTEGER NOT NULL DEFAULT 0,
    worker_restarts INTEGER NOT NULL DEFAULT 0,
    engine_restarts INTEGER NOT NULL DEFAULT 0,
    media_s         REAL NOT NULL DEFAULT 0,
    engines         INTEGER NOT NULL DEFAULT 0,
    prepare_s       REAL NOT NULL DEFAULT 0  -- until an engine was ready; nothing could be done before
);

CREATE TABLE run_stages (
    run_id    INTEGER NOT NULL REFERENCES runs (id),
    stage     INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    mean_ms   REAL NOT NULL,
    p50_ms    REAL NOT NULL,
    p95_ms    REAL NOT NULL,
    max_ms    REAL NOT NULL,
    histogram TEXT NOT NULL,
    PRIMARY KEY (run_id, stage)
) WITHOUT ROWID;

CREATE TABLE device_limits (
    -- The largest batch known to be safe.
    device     TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    shape      TEXT NOT NULL,
    batch      INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (device, model_hash, shape)
) WITHOUT ROWID;
