-- Archives of records, and what is left here of records that were archived. Instants are whole microseconds since
-- 1970-01-01T00:00:00Z.

CREATE TABLE archives (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    made_at INTEGER NOT NULL,
    -- What it says of itself, as JSON.
    archive TEXT    NOT NULL
) STRICT;

-- Dumps whose records were removed, by what each is recognised: none of them comes back, whoever tells of it.
CREATE TABLE pruned (
    id           INTEGER PRIMARY KEY,
    archive      INTEGER NOT NULL REFERENCES archives (id),
    dump_id      TEXT    UNIQUE,
    timestamp    INTEGER NOT NULL,
    dom          TEXT    NOT NULL,
    vmid         TEXT    NOT NULL,
    host         TEXT,
    sha256       TEXT,
    dump_path    TEXT,
    is_foreign   INTEGER NOT NULL CHECK (is_foreign IN (0, 1)),
    -- The deletion of its image, which another memdeck may not have read yet.
    deletion_seq INTEGER,
    deleted_at   INTEGER,
    deleted_by   TEXT
) STRICT;

CREATE INDEX pruned_by_time ON pruned (timestamp);
CREATE INDEX pruned_by_archive ON pruned (archive);
CREATE INDEX pruned_deletions ON pruned (deletion_seq) WHERE deletion_seq IS NOT NULL;
