-- Who is signed in without an account here, because a provider vouches for them: as JSON, their name, their rights, and those
-- of their groups that can have guests. `opened_with` is then a digest of the settings by which they were let in.

ALTER TABLE sessions ADD COLUMN person TEXT;
