-- Records that no memdeck wrote: rows of the time-series store that other tools wrote. How much of the row was understood;
-- NULL for all other records.

ALTER TABLE records ADD COLUMN foreign_row TEXT CHECK (foreign_row IN ('whole', 'partly'));

-- Other tools may write rows without the name of the guest; two of one moment are told apart by their host too.
DROP INDEX records_unnamed;
CREATE UNIQUE INDEX records_unnamed ON records (dom, vmid, timestamp) WHERE dump_id IS NULL AND foreign_row IS NULL;
