//! How the newest verification of each image ended: it survives restarts, and says which image was not verified for longest.

use std::time::Duration;

use memdeck_model::audit::NewEntry;
use memdeck_model::{DumpId, GuestName, Record, Timestamp, Verdict, Verification, VerificationState};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::column::{RECORD_COLUMNS, instant, integer};
use crate::kept_images::KEPT;
use crate::record_row::read_record;
use crate::reserve::For;
use crate::verified::{PRESENT, VerificationFigures, count};
use crate::{Catalog, CatalogError, audit};

/// An image, and since when it was not verified: its last verification, or else the dump, of which it was hashed.
#[derive(Clone, Debug, PartialEq)]
pub struct LongestUnverified {
    pub record: Record,
    /// Where the last one could not read the image, this is earlier, so that it is tried again sooner.
    pub since: Timestamp,
}

/// An image that is not as it was, or could not be read.
#[derive(Clone, Debug, PartialEq)]
pub struct BadVerification {
    pub guest: GuestName,
    pub verification: Verification,
}

impl Catalog {
    /// Keeps how a verification of an image here ended, together with its entry of the audit.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn keep_verification(&self, ended: &Verification, entry: &NewEntry) -> Result<(), CatalogError> {
        self.conclude("keep a verification", For::End, |tx| {
            put(tx, ended)?;
            audit::append(tx, entry).map(drop)
        })
    }

    /// How the newest verification of an image ended; `None` if none is known.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn verification_of(&self, dump_id: &DumpId) -> Result<Option<Verification>, CatalogError> {
        self.read("read a verification", |connection| {
            let kept = connection
                .prepare_cached("SELECT verification FROM verifications WHERE dump_id = ?1")?
                .query_row([dump_id.as_str()], |row| row.get(0))
                .optional()?;
            kept.map(read).transpose()
        })
    }

    /// Up to `limit` images that were not deleted and that are damaged or could not be read, the newest finding first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn bad_verifications(&self, limit: u32) -> Result<Vec<BadVerification>, CatalogError> {
        self.list("list damaged images", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT dom, verification FROM verifications JOIN records ON records.dump_id = verifications.dump_id
                 WHERE (state = 'failed' OR verdict = 'damaged') AND {PRESENT} ORDER BY ended_at DESC LIMIT ?1"
            ))?;
            let mut rows = statement.query([limit])?;
            let mut bad = Vec::new();
            while let Some(row) = rows.next()? {
                let guest = GuestName(row.get("dom")?);
                bad.push(BadVerification { guest, verification: read(row.get("verification")?)? });
            }
            Ok(bad)
        })
    }

    /// The image here that was not verified for longest; `None` if there is no image. One that could not be read counts as
    /// verified `sooner` than it was. What ends after `now` was noted by a wrong clock, and does not count.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn longest_unverified(
        &self,
        now: Timestamp,
        sooner: Duration,
    ) -> Result<Option<LongestUnverified>, CatalogError> {
        self.list("look for the image to verify next", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD_COLUMNS}, coalesce(
                     (SELECT ended_at - CASE state WHEN 'failed' THEN ?1 ELSE 0 END FROM verifications
                      WHERE verifications.dump_id = records.dump_id AND ended_at <= ?2),
                     timestamp) AS since
                 FROM records WHERE {KEPT} AND dump_id IS NOT NULL ORDER BY since, seq LIMIT 1"
            ))?;
            let sooner = integer(u64::try_from(sooner.as_micros()).unwrap_or(u64::MAX));
            let mut rows = statement.query([sooner, now.unix_micros()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let since = instant("ended_at", row.get("since")?)?;
            Ok(Some(LongestUnverified { record: read_record(row)?, since }))
        })
    }

    /// How the images stand. Counted anew after the catalog was written only.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn verification_figures(&self) -> Result<VerificationFigures, CatalogError> {
        self.list("count verifications", |connection| {
            let version = self.version(connection)?;
            self.verified.answer(version, (), |()| count(connection))
        })
    }

    /// Up to `limit` verifications of own images with a number above `seq`, in the order in which they ended. This is what
    /// another memdeck follows.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn verifications_since(
        &self,
        seq: u64,
        limit: u32,
    ) -> Result<Vec<(u64, Verification)>, CatalogError> {
        self.read("list verifications", |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT verifications.seq, verification
                 FROM verifications JOIN records ON records.dump_id = verifications.dump_id
                 WHERE verifications.seq > ?1 AND origin IS NULL ORDER BY verifications.seq LIMIT ?2",
            )?;
            let mut rows = statement.query([integer(seq), i64::from(limit)])?;
            let mut verifications = Vec::new();
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get("seq")?;
                verifications.push((seq.unsigned_abs(), read(row.get("verification")?)?));
            }
            Ok(verifications)
        })
    }

    /// Takes over how verifications of images of `service` ended, as it reports, and remembers under `cursor` the highest of
    /// its numbers. Returns those that are news. One of a dump that is not known, or not of that service, is passed over:
    /// nobody speaks for images of others.
    ///
    /// A record is from `service` as for [`Self::import_deletions`].
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn import_verifications(
        &self,
        service: &str,
        cursor: &str,
        verifications: &[(u64, Verification)],
    ) -> Result<Vec<Verification>, CatalogError> {
        let Some(highest) = verifications.iter().map(|(seq, _)| *seq).max() else { return Ok(Vec::new()) };
        self.write("import verifications", |tx| {
            let mut news = Vec::new();
            for (_, told) in verifications {
                if is_of(tx, &told.dump_id, service)? && put(tx, told)? {
                    news.push(told.clone());
                }
            }
            crate::import::remember(tx, cursor, highest)?;
            Ok(news)
        })
    }
}

/// Keeps the end of a verification in the place of the one before; false if it is known, or it has not ended.
fn put(connection: &Connection, ended: &Verification) -> Result<bool, CatalogError> {
    let state = match ended.state {
        VerificationState::Finished => "finished",
        VerificationState::Failed => "failed",
        VerificationState::None | VerificationState::Running => return Ok(false),
    };
    let Some(ended_at) = ended.finished_at.map(Timestamp::unix_micros) else { return Ok(false) };
    let json = serde_json::to_string(&ended.in_short()).unwrap_or_default();
    let put = connection
        .prepare_cached(
            "INSERT OR REPLACE INTO verifications (dump_id, ended_at, state, verdict, verification)
         SELECT ?1, ?2, ?3, ?4, ?5
         WHERE NOT EXISTS (SELECT 1 FROM verifications WHERE dump_id = ?1 AND verification = ?5)",
        )?
        .execute(params![
            ended.dump_id.as_str(),
            ended_at,
            state,
            ended.verdict.map(Verdict::as_str),
            json
        ])?;
    Ok(put > 0)
}

fn read(json: String) -> Result<Verification, CatalogError> {
    serde_json::from_str(&json).map_err(|_| CatalogError::Undecodable { column: "verification", value: json })
}

fn is_of(connection: &Connection, dump_id: &DumpId, service: &str) -> rusqlite::Result<bool> {
    let found = connection
        .prepare_cached(
            "SELECT 1 FROM records WHERE dump_id = ?1
             AND (origin = ?2 OR substr(origin, 1, length(?2) + 1) = ?2 || '#')",
        )?
        .query_row([dump_id.as_str(), service], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}
