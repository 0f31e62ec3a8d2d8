-- Images that are stored as differences to others, and dumps that were asked for as such.

-- The dump of the other image, which cannot be deleted before this one.
ALTER TABLE records ADD COLUMN difference_of TEXT;
CREATE INDEX records_by_base ON records (difference_of) WHERE difference_of IS NOT NULL;

ALTER TABLE jobs ADD COLUMN difference INTEGER NOT NULL DEFAULT 0 CHECK (difference IN (0, 1));
-- The dump whose image this one is compared with while it is stored.
ALTER TABLE jobs ADD COLUMN base TEXT;
