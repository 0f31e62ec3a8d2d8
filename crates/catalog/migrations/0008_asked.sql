-- Which job each text led to when a dump was asked for by it. Several texts may lead to one job, and one that is asked for
-- again leads to another. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE asked (
    vm      TEXT    PRIMARY KEY,
    job_seq INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX asked_by_job ON asked (job_seq);
CREATE INDEX asked_by_time ON asked (at);

INSERT INTO asked (vm, job_seq, at)
    SELECT vm, seq, queued_at FROM jobs WHERE seq IN (SELECT max(seq) FROM jobs GROUP BY vm);

-- A guest's dumps are found by its UUID.
CREATE INDEX jobs_by_guest ON jobs (guest_uuid, seq);
