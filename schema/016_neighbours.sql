-- Version 16: how many pairs a signature has found, for a clip is recorded with so many that came before it and no more.
--
-- A thousand clips that look alike would else be half a million pairs.

ALTER TABLE signatures ADD COLUMN pairs INTEGER NOT NULL DEFAULT 0;
