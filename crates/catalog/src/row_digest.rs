//! A digest of each record's row, so that a row that something else changed is found: a flipped bit, a hand that edits.
//!
//! It covers every column that is not NULL, by name, so a later migration that adds a column without a default leaves
//! the digests of older rows as they are. Whoever writes to `records` calls [`refresh`] in the same transaction.
//! It is no signature: who can write to the catalog can make a new digest. Against that, the manifest's hash is in the
//! time-series store too.

use std::sync::LazyLock;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use crate::CatalogError;
use crate::column::{RECORD_COLUMNS, word};

/// The schema version that brings the digests: rows of before get theirs when it is passed.
pub(crate) const SINCE_VERSION: usize = 9;

/// Every column of `records` but the digest itself.
const COVERED: [&str; 37] = [
    "seq",
    "origin",
    "dump_id",
    "timestamp",
    "dom",
    "vmid",
    "host",
    "sha256",
    "duration_sec",
    "raw_size_bytes",
    "gzip_size_bytes",
    "ctime",
    "mtime",
    "atime",
    "dump_path",
    "mode",
    "pause_ms",
    "format",
    "codec",
    "ok",
    "point_in_time",
    "fallback",
    "job_downtime_ms",
    "iterations",
    "dirty_bytes_per_s",
    "encrypted",
    "case_number",
    "note",
    "deleted_at",
    "deleted_by",
    "manifest_sha256",
    "digests_root",
    "rebuilt_at",
    "requested_by",
    "foreign_row",
    "guest_uuid",
    "difference_of",
];

/// Where each of them stands in a row: every statement that reads records begins with [`RECORD_COLUMNS`]. To look them up
/// by name in each row would take longer than the digest.
static PLACES: LazyLock<[usize; COVERED.len()]> = LazyLock::new(|| {
    let place_of = |column: &str| {
        let mut columns = RECORD_COLUMNS.split(',').map(str::trim);
        columns.position(|selected| selected.strip_prefix("records.") == Some(column)).unwrap_or(usize::MAX)
    };
    COVERED.map(place_of)
});

/// A record whose row is not as memdeck wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredRow {
    /// Its sequence number.
    pub seq: u64,
    /// Which dump it says it is of; nothing of the row is certain.
    pub dump_id: Option<String>,
    /// The guest it says it is of.
    pub dom: Option<String>,
}

/// Gives a row the digest of what it holds now.
pub(crate) fn refresh(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    // Kept compiled: an import does this for each of many rows.
    let mut row =
        connection.prepare_cached(&format!("SELECT {RECORD_COLUMNS} FROM records WHERE records.seq = ?1"))?;
    let digest = row.query_row([seq], of)?;
    let mut update = connection.prepare_cached("UPDATE records SET row_digest = ?2 WHERE seq = ?1")?;
    update.execute((seq, digest))?;
    Ok(())
}

/// Gives every row its digest: of rows that had none.
pub(crate) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT seq FROM records WHERE row_digest IS NULL")?;
    let rows = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    rows.into_iter().try_for_each(|seq| refresh(connection, seq))
}

/// Whether a row that begins with [`RECORD_COLUMNS`] is another than was written.
pub(crate) fn is_altered(row: &Row<'_>) -> rusqlite::Result<bool> {
    let written = row.get_ref("row_digest")?;
    Ok(written != ValueRef::Text(of(row)?.as_bytes()))
}

/// Every record whose row is another than was written, the first thousand.
pub(crate) fn altered(connection: &Connection) -> Result<Vec<AlteredRow>, CatalogError> {
    const MOST: usize = 1000;
    let mut statement =
        connection.prepare(&format!("SELECT {RECORD_COLUMNS} FROM records ORDER BY records.seq"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if is_altered(row)? {
            found.push(AlteredRow {
                seq: row.get::<_, i64>("seq")?.unsigned_abs(),
                dump_id: word(row, "dump_id").unwrap_or_default(),
                dom: word(row, "dom").unwrap_or_default(),
            });
        }
        if found.len() == MOST {
            break;
        }
    }
    Ok(found)
}

/// BLAKE3 over (name, type, value) of every covered column that is not NULL; 64 hexadecimal digits.
fn of(row: &Row<'_>) -> rusqlite::Result<String> {
    let mut digest = blake3::Hasher::new();
    for (column, place) in COVERED.into_iter().zip(*PLACES) {
        let (kind, bytes): (u8, &[u8]) = match row.get_ref(place)? {
            ValueRef::Null => continue,
            ValueRef::Integer(value) => (b'i', &value.to_le_bytes()),
            ValueRef::Real(value) => (b'r', &value.to_bits().to_le_bytes()),
            ValueRef::Text(text) => (b't', text),
            ValueRef::Blob(bytes) => (b'b', bytes),
        };
        for part in [column.as_bytes(), bytes] {
            digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        digest.update(&[kind]);
    }
    Ok(digest.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_a_record_is_covered_and_read() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::schema::migrate("catalog.db".as_ref(), &mut connection, crate::schema::MIGRATIONS).unwrap();
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info('records')").unwrap();
        let mut columns: Vec<String> =
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        columns.retain(|column| column != "row_digest");
        let mut covered = COVERED.map(str::to_owned).to_vec();
        columns.sort();
        covered.sort();
        assert_eq!(columns, covered);
        let selected: Vec<&str> = RECORD_COLUMNS.split(',').map(str::trim).collect();
        for (column, place) in COVERED.iter().zip(*PLACES) {
            assert_eq!(selected.get(place), Some(&format!("records.{column}").as_str()), "{column}");
        }
    }
}
