-- What may not be deleted, and why. Lifted holds stay. Instants are whole microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE holds (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    case_number TEXT,
    dump_id     TEXT,
    reason      TEXT    NOT NULL,
    held_by     TEXT    NOT NULL,
    held_at     INTEGER NOT NULL,
    lifted_at   INTEGER,
    lifted_by   TEXT,
    lift_reason TEXT,
    CHECK ((case_number IS NULL) <> (dump_id IS NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_reason IS NULL))
) STRICT;

CREATE INDEX holds_of_case ON holds (case_number) WHERE lifted_at IS NULL;
CREATE INDEX holds_of_dump ON holds (dump_id) WHERE lifted_at IS NULL;
