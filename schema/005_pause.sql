-- Version 5: a queue that waits.

CREATE TABLE pause (
    -- One row while the queue is paused: nobody claims, what runs goes on.
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    since_ms INTEGER NOT NULL,
    by       TEXT NOT NULL              -- user@host
);
