//! The connection and the two ways to use it: reading, and writing in a transaction.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{CatalogError, schema};

/// The durable state of one state directory. Shared between threads; calls take turns and are short.
#[derive(Debug)]
pub struct Catalog {
    connection: Mutex<Connection>,
}

impl Catalog {
    /// Name of the database file in the state directory.
    pub const FILE_NAME: &'static str = "catalog.db";

    /// Opens `catalog.db` in `state_dir`, creates both where they are missing (0700 and 0600), and brings an older
    /// database up to date. Hold the directory's [`crate::StateLock`] while it is open.
    ///
    /// # Errors
    /// The file cannot be opened, is not a catalog, is damaged, or was written by a newer program.
    pub fn open(state_dir: &Path) -> Result<Self, CatalogError> {
        let connection = schema::open(&state_dir.join(Self::FILE_NAME))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Runs `work` on the connection; no other call comes between its statements.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        work(&self.lock()).map_err(|error| error.during(operation))
    }

    /// Runs `work` in a transaction that is committed when it succeeds and leaves no trace when it fails.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut connection = self.lock();
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        let result: Result<T, CatalogError> = run();
        result.map_err(|error| error.during(operation))
    }

    /// A thread that panicked in a transaction rolled it back as it unwound, so the connection is still good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
