-- Deletions of images. The record of a deleted image stays, and says when it was deleted and by whom. Instants are whole
-- microseconds since 1970-01-01T00:00:00Z.

ALTER TABLE records ADD COLUMN deleted_at INTEGER;
ALTER TABLE records ADD COLUMN deleted_by TEXT;

-- Deletions of own images in the order in which they were asked for. The order is what another memdeck follows; a row
-- whose files are not known to be gone is what a crash left to be done.
CREATE TABLE deletions (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    record_seq INTEGER NOT NULL UNIQUE REFERENCES records (seq),
    files_gone INTEGER NOT NULL DEFAULT 0 CHECK (files_gone IN (0, 1))
) STRICT;
