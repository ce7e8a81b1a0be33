-- Version 12: failures by their class, from an index alone.
--
-- The one before knew no states, so that each failed job was looked up. Done jobs are in neither.

DROP INDEX jobs_reason;
CREATE INDEX jobs_failed ON jobs (reason, state) WHERE reason <> '' AND parent_id IS NULL;
