-- The indexes by time in ascending order. Records come in the order of time, and an index that grows at its end has full
-- pages where one that grows at its beginning has half-empty ones: a search reads half as much.

DROP INDEX records_newest_first;
CREATE INDEX records_by_time ON records (timestamp, seq);

DROP INDEX records_listing;
-- All that a filter and the figures look at; read from its end, it is newest first. What is looked at most comes first.
CREATE INDEX records_listing ON records (timestamp, seq, host, mode, ok, dom, vmid, sha256, case_number, note, duration_sec,
                                         gzip_size_bytes, raw_size_bytes, deleted_at);
