-- Version 20: contents in two tables, so that submitting is as fast where a million clips are known.
--
-- Fingerprints are scattered, so each new clip changed another page of the index over them. Now new ones go into a small
-- table, from which they are merged in order into the large one (runner/store_sqlite_contents.c). Both hold the last
-- characters of the fingerprint only: who looks compares the rest.

DROP INDEX clips_by_content;

CREATE TABLE contents (
    -- Every clip that can be read, by its content, but those in contents_new.
    part    TEXT NOT NULL,            -- the last seven characters of clips.fingerprint
    clip_id INTEGER NOT NULL,
    PRIMARY KEY (part, clip_id)
) WITHOUT ROWID;
CREATE TABLE contents_new (
    -- The newest of them.
    part    TEXT NOT NULL,
    clip_id INTEGER NOT NULL,
    PRIMARY KEY (part, clip_id)
) WITHOUT ROWID;

INSERT INTO contents (part, clip_id) SELECT substr(fingerprint, -7), id FROM clips WHERE failure = '' ORDER BY 1, 2;
