-- Version 19: answers that the cache knew.

-- Answers that the cache knew (a frame has one for each model), that it was asked for and did not know, that went to make
-- room for new ones, and what it saved: the time that computing them had taken. NULL: before this version.
ALTER TABLE attempts ADD COLUMN frames_cached INTEGER;
ALTER TABLE attempts ADD COLUMN cache_misses INTEGER;
ALTER TABLE attempts ADD COLUMN cache_evictions INTEGER;
ALTER TABLE attempts ADD COLUMN cache_saved_ns INTEGER;

ALTER TABLE runs ADD COLUMN frames_cached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cache_misses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cache_evictions INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cache_saved_ns INTEGER NOT NULL DEFAULT 0;
