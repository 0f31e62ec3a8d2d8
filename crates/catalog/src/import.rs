//! Records of a remote service, copied so that one list shows them all.

use memdeck_model::Record;
use rusqlite::{Connection, OptionalExtension};

use crate::{Catalog, CatalogError, record_row};

impl Catalog {
    /// Stores records that the service `origin` owns, each with the sequence number it has there, and remembers
    /// the highest of these numbers. Gives the records that were new. A record that is known already, by its dump's
    /// name or, without one, by guest, libvirt id and start, is left as it is: the same call twice changes nothing.
    ///
    /// The owner writes the points of its records to the time-series store, so none goes to the outbox here.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn import(&self, origin: &str, records: &[(u64, Record)]) -> Result<Vec<Record>, CatalogError> {
        let Some(highest) = records.iter().map(|(seq, _)| *seq).max() else { return Ok(Vec::new()) };
        self.write("import records", |tx| {
            let mut new = Vec::new();
            for (_, record) in records {
                if !record_row::is_known(tx, record)? {
                    record_row::insert(tx, Some(origin), record)?;
                    new.push(record.clone());
                }
            }
            remember(tx, origin, highest)?;
            Ok(new)
        })
    }

    /// The highest sequence number that was imported from `origin`; 0 before the first.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn cursor(&self, origin: &str) -> Result<u64, CatalogError> {
        self.read("read how far an import is", |connection| {
            let cursor: Option<i64> = connection
                .query_row("SELECT cursor FROM origins WHERE origin = ?1", [origin], |row| row.get(0))
                .optional()?;
            Ok(cursor.map_or(0, i64::unsigned_abs))
        })
    }
}

/// Remembers how far an origin was read; never goes back.
pub(crate) fn remember(connection: &Connection, origin: &str, highest: u64) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO origins (origin, cursor) VALUES (?1, ?2)
         ON CONFLICT (origin) DO UPDATE SET cursor = max(cursor, excluded.cursor)",
        (origin, i64::try_from(highest).unwrap_or(i64::MAX)),
    )?;
    Ok(())
}
