//! Small named values that outlive a restart.

use memdeck_model::audit::NewEntry;
use rusqlite::{Connection, OptionalExtension};

use crate::reserve::For;
use crate::{Catalog, CatalogError, audit};

impl Catalog {
    /// The value stored under `key`.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn setting(&self, key: &str) -> Result<Option<String>, CatalogError> {
        self.read("read a setting", |connection| {
            let value =
                connection.query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0));
            Ok(value.optional()?)
        })
    }

    /// Stores `value` under `key`, in place of what was there.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn set_setting(&self, key: &str, value: &str) -> Result<(), CatalogError> {
        self.conclude("store a setting", For::End, |tx| store(tx, key, value))
    }

    /// Stores `value` under `key`, and notes `entry` in the audit, both or neither.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn set_setting_noted(&self, key: &str, value: &str, entry: &NewEntry) -> Result<(), CatalogError> {
        self.conclude("store a setting", For::End, |tx| {
            store(tx, key, value)?;
            audit::append(tx, entry).map(drop)
        })
    }
}

fn store(connection: &Connection, key: &str, value: &str) -> Result<(), CatalogError> {
    connection.execute(
        "INSERT INTO settings (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [key, value],
    )?;
    Ok(())
}
