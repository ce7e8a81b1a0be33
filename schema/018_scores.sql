-- Version 18: how near runs and jobs came to what the machine can do (runner/score.h).

CREATE TABLE limits (
    -- What a unit of work takes at best: of decoding, processor-seconds for a decoded frame; of inference, seconds of the
    -- device for a frame. Of two rows with another source only, the measured one counts, or the smaller one of inference.
    host        TEXT NOT NULL,
    kind        TEXT NOT NULL,        -- decode, infer
    device      TEXT NOT NULL,        -- of inference: its name,
    driver      TEXT NOT NULL,        -- its driver's version,
    units       INTEGER NOT NULL,     -- and compute units
    subject     TEXT NOT NULL,        -- codec, pixel format and size; or the model's hash
    shape       TEXT NOT NULL,        -- sampling, and what frames are scaled to; or the model's input
    source      TEXT NOT NULL,        -- bench (measured by itself), observed (best of runs)
    batch       INTEGER NOT NULL,     -- with which it was so fast; 0 of decoding
    unit_s      REAL NOT NULL,
    measured_ms INTEGER NOT NULL,
    PRIMARY KEY (host, kind, device, driver, units, subject, shape, source)
) WITHOUT ROWID;

CREATE TABLE score_reasons (
    reason TEXT PRIMARY KEY,
    advice TEXT NOT NULL              -- the change that helps
) WITHOUT ROWID;

-- The score, 0 to 100 or NULL, and its inputs as JSON; of an attempt that does not count, the time that it took only.
ALTER TABLE runs ADD COLUMN score REAL;
ALTER TABLE runs ADD COLUMN score_inputs TEXT;
ALTER TABLE attempts ADD COLUMN score REAL;
ALTER TABLE attempts ADD COLUMN score_inputs TEXT;
