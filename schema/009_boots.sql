-- Version 9: a clock for the queue that nobody can set.

CREATE TABLE boots (
    -- Every boot of the machine in which somebody worked on the queue. jobs.lease_until_ms and jobs.not_before_ms are
    -- the monotonic clock of the boot in which they were written, plus ahead_ms: near UTC, whatever the wall clock does.
    boot     TEXT PRIMARY KEY,          -- /proc/sys/kernel/random/boot_id
    ahead_ms INTEGER NOT NULL
) WITHOUT ROWID;
