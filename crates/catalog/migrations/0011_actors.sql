-- Who asked, as data: {"kind": "page"}. Words of earlier versions stay as they are and are understood.

-- NULL for records of before.
ALTER TABLE records ADD COLUMN requested_by TEXT;
