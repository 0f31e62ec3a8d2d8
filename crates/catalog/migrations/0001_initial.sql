-- Instants are whole microseconds since 1970-01-01T00:00:00Z. What is NULL is unknown.

-- Finished dumps: our own (origin NULL) and those imported from the service named by origin.
CREATE TABLE records (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    origin          TEXT,
    dump_id         TEXT UNIQUE,
    timestamp       INTEGER NOT NULL,
    dom             TEXT    NOT NULL,
    vmid            TEXT    NOT NULL,
    host            TEXT,
    sha256          TEXT,
    duration_sec    REAL,
    raw_size_bytes  INTEGER,
    gzip_size_bytes INTEGER,
    ctime           INTEGER,
    mtime           INTEGER,
    atime           INTEGER,
    dump_path       TEXT,
    mode            TEXT,
    pause_ms        INTEGER,
    format          TEXT,
    codec           TEXT,
    ok              INTEGER NOT NULL CHECK (ok IN (0, 1)),
    -- Only an imported record may lack its dump's name.
    CHECK (dump_id IS NOT NULL OR origin IS NOT NULL)
) STRICT;

CREATE INDEX records_newest_first ON records (timestamp DESC, seq DESC);
CREATE INDEX records_by_guest ON records (dom, vmid, timestamp);
CREATE INDEX records_own ON records (seq) WHERE origin IS NULL;
CREATE UNIQUE INDEX records_unnamed ON records (dom, vmid, timestamp) WHERE dump_id IS NULL;

-- Dumps from the moment they are asked for.
CREATE TABLE jobs (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    dump_id      TEXT    NOT NULL UNIQUE,
    vm           TEXT    NOT NULL,
    guest_uuid   TEXT,
    guest_name   TEXT,
    guest_vmid   TEXT,
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    message      TEXT    NOT NULL,
    requested_by TEXT    NOT NULL,
    queued_at    INTEGER NOT NULL,
    started_at   INTEGER,
    finished_at  INTEGER,
    record_seq   INTEGER UNIQUE REFERENCES records (seq),
    CHECK ((guest_uuid IS NULL) = (guest_name IS NULL) AND (guest_uuid IS NULL) = (guest_vmid IS NULL)),
    CHECK ((state IN ('queued', 'running')) = (finished_at IS NULL)),
    CHECK (state <> 'queued' OR started_at IS NULL),
    CHECK (state NOT IN ('running', 'completed') OR started_at IS NOT NULL),
    CHECK ((state = 'completed') = (record_seq IS NOT NULL))
) STRICT;

-- Not even by mistake are there two active jobs of one guest, or of one name that is not resolved yet.
CREATE UNIQUE INDEX jobs_one_active_per_guest ON jobs (guest_uuid) WHERE state IN ('queued', 'running');
CREATE UNIQUE INDEX jobs_one_active_per_unresolved_vm ON jobs (vm)
    WHERE state IN ('queued', 'running') AND guest_uuid IS NULL;
CREATE INDEX jobs_active ON jobs (seq) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_vm ON jobs (vm, seq);
CREATE INDEX jobs_by_guest_name ON jobs (guest_name, seq);
CREATE INDEX jobs_by_guest_vmid ON jobs (guest_vmid, seq);

-- Own records whose point the time-series store has not acknowledged yet.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    record_seq INTEGER NOT NULL UNIQUE REFERENCES records (seq),
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT
) STRICT;

CREATE INDEX outbox_turn ON outbox (attempts, id);

-- How far the records of each remote service have been imported: the highest sequence number it gave.
CREATE TABLE origins (
    origin TEXT    PRIMARY KEY,
    cursor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
