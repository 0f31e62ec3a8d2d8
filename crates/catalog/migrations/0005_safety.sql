-- What a live dump changes of its guest for its time, so that it can be put right by whoever finds the intent; and the
-- limit of bandwidth that was asked for. What is NULL is unknown or was not asked for, in rows of before as in later ones.

ALTER TABLE intents ADD COLUMN max_downtime_ms INTEGER;
ALTER TABLE jobs ADD COLUMN bandwidth_mibps INTEGER;
