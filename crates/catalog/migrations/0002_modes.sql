-- Modes, what is asked for with a dump, and which guests a dump may have left paused. Instants are whole
-- microseconds since 1970-01-01T00:00:00Z. What is NULL is unknown, in rows of before as in later ones.

ALTER TABLE records ADD COLUMN point_in_time     INTEGER;
ALTER TABLE records ADD COLUMN fallback          TEXT;
ALTER TABLE records ADD COLUMN job_downtime_ms   INTEGER;
ALTER TABLE records ADD COLUMN iterations        INTEGER;
ALTER TABLE records ADD COLUMN dirty_bytes_per_s INTEGER;
ALTER TABLE records ADD COLUMN encrypted         INTEGER NOT NULL DEFAULT 0 CHECK (encrypted IN (0, 1));
ALTER TABLE records ADD COLUMN case_number       TEXT;
ALTER TABLE records ADD COLUMN note              TEXT;

-- What was asked for.
ALTER TABLE jobs ADD COLUMN requested_mode   TEXT    NOT NULL DEFAULT 'auto';
ALTER TABLE jobs ADD COLUMN pause_budget_ms  INTEGER;
ALTER TABLE jobs ADD COLUMN case_number      TEXT;
ALTER TABLE jobs ADD COLUMN note             TEXT;
ALTER TABLE jobs ADD COLUMN accept_encrypted INTEGER NOT NULL DEFAULT 0 CHECK (accept_encrypted IN (0, 1));
-- What was decided, and why it is not the first choice.
ALTER TABLE jobs ADD COLUMN mode             TEXT;
ALTER TABLE jobs ADD COLUMN fallback         TEXT;

-- Guests that a dump is about to touch or has touched, as they were before. A row outlives its job's end: it leaves
-- when the guest needs no more care. A guest may be in two rows, when the dump before left one behind.
CREATE TABLE intents (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    dump_id     TEXT    NOT NULL UNIQUE REFERENCES jobs (dump_id),
    guest_uuid  TEXT    NOT NULL,
    was_running INTEGER NOT NULL CHECK (was_running IN (0, 1))
) STRICT;
