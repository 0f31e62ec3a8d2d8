//! The outbox: own records whose point the time-series store has not acknowledged yet.
//!
//! Rows appear with their record, in the same transaction, and leave when they are acknowledged. Delivery is at
//! least once; the writer makes it exactly once by writing the same point again.

use memdeck_model::Record;
use rusqlite::Row;

use crate::column::RECORD_COLUMNS;
use crate::record_row::read_record;
use crate::{Catalog, CatalogError};

/// A record that waits to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct OutboxEntry {
    /// Names the entry when it is acknowledged or deferred.
    pub id: u64,
    /// What to write.
    pub record: Record,
    /// How often writing it failed.
    pub attempts: u32,
    /// Why it failed last.
    pub last_error: Option<String>,
}

impl Catalog {
    /// Up to `limit` entries: those that failed least often first, then oldest first, so that one which is refused
    /// again and again does not hold up the others.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn outbox_next(&self, limit: u32) -> Result<Vec<OutboxEntry>, CatalogError> {
        self.read("read the outbox", |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {RECORD_COLUMNS}, outbox.id, outbox.attempts, outbox.last_error
                 FROM outbox JOIN records ON records.seq = outbox.record_seq
                 ORDER BY outbox.attempts, outbox.id LIMIT ?1"
            ))?;
            let mut rows = statement.query([limit])?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next()? {
                entries.push(read_entry(row)?);
            }
            Ok(entries)
        })
    }

    /// Removes an entry: the store has its point. An entry that is gone already is no error.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn outbox_acknowledge(&self, id: u64) -> Result<(), CatalogError> {
        self.write("acknowledge an outbox entry", |tx| {
            tx.execute("DELETE FROM outbox WHERE id = ?1", [i64::try_from(id).unwrap_or(i64::MAX)])?;
            Ok(())
        })
    }

    /// Notes that writing an entry failed, and why. It stays and comes again.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn outbox_defer(&self, id: u64, error: &str) -> Result<(), CatalogError> {
        self.write("defer an outbox entry", |tx| {
            tx.execute(
                "UPDATE outbox SET attempts = min(attempts + 1, 4294967295), last_error = ?2 WHERE id = ?1",
                (i64::try_from(id).unwrap_or(i64::MAX), error),
            )?;
            Ok(())
        })
    }

    /// How many entries wait.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn outbox_len(&self) -> Result<u64, CatalogError> {
        self.read("count the outbox", |connection| {
            let count: i64 = connection.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }
}

fn read_entry(row: &Row<'_>) -> Result<OutboxEntry, CatalogError> {
    Ok(OutboxEntry {
        id: row.get::<_, i64>("id")?.unsigned_abs(),
        record: read_record(row)?,
        attempts: row.get("attempts")?,
        last_error: row.get("last_error")?,
    })
}
