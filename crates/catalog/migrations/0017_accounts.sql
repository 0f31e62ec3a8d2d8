-- Who can sign in, who is signed in, and the tokens of programs. No password, cookie or token is kept: only what tells the
-- right one.

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role TEXT NOT NULL,
    -- As a PHC string of argon2id.
    password TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    last_sign_in INTEGER
) STRICT;

CREATE TABLE sessions (
    -- The SHA-256 of the cookie.
    key BLOB PRIMARY KEY,
    -- Names it in calls; opens nothing.
    id TEXT NOT NULL UNIQUE,
    account INTEGER REFERENCES accounts (id) ON DELETE CASCADE,
    -- Of a session without an account: a digest of the token that opened it, with which it ends.
    opened_with BLOB,
    opened_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    browser TEXT,
    CHECK ((account IS NULL) <> (opened_with IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE api_tokens (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    -- The SHA-256 of the token.
    digest BLOB NOT NULL UNIQUE,
    -- A list of permissions as JSON.
    rights TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
