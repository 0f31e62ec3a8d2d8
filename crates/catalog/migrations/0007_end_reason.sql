-- Why a job ended without an image, as the JSON of the model's EndReason. NULL: it did not, or an older version ended it.

ALTER TABLE jobs ADD COLUMN end_reason TEXT;
