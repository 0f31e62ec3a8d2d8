-- Requests for dumps that may be repeated under their key. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE requests (
    key       TEXT    PRIMARY KEY,
    -- A digest of what was asked for.
    body      TEXT    NOT NULL,
    -- The key by which hosts are asked.
    passed_on TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    -- What it was decided to ask of which host, before any was asked; JSON.
    plan      TEXT,
    -- JSON; until it is there, whoever repeats the request makes it go on.
    answer    TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX requests_by_time ON requests (at);

-- The dumps that the part of a request for this host led to.
CREATE TABLE requested_dumps (
    key     TEXT    NOT NULL,
    vm      TEXT    NOT NULL,
    job_seq INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    PRIMARY KEY (key, vm)
) STRICT, WITHOUT ROWID;

CREATE INDEX requested_dumps_by_job ON requested_dumps (job_seq);
CREATE INDEX requested_dumps_by_time ON requested_dumps (at);
