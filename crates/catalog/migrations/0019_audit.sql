-- The audit: what was changed and what was taken out, by whom, from where, on what, with what result. Each row has the hash of
-- the one before it and its own (crates/model/src/audit/row.rs). Rows are added; nothing else is done to them, ever.

CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    -- Whole microseconds since 1970-01-01T00:00:00Z.
    at       INTEGER NOT NULL,
    -- JSON.
    actor    TEXT    NOT NULL,
    address  TEXT,
    action   TEXT    NOT NULL,
    -- JSON.
    object   TEXT    NOT NULL,
    result   TEXT    NOT NULL,
    -- JSON.
    details  TEXT    NOT NULL,
    previous BLOB    NOT NULL CHECK (length(previous) = 32),
    hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT raise(ABORT, 'rows of the audit are never changed');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN
    SELECT raise(ABORT, 'rows of the audit are never deleted');
END;

-- The newest row: where the next one goes on, and what is missed if rows are taken from the end.
CREATE TABLE audit_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    -- The hash of the row that began the chain.
    chain BLOB    NOT NULL CHECK (length(chain) = 32),
    seq   INTEGER NOT NULL,
    hash  BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- Rows that say that something begins, until one says how it ended.
CREATE TABLE audit_open (
    seq INTEGER PRIMARY KEY
) STRICT;
