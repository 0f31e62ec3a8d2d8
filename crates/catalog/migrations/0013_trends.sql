-- What trends are made of, without looking at the rows themselves.

DROP INDEX records_listing;
-- All that a filter and the figures look at, pauses included; read from its end, it is newest first. What is looked at most comes
-- first.
CREATE INDEX records_listing ON records (timestamp, seq, host, mode, ok, dom, vmid, sha256, case_number, note, duration_sec,
                                         gzip_size_bytes, raw_size_bytes, deleted_at, pause_ms);

DROP INDEX records_guests;
-- Which guests there are, and how much is kept of each.
CREATE INDEX records_guests ON records (dom, host, ok, timestamp, gzip_size_bytes, deleted_at);

-- Dumps that left no image, by the time of their end.
CREATE INDEX jobs_without_image ON jobs (finished_at, state) WHERE state IN ('failed', 'cancelled');
