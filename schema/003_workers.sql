-- Version 3: how the children of a run fare, decode workers and engines alike.

CREATE TABLE workers (
    -- One row per place for a child; a child that dies is followed by another in the same place.
    run_id        INTEGER NOT NULL REFERENCES runs (id),
    role          TEXT NOT NULL,            -- decode or engine
    slot          INTEGER NOT NULL,         -- from 0
    pid           INTEGER,                  -- NULL while there is none
    state         TEXT NOT NULL,            -- starting, idle, busy, waiting (to be started again), out
    restarts      INTEGER NOT NULL,
    clips         INTEGER NOT NULL,         -- decoded to their end; of an engine: batches
    frames        INTEGER NOT NULL,         -- sampled; of an engine: answered
    frames_per_s  REAL NOT NULL,            -- since the row before
    cpu_s         REAL NOT NULL,            -- of all children in this place
    rss           INTEGER NOT NULL,         -- bytes, of the present one
    last_frame_ms INTEGER,
    job_id        INTEGER,                  -- under way
    updated_ms    INTEGER NOT NULL,
    PRIMARY KEY (run_id, role, slot)
) WITHOUT ROWID;
