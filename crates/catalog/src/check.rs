//! Whether the catalog is sound: its pages and indexes, and the rows of its records.

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
