//! Requests for dumps under a key, so that whoever repeats one gets the first answer and nothing is dumped twice.
//!
//! ```text
//! claim ──► open ── plan ──► open, with what was decided ── answer ──► answered ── 24 h ──► forgotten
//!             └── whoever repeats the request makes it go on, after a crash, too
//! ```

use memdeck_model::{Millis, RequestKey, Timestamp};
use rusqlite::{OptionalExtension, params};

use crate::reserve::For;
use crate::{Catalog, CatalogError};

/// How long a key is known.
pub(crate) const KEPT_FOR: Millis = Millis(24 * 60 * 60 * 1000);
/// The most keys that are known.
const MOST: u32 = 10_000;

/// What is known of a request that is made under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It was not answered yet.
    Open {
        /// The key by which hosts are asked; the same each time.
        passed_on: RequestKey,
        /// What it was decided to ask of them, once that was decided.
        plan: Option<String>,
    },
    /// It was answered so.
    Answered(String),
    /// The key belongs to a request for something else.
    OtherBody,
    /// So many keys are known that no other is accepted.
    Full {
        /// The most there may be.
        limit: u32,
    },
}

impl Catalog {
    /// What is known of the request for `body` under `key`. One that was never made is open from now on, and hosts are
    /// asked by the key `fresh`.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn claim_request(
        &self,
        key: &RequestKey,
        body: &[u8],
        fresh: &RequestKey,
        at: Timestamp,
    ) -> Result<Claim, CatalogError> {
        let body = blake3::hash(body).to_hex().to_string();
        self.write("claim a request", |tx| {
            tx.execute("DELETE FROM requests WHERE at < ?1", [at.minus(KEPT_FOR).unix_micros()])?;
            let known = tx
                .query_row(
                    "SELECT body, passed_on, plan, answer FROM requests WHERE key = ?1",
                    [key.as_str()],
                    |row| {
                        let text: (String, String) = (row.get(0)?, row.get(1)?);
                        Ok((text, row.get::<_, Option<String>>(2)?, row.get::<_, Option<String>>(3)?))
                    },
                )
                .optional()?;
            match known {
                Some(((known, ..), ..)) if known != body => Ok(Claim::OtherBody),
                Some((_, _, Some(answer))) => Ok(Claim::Answered(answer)),
                Some(((_, passed_on), plan, None)) => {
                    let passed_on = crate::column::decode("passed_on", passed_on)?;
                    Ok(Claim::Open { passed_on, plan })
                }
                None => {
                    let count: u32 = tx.query_row("SELECT count(*) FROM requests", [], |row| row.get(0))?;
                    if count >= MOST {
                        return Ok(Claim::Full { limit: MOST });
                    }
                    tx.execute(
                        "INSERT INTO requests (key, body, passed_on, at) VALUES (?1, ?2, ?3, ?4)",
                        params![key.as_str(), body, fresh.as_str(), at.unix_micros()],
                    )?;
                    Ok(Claim::Open { passed_on: fresh.clone(), plan: None })
                }
            }
        })
    }

    /// Keeps what it was decided to ask of hosts, before any is asked.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn plan_request(&self, key: &RequestKey, plan: &str) -> Result<(), CatalogError> {
        self.write("keep what a request is about", |tx| {
            tx.execute("UPDATE requests SET plan = ?2 WHERE key = ?1", [key.as_str(), plan])?;
            Ok(())
        })
    }

    /// Keeps the answer.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn answer_request(&self, key: &RequestKey, answer: &str) -> Result<(), CatalogError> {
        self.conclude("keep the answer to a request", For::End, |tx| {
            tx.execute(
                "UPDATE requests SET answer = ?2, plan = NULL WHERE key = ?1",
                [key.as_str(), answer],
            )?;
            Ok(())
        })
    }
}
