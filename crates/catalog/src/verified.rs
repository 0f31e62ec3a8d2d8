//! Which images there are to verify, and how they stand.

use memdeck_model::{Timestamp, Verdict};
use rusqlite::{Connection, Row};

use crate::CatalogError;
use crate::column::instant;

/// An image that was not deleted, here or on a host.
pub(crate) const PRESENT: &str =
    "ok = 1 AND deleted_at IS NULL AND foreign_row IS NULL AND records.dump_id IS NOT NULL
    AND dump_path IS NOT NULL AND dump_path <> ''";

/// How the images that were not deleted stand, those of other hosts included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerificationFigures {
    /// Images of which no verification is known.
    pub never: u64,
    /// Images whose newest verification found damage, or could not read them.
    pub bad: u64,
    /// When the image was verified, or else taken, that was not verified for longest.
    pub oldest: Option<Timestamp>,
}

pub(crate) fn count(connection: &Connection) -> Result<VerificationFigures, CatalogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT count(*) - count(ended_at), count(CASE WHEN state = 'failed' OR verdict = 'damaged' THEN 1 END),
             min(coalesce(ended_at, timestamp))
         FROM records LEFT JOIN verifications ON verifications.dump_id = records.dump_id WHERE {PRESENT}"
    ))?;
    let (never, bad, oldest) = statement.query_row([], |row: &Row<'_>| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let oldest = oldest.map(|micros| instant("ended_at", micros)).transpose()?;
    Ok(VerificationFigures { never: never.unsigned_abs(), bad: bad.unsigned_abs(), oldest })
}

/// Reads the verdict that a column holds, if this version knows the word.
pub(crate) fn verdict(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Verdict>> {
    let word: Option<String> = row.get(column)?;
    Ok(word.and_then(|word| serde_json::from_value(word.into()).ok()))
}
