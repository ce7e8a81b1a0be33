-- Version 4: what a decoder said before its attempt ended.
--
-- The last lines of its standard error, where libav's messages go, too; NULL when it said nothing.
ALTER TABLE attempts ADD COLUMN last_words TEXT;
