-- Groups: people who see and touch the same guests and nothing of others. Instants are whole microseconds since
-- 1970-01-01T00:00:00Z.

CREATE TABLE guest_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    -- What names its guests: a list of texts as JSON.
    guests TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- A group with members is not removed: they would see every guest.
ALTER TABLE accounts ADD COLUMN guest_group INTEGER REFERENCES guest_groups (id);

-- The guests of a token, where it is limited to some: as above.
ALTER TABLE api_tokens ADD COLUMN guests TEXT;

-- Whose memory it is, whatever the guest is called. Rows of before get it from their dumps, where those are known still.
ALTER TABLE records ADD COLUMN guest_uuid TEXT;

DROP INDEX records_listing;
-- All that a filter, a limit to some guests and the figures look at; read from its end, it is newest first. What is looked at
-- most comes first.
CREATE INDEX records_listing ON records (timestamp, seq, host, mode, ok, dom, vmid, sha256, case_number, note, duration_sec,
                                         gzip_size_bytes, raw_size_bytes, deleted_at, pause_ms, guest_uuid);
