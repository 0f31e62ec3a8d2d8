//! How single values are kept in columns, and which columns a record has. Who reads them is above this.

use memdeck_model::{Actor, ForeignRow, Timestamp};
use rusqlite::Row;

use crate::CatalogError;

/// The columns of a record, as a statement selects them. [`crate::row_digest`] finds them by their place.
pub(crate) const RECORD_COLUMNS: &str =
    "records.seq, records.dump_id, records.timestamp, records.dom, records.vmid,
    records.host, records.sha256, records.duration_sec, records.raw_size_bytes, records.gzip_size_bytes,
    records.ctime, records.mtime, records.atime, records.dump_path, records.mode, records.pause_ms,
    records.format, records.codec, records.ok, records.point_in_time, records.fallback,
    records.job_downtime_ms, records.iterations, records.dirty_bytes_per_s, records.encrypted,
    records.case_number, records.note, records.deleted_at, records.deleted_by, records.origin,
    records.manifest_sha256, records.digests_root, records.rebuilt_at, records.requested_by,
    records.foreign_row, records.guest_uuid, records.difference_of, records.row_digest";

/// Reads which kind of foreign row a record was made of.
pub(crate) fn foreign(row: &Row<'_>) -> Result<Option<ForeignRow>, CatalogError> {
    let column = "foreign_row";
    let word: Option<String> = row.get(column)?;
    word.map(|word| word.parse().map_err(|()| CatalogError::Undecodable { column, value: word })).transpose()
}

/// Reads an instant that this program wrote.
pub(crate) fn instant(column: &'static str, micros: i64) -> Result<Timestamp, CatalogError> {
    Timestamp::from_unix_micros(micros)
        .map_err(|_| CatalogError::Undecodable { column, value: micros.to_string() })
}

/// Reads who asked for something.
pub(crate) fn actor(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Actor>> {
    Ok(row.get::<_, Option<String>>(column)?.map(|kept| Actor::from_kept(&kept)))
}

/// Reads a word that this program wrote.
pub(crate) fn decode<T: std::str::FromStr>(column: &'static str, text: String) -> Result<T, CatalogError> {
    text.parse().map_err(|_| CatalogError::Undecodable { column, value: text })
}

/// Reads a column that holds a word or text that this program wrote, or nothing.
pub(crate) fn word<T: std::str::FromStr>(
    row: &Row<'_>,
    column: &'static str,
) -> Result<Option<T>, CatalogError> {
    row.get::<_, Option<String>>(column)?.map(|text| decode(column, text)).transpose()
}

/// `SQLite`'s integers end at 2^63 - 1. No size or duration comes near: a remote service that claims more gets the
/// largest number, rather than stopping the import of everything after it.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(row: &Row<'_>) -> rusqlite::Result<u64> {
    row.get::<_, i64>(0).map(i64::unsigned_abs)
}
