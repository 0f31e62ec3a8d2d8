-- Dumps that are taken by plan. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE schedules (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL UNIQUE,
    -- What it does, as JSON.
    plan          TEXT    NOT NULL,
    paused        INTEGER NOT NULL CHECK (paused IN (0, 1)),
    changed_by    TEXT    NOT NULL,
    changed_at    INTEGER NOT NULL,
    -- Every planned instant up to this one was started, or told as missed or skipped.
    decided_until INTEGER NOT NULL
) STRICT;

-- Runs that came, and stretches of runs that were missed.
CREATE TABLE schedule_runs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule     INTEGER NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    planned      INTEGER NOT NULL,
    last_planned INTEGER NOT NULL,
    count        INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'missed', 'skipped')),
    noticed_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    reason       TEXT,
    CHECK ((state IN ('waiting', 'running')) = (ended_at IS NULL))
) STRICT;

-- Not even by mistake is a run started twice.
CREATE UNIQUE INDEX schedule_runs_once ON schedule_runs (schedule, planned) WHERE state <> 'missed';
CREATE INDEX schedule_runs_open ON schedule_runs (id) WHERE state IN ('waiting', 'running');
CREATE INDEX schedule_runs_newest ON schedule_runs (schedule, id);

CREATE TABLE schedule_guests (
    run      INTEGER NOT NULL REFERENCES schedule_runs (id) ON DELETE CASCADE,
    place    INTEGER NOT NULL,
    host     TEXT,
    name     TEXT    NOT NULL,
    uuid     TEXT    NOT NULL,
    due      INTEGER NOT NULL,
    state    TEXT    NOT NULL
             CHECK (state IN ('waiting', 'asking', 'dumping', 'completed', 'failed', 'skipped')),
    dump_id  TEXT,
    asked_at INTEGER,
    reason   TEXT,
    PRIMARY KEY (run, place)
) STRICT, WITHOUT ROWID;
