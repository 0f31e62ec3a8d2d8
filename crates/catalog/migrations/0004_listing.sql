-- What the table of records is searched, filtered and sorted by.

-- One narrow copy of all that a filter looks at, newest first: a search reads this instead of the whole table.
CREATE INDEX records_listing ON records (timestamp DESC, seq DESC, dom, vmid, sha256, case_number, note, host, mode, ok,
                                         duration_sec, gzip_size_bytes, raw_size_bytes);

-- The orders of the whole table; equals come newest first.
CREATE INDEX records_by_name        ON records (dom COLLATE NOCASE, timestamp DESC, seq DESC);
CREATE INDEX records_by_vmid        ON records (length(nullif(vmid, '')), vmid, timestamp DESC, seq DESC);
CREATE INDEX records_by_duration    ON records (duration_sec, timestamp DESC, seq DESC);
CREATE INDEX records_by_sha256      ON records (sha256, timestamp DESC, seq DESC);
CREATE INDEX records_by_path        ON records (dump_path, timestamp DESC, seq DESC);
CREATE INDEX records_by_stored_size ON records (gzip_size_bytes, timestamp DESC, seq DESC);
CREATE INDEX records_by_raw_size    ON records (raw_size_bytes, timestamp DESC, seq DESC);

-- Which hosts and guests there are.
CREATE INDEX records_by_host ON records (host);
CREATE INDEX records_guests  ON records (dom, host);
