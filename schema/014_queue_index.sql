-- Version 14: one index for what waits and what runs.
--
-- Running jobs stand before the first that waits, so that a claim moves an entry within one page; as two indexes they were
-- two pages of every transaction. The lease and its owner are in it for those who ask for expired ones: a look at what runs,
-- and at no job.

DROP INDEX jobs_pending;
DROP INDEX jobs_running;
CREATE INDEX jobs_queue ON jobs (state DESC, priority DESC, not_before_ms, id, lease_until_ms, owner)
WHERE state = 'pending' OR state = 'running';
