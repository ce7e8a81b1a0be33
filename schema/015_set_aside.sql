-- Version 15: jobs by state, where that is neither of the two that nearly all of them are in.
--
-- What waits and what runs has jobs_queue, and how many are done is in the totals. None of these is of a claim or a success.

CREATE INDEX jobs_set_aside ON jobs (state) WHERE parent_id IS NULL AND
    (state = 'partial' OR state = 'failed' OR state = 'dead' OR state = 'cancelled');
