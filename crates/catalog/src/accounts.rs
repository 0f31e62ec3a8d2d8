//! Accounts, sessions and API tokens as rows. Who may change them is decided above.

use std::sync::Arc;

use memdeck_model::{AccountName, Actor, ApiToken, Rights, Role, Timestamp};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::column::{decode, instant};
use crate::{Catalog, CatalogError, groups};

/// The SHA-256 of a cookie or token.
pub type SecretDigest = [u8; 32];

/// An account with what tells its password.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Never used again for another one.
    pub id: i64,
    pub name: AccountName,
    pub role: Role,
    /// The group whose guests it sees; every guest, without one.
    pub group: Option<i64>,
    /// A PHC string.
    pub password: String,
    pub disabled: bool,
    pub created_at: Timestamp,
    pub last_sign_in: Option<Timestamp>,
}

/// Somebody without an account here, for whom a provider vouched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub name: AccountName,
    /// What their groups allowed when they signed in.
    pub rights: Rights,
    /// Their groups, as far as groups here can be called like that.
    pub groups: Vec<String>,
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOf {
    /// The account with this id.
    Account(i64),
    /// Whoever signed in with the token of this digest, or with a link while it was the token.
    Token(SecretDigest),
    /// Somebody who was let in by the settings of this digest.
    Person(SecretDigest, Arc<Person>),
}

/// A session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The SHA-256 of the cookie.
    pub key: SecretDigest,
    /// Names it in calls.
    pub id: String,
    pub of: SessionOf,
    pub opened_at: Timestamp,
    pub used_at: Timestamp,
    pub address: String,
    pub browser: Option<String>,
}

const ACCOUNT: &str =
    "SELECT id, name, role, guest_group, password, disabled, created_at, last_sign_in FROM accounts";

impl Catalog {
    /// Every account, by name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, CatalogError> {
        self.read("read accounts", |connection| {
            let mut statement = connection.prepare_cached(&format!("{ACCOUNT} ORDER BY name"))?;
            statement.query_and_then([], account)?.collect()
        })
    }

    /// Adds an account; `None` if there is one of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_account(
        &self,
        name: &AccountName,
        role: Role,
        group: Option<i64>,
        password: &str,
        at: Timestamp,
    ) -> Result<Option<AccountRow>, CatalogError> {
        self.write("add an account", |tx| {
            let added = tx.execute(
                "INSERT INTO accounts (name, role, guest_group, password, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO NOTHING",
                params![name.as_str(), role.name(), group, password, at.unix_micros()],
            )?;
            if added == 0 {
                return Ok(None);
            }
            let id = tx.last_insert_rowid();
            let row = tx.query_row_and_then(&format!("{ACCOUNT} WHERE id = ?1"), [id], account)?;
            Ok(Some(row))
        })
    }

    /// Writes role, group, password and whether it is kept out of an account as they are in `row`, and ends its sessions where
    /// that is asked for.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn change_account(&self, row: &AccountRow, ends_sessions: bool) -> Result<(), CatalogError> {
        let AccountRow { id, role, group, disabled, password, .. } = row;
        self.write("change an account", |tx| {
            tx.execute(
                "UPDATE accounts SET role = ?2, guest_group = ?3, disabled = ?4, password = ?5 WHERE id = ?1",
                params![id, role.name(), group, disabled, password],
            )?;
            if ends_sessions {
                tx.execute("DELETE FROM sessions WHERE account = ?1", [id])?;
            }
            Ok(())
        })
    }

    /// Removes an account and its sessions.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_account(&self, id: i64) -> Result<(), CatalogError> {
        self.write("remove an account", |tx| {
            tx.execute("DELETE FROM accounts WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// Every session that was not ended, expired ones included.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn sessions(&self) -> Result<Vec<SessionRow>, CatalogError> {
        self.read("read sessions", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, id, account, opened_with, person, opened_at, used_at, address, browser FROM sessions",
            )?;
            statement.query_and_then([], session)?.collect()
        })
    }

    /// Keeps a session, and when its account signed in.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn keep_session(&self, session: &SessionRow) -> Result<(), CatalogError> {
        let (account, opened_with, person) = match &session.of {
            SessionOf::Account(id) => (Some(*id), None, None),
            SessionOf::Token(digest) => (None, Some(*digest), None),
            SessionOf::Person(digest, person) => {
                (None, Some(*digest), Some(serde_json::to_string(person.as_ref()).unwrap_or_default()))
            }
        };
        self.write("keep a session", |tx| {
            tx.execute(
                "INSERT INTO sessions (key, id, account, opened_with, person, opened_at, used_at, address, browser)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    session.key,
                    session.id,
                    account,
                    opened_with,
                    person,
                    session.opened_at.unix_micros(),
                    session.used_at.unix_micros(),
                    session.address,
                    session.browser
                ],
            )?;
            if let Some(id) = account {
                tx.execute(
                    "UPDATE accounts SET last_sign_in = ?2 WHERE id = ?1",
                    params![id, session.opened_at.unix_micros()],
                )?;
            }
            Ok(())
        })
    }

    /// Notes when a session was used.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn use_session(&self, key: &SecretDigest, at: Timestamp) -> Result<(), CatalogError> {
        self.write("note the use of a session", |tx| {
            tx.execute("UPDATE sessions SET used_at = ?2 WHERE key = ?1", params![key, at.unix_micros()])?;
            Ok(())
        })
    }

    /// Forgets sessions.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn forget_sessions(&self, keys: &[SecretDigest]) -> Result<(), CatalogError> {
        self.write("forget sessions", |tx| {
            let mut statement = tx.prepare_cached("DELETE FROM sessions WHERE key = ?1")?;
            for key in keys {
                statement.execute([key])?;
            }
            Ok(())
        })
    }

    /// Every API token with its digest, by name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn api_tokens(&self) -> Result<Vec<(SecretDigest, ApiToken)>, CatalogError> {
        self.read("read tokens", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT digest, name, rights, guests, created_at, created_by, expires_at, last_used_at
                 FROM api_tokens ORDER BY name",
            )?;
            statement.query_and_then([], api_token)?.collect()
        })
    }

    /// Adds an API token; false if there is one of its name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn add_api_token(&self, digest: &SecretDigest, token: &ApiToken) -> Result<bool, CatalogError> {
        let rights = serde_json::to_string(&token.rights).unwrap_or_default();
        let guests = token.guests.as_deref().map(groups::written).transpose()?;
        self.write("add a token", |tx| {
            let added = tx.execute(
                "INSERT INTO api_tokens (name, digest, rights, guests, created_at, created_by, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO NOTHING",
                params![
                    token.name.as_str(),
                    digest,
                    rights,
                    guests,
                    token.created_at.unix_micros(),
                    token.created_by.to_json(),
                    token.expires_at.map(Timestamp::unix_micros)
                ],
            )?;
            Ok(added == 1)
        })
    }

    /// Notes when an API token was sent.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn use_api_token(&self, digest: &SecretDigest, at: Timestamp) -> Result<(), CatalogError> {
        self.write("note the use of a token", |tx| {
            let change = "UPDATE api_tokens SET last_used_at = ?2 WHERE digest = ?1";
            tx.execute(change, params![digest, at.unix_micros()])?;
            Ok(())
        })
    }

    /// Removes an API token; false if there is none of this name.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn remove_api_token(&self, name: &AccountName) -> Result<bool, CatalogError> {
        self.write("remove a token", |tx| {
            Ok(tx.execute("DELETE FROM api_tokens WHERE name = ?1", [name.as_str()])? == 1)
        })
    }
}

