//! Whether the catalog is sound: its pages and indexes, and the rows of its records.

use memdeck_model::{GuestName, Timestamp};

use crate::column::instant;
use crate::row_digest::{self, AlteredRow};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// Every record whose row is not as memdeck wrote it, the first thousand. Reads all records.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn altered_records(&self) -> Result<Vec<AlteredRow>, CatalogError> {
        self.list("check the records", row_digest::altered)
    }

    /// Records that tell of the same dump: of one guest of one host, begun at the same microsecond. Each with how many
    /// there are, the first hundred.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn doubled_records(&self) -> Result<Vec<(GuestName, Timestamp, u64)>, CatalogError> {
        self.list("look for doubled records", |connection| {
            let mut statement = connection.prepare(
                "SELECT dom, timestamp, count(*) FROM records INDEXED BY records_by_time
                 GROUP BY timestamp, dom, coalesce(host, '') HAVING count(*) > 1 ORDER BY timestamp LIMIT 100",
            )?;
            let mut rows = statement.query([])?;
            let mut doubled = Vec::new();
            while let Some(row) = rows.next()? {
                let at = instant("timestamp", row.get(1)?)?;
                doubled.push((GuestName(row.get(0)?), at, row.get::<_, i64>(2)?.unsigned_abs()));
            }
            Ok(doubled)
        })
    }

    /// What `SQLite` finds wrong with pages and indexes, a sentence each, the first hundred; empty for a sound
    /// database. Reads the whole file.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn damage(&self) -> Result<Vec<String>, CatalogError> {
        self.list("be checked", |connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check")?;
            let found =
                statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
            Ok(if found == ["ok"] { Vec::new() } else { found })
        })
    }
}
