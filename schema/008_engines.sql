-- Version 8: what each engine of a run did.

CREATE TABLE engines (
    run_id  INTEGER NOT NULL REFERENCES runs (id),
    slot    INTEGER NOT NULL,         -- from 0
    spec    TEXT NOT NULL,            -- of its device, as --device takes it
    device  TEXT NOT NULL,            -- its name
    chosen  TEXT NOT NULL,            -- how it came to be chosen
    batches INTEGER NOT NULL,         -- answered
    frames  INTEGER NOT NULL,
    busy_s  REAL NOT NULL,            -- with a batch
    PRIMARY KEY (run_id, slot)
) WITHOUT ROWID;
