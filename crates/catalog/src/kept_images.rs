//! The images that this host keeps, as its own records tell them.

use memdeck_model::{GuestName, Record};
use rusqlite::{Connection, params};

use crate::column::RECORD_COLUMNS;
use crate::record_row::read_record;
use crate::{Catalog, CatalogError};

/// The condition of a kept image. The index `records_listing` knows most of it.
pub(crate) const KEPT: &str = "ok = 1 AND deleted_at IS NULL AND origin IS NULL AND foreign_row IS NULL
    AND dump_path IS NOT NULL AND dump_path <> ''";

impl Catalog {
    /// The records of dumps that were taken here and whose images were not deleted, newest first; of one guest where it is
    /// named, exactly. At most `limit`.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn kept_images(&self, guest: Option<&GuestName>, limit: u32) -> Result<Vec<Record>, CatalogError> {
        self.list("list the images that are kept", |connection| match guest {
            None => records(connection, KEPT, params![limit]),
            Some(guest) => {
                records(connection, &format!("{KEPT} AND dom = ?2"), params![limit, guest.0.as_str()])
            }
        })
    }

    /// A value that is another one after anything in the catalog was written, by whichever process.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn changes(&self) -> Result<(u64, i64), CatalogError> {
        self.list("look for changes", |connection| self.version(connection))
    }
}

fn records(
    connection: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<Record>, CatalogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {RECORD_COLUMNS} FROM records WHERE {condition} ORDER BY timestamp DESC, seq DESC LIMIT ?1"
    ))?;
    let mut rows = statement.query(values)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read_record(row)?);
    }
    Ok(records)
}
