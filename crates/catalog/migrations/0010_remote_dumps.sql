-- Dumps that another service takes or took, as it told them last. The service may forget them; what was asked of it, and how a
-- dump ended, is not forgotten here. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE remote_dumps (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    service      TEXT    NOT NULL,
    dump_id      TEXT    NOT NULL,
    -- The status as JSON.
    status       TEXT    NOT NULL,
    is_final     INTEGER NOT NULL CHECK (is_final IN (0, 1)),
    changed_at   INTEGER NOT NULL,
    -- The guest that was meant, where memdeck knew it when it asked.
    guest_uuid   TEXT,
    guest_name   TEXT,
    guest_vmid   TEXT,
    -- What is kept here because the service cannot keep it.
    requested_by TEXT,
    case_number  TEXT,
    note         TEXT,
    UNIQUE (service, dump_id),
    CHECK ((guest_uuid IS NULL) = (guest_name IS NULL) AND (guest_uuid IS NULL) = (guest_vmid IS NULL))
) STRICT;

CREATE INDEX remote_dumps_by_time ON remote_dumps (changed_at, seq);
