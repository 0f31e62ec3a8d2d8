-- Hunts: what was looked for in the memory of which dumps, and where it was found. Instants are whole microseconds since
-- 1970-01-01T00:00:00Z.

CREATE TABLE hunts (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT    NOT NULL UNIQUE,
    -- JSON.
    requested_by   TEXT    NOT NULL,
    requested_at   INTEGER NOT NULL,
    state          TEXT    NOT NULL
                   CHECK (state IN ('queued', 'running', 'completed', 'cancelled', 'failed', 'interrupted')),
    -- Why it did not go through all its images, as JSON.
    reason         TEXT,
    started_at     INTEGER,
    ended_at       INTEGER,
    kind           TEXT    NOT NULL,
    utf16          INTEGER NOT NULL CHECK (utf16 IN (0, 1)),
    ignore_case    INTEGER NOT NULL CHECK (ignore_case IN (0, 1)),
    hit_limit      INTEGER NOT NULL,
    dump_count     INTEGER NOT NULL,
    bytes_done     INTEGER NOT NULL DEFAULT 0,
    bytes_expected INTEGER NOT NULL DEFAULT 0,
    dumps_done     INTEGER NOT NULL DEFAULT 0,
    hits           INTEGER NOT NULL DEFAULT 0,
    pattern_count  INTEGER NOT NULL,
    -- The beginnings of the first three, and all of them: lists in JSON.
    first_patterns TEXT    NOT NULL,
    patterns       TEXT    NOT NULL,
    CHECK ((state IN ('queued', 'running')) = (ended_at IS NULL))
) STRICT;

-- Not even by mistake do two run at once.
CREATE UNIQUE INDEX hunts_one_runs ON hunts (state) WHERE state = 'running';

CREATE TABLE hunt_dumps (
    hunt           INTEGER NOT NULL REFERENCES hunts (seq) ON DELETE CASCADE,
    place          INTEGER NOT NULL,
    dump_id        TEXT    NOT NULL,
    guest          TEXT    NOT NULL,
    taken_at       INTEGER NOT NULL,
    -- Nothing while the hunt has not come to it.
    searched_bytes INTEGER,
    problem        TEXT,
    PRIMARY KEY (hunt, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE hunt_hits (
    hunt           INTEGER NOT NULL REFERENCES hunts (seq) ON DELETE CASCADE,
    -- From 1.
    number         INTEGER NOT NULL,
    -- The place of its dump.
    dump           INTEGER NOT NULL,
    -- The place of its pattern, from 0.
    pattern        INTEGER NOT NULL,
    -- 64 bits without a sign, kept as if they had one.
    address        INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    around_address INTEGER NOT NULL,
    around         BLOB    NOT NULL,
    PRIMARY KEY (hunt, number)
) STRICT, WITHOUT ROWID;
