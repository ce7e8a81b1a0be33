-- Version 6: failures counted by their class.

CREATE TABLE failure_counts (
    -- How often a job failed for that reason since it was submitted, or retried by hand; against --max-attempts.
    job_id   INTEGER NOT NULL,
    reason   TEXT NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (job_id, reason)
) WITHOUT ROWID;