fn account(row: &Row<'_>) -> Result<AccountRow, CatalogError> {
    Ok(AccountRow {
        id: row.get("id")?,
        name: decode("name", row.get("name")?)?,
        role: decode("role", row.get("role")?)?,
        group: row.get("guest_group")?,
        password: row.get("password")?,
        disabled: row.get("disabled")?,
        created_at: instant("created_at", row.get("created_at")?)?,
        last_sign_in: optional_instant(row, "last_sign_in")?,
    })
}

fn session(row: &Row<'_>) -> Result<SessionRow, CatalogError> {
    let of = match (row.get("account")?, row.get::<_, Option<String>>("person")?) {
        (Some(id), _) => SessionOf::Account(id),
        (None, None) => SessionOf::Token(row.get("opened_with")?),
        (None, Some(json)) => {
            let person = serde_json::from_str(&json)
                .map_err(|_| CatalogError::Undecodable { column: "person", value: json })?;
            SessionOf::Person(row.get("opened_with")?, Arc::new(person))
        }
    };
    Ok(SessionRow {
        key: row.get("key")?,
        id: row.get("id")?,
        of,
        opened_at: instant("opened_at", row.get("opened_at")?)?,
        used_at: instant("used_at", row.get("used_at")?)?,
        address: row.get("address")?,
        browser: row.get("browser")?,
    })
}

fn api_token(row: &Row<'_>) -> Result<(SecretDigest, ApiToken), CatalogError> {
    let rights: String = row.get("rights")?;
    let rights = serde_json::from_str(&rights)
        .map_err(|_| CatalogError::Undecodable { column: "rights", value: rights })?;
    let token = ApiToken {
        name: decode("name", row.get("name")?)?,
        rights,
        guests: row.get::<_, Option<String>>("guests")?.map(groups::read).transpose()?,
        created_at: instant("created_at", row.get("created_at")?)?,
        created_by: Actor::from_kept(&row.get::<_, String>("created_by")?),
        expires_at: optional_instant(row, "expires_at")?,
        last_used_at: optional_instant(row, "last_used_at")?,
    };
    Ok((row.get("digest")?, token))
}

fn optional_instant(row: &Row<'_>, column: &'static str) -> Result<Option<Timestamp>, CatalogError> {
    row.get::<_, Option<i64>>(column)?.map(|micros| instant(column, micros)).transpose()
}
