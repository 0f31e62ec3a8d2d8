-- What a record's image must be, and a digest of each record's own row. Instants are whole microseconds since
-- 1970-01-01T00:00:00Z. What is NULL is unknown: the version that took the dump did not record it.

ALTER TABLE records ADD COLUMN manifest_sha256 TEXT;
ALTER TABLE records ADD COLUMN digests_root    TEXT;
-- When the record was made anew from its manifest.
ALTER TABLE records ADD COLUMN rebuilt_at      INTEGER;
-- BLAKE3 over the row's other columns, see src/row_digest.rs. Rows of before get theirs with this migration.
ALTER TABLE records ADD COLUMN row_digest      TEXT;
