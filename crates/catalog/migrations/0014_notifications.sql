-- Notifications: where they go, which are told, and the messages that wait, have arrived or were given up. Instants are whole
-- microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE notice_targets (
    name       TEXT    PRIMARY KEY,
    -- The address as JSON. It holds what must be sent as it is: passwords, and URLs that open a channel.
    address    TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE notice_rules (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT    NOT NULL REFERENCES notice_targets (name) ON DELETE CASCADE,
    -- The rule as JSON.
    rule   TEXT    NOT NULL
) STRICT;

-- What is told once, however often it is found out.
CREATE TABLE notice_keys (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT    NOT NULL UNIQUE
) STRICT;

CREATE TABLE deliveries (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT    NOT NULL UNIQUE,
    -- Without a reference: the log outlives its targets.
    target     TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    kind       TEXT    NOT NULL,
    -- In which run; notices of one kind and run are told together.
    run        TEXT,
    -- Whether no notice is added any more, because it is on its way.
    is_sealed  INTEGER NOT NULL DEFAULT 0 CHECK (is_sealed IN (0, 1)),
    -- JSON objects, one a line.
    notices    TEXT    NOT NULL,
    count      INTEGER NOT NULL CHECK (count > 0),
    created_at INTEGER NOT NULL,
    -- Since when it is tried: its creation, or when somebody asked for it again.
    tried_from INTEGER NOT NULL,
    next_at    INTEGER,
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    ended_at   INTEGER,
    CHECK ((state = 'waiting') = (next_at IS NOT NULL)),
    CHECK ((state = 'waiting') = (ended_at IS NULL))
) STRICT;

CREATE INDEX deliveries_waiting ON deliveries (target, next_at, seq) WHERE state = 'waiting';
CREATE INDEX deliveries_by_state ON deliveries (state, seq);
CREATE INDEX deliveries_gathering ON deliveries (target, kind, run) WHERE state = 'waiting' AND is_sealed = 0;
