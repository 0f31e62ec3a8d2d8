-- How the newest verification of each image ended. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE verifications (
    -- The order in which they ended: another memdeck follows it. A later one of an image takes a new number.
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    dump_id      TEXT    NOT NULL UNIQUE,
    ended_at     INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('finished', 'failed')),
    -- Nothing where the image could not be read.
    verdict      TEXT,
    -- All of it but the whole report, as JSON.
    verification TEXT    NOT NULL
) STRICT;

CREATE INDEX verifications_bad ON verifications (ended_at) WHERE state = 'failed' OR verdict = 'damaged';
