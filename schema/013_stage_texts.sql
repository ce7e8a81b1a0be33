-- Version 13: an attempt's timings in its own row.
--
-- As seven rows of a table of their own they were a fifth of all pages that the end of a clip wrote.

-- JSON [[stage, count, mean, median, 95th percentile, longest], ...], in nanoseconds per frame (probe, write: per call).
-- Stages: 0 probe, 1 decode, 2 scale, 3 wait, 4 infer, 5 postprocess, 6 write.
ALTER TABLE attempts ADD COLUMN stages TEXT;

UPDATE attempts SET stages = (
    SELECT json_group_array(json_array(stage, count, CAST(round(mean_ms * 1e6) AS INTEGER), CAST(round(p50_ms * 1e6) AS INTEGER),
                                       CAST(round(p95_ms * 1e6) AS INTEGER), CAST(round(max_ms * 1e6) AS INTEGER)))
    FROM job_stages WHERE attempt_id = attempts.id)
WHERE EXISTS (SELECT 1 FROM job_stages WHERE attempt_id = attempts.id);

DROP TABLE job_stages;
