-- Version 2: what `clipq tune` measured.

CREATE TABLE tunings (
    -- For one operator on one device, the kernel that was the fastest there.
    device      TEXT NOT NULL,      -- name
    driver      TEXT NOT NULL,      -- version
    kernels     TEXT NOT NULL,      -- hash of clipq's kernels: others may be faster elsewhere
    operator    TEXT NOT NULL,      -- hash of kind, attributes, shapes, types, layouts, the device's width and units
    description TEXT NOT NULL,      -- the same in words
    variant     TEXT NOT NULL,      -- the kernel to use
    heuristic   TEXT NOT NULL,      -- the one that would be used without this row
    measured    TEXT NOT NULL,      -- JSON {"kernel": milliseconds, ...}
    tuned_ms    INTEGER NOT NULL,
    PRIMARY KEY (device, driver, kernels, operator)
) WITHOUT ROWID;
