//! Entries of a process that works beside the one that has the state directory: a command that reads stored images by itself.
//!
//! `SQLite` puts what both write into one order: an entry is chained to the newest row within the transaction that adds it.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use memdeck_model::DumpId;
use memdeck_model::audit::NewEntry;
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use super::append;
use crate::{Catalog, CatalogError, schema};

/// The audit of a state directory, to add to it. Nothing else can be changed through it, and no lock of the directory is needed.
#[derive(Debug)]
pub struct AuditBeside {
    connection: Mutex<Connection>,
}

impl AuditBeside {
    /// Opens the audit of the catalog in `state_dir`. Creates nothing, and brings nothing up to date.
    ///
    /// # Errors
    /// There is no catalog, it cannot be opened, or another version of memdeck wrote it.
    pub fn open(state_dir: &Path) -> Result<Self, CatalogError> {
        let connection = schema::open_beside(&state_dir.join(Catalog::FILE_NAME))?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Whether the catalog has a record of that dump, own or imported.
    ///
    /// # Errors
    /// `SQLite` refused.
    pub fn knows(&self, dump_id: &DumpId) -> Result<bool, CatalogError> {
        self.on("read a record", |connection| {
            let mut statement = connection.prepare_cached("SELECT 1 FROM records WHERE dump_id = ?1")?;
            let found = statement.query_row([dump_id.as_str()], |_| Ok(())).optional()?;
            Ok(found.is_some())
        })
    }

    /// Adds entries, all or none, and returns the number of each. When this returns, they are on disk.
    ///
    /// # Errors
    /// `SQLite` refused. Nobody may do what could not be noted.
    pub fn note(&self, entries: &[NewEntry]) -> Result<Vec<u64>, CatalogError> {
        self.on("note what is done", |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let add = |entry| append(&transaction, entry).map(|head| head.seq);
            let numbers = entries.iter().map(add).collect::<Result<_, _>>()?;
            transaction.commit()?;
            Ok(numbers)
        })
    }

    fn on<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut connection).map_err(|error| error.on(&connection).during(operation))
    }
}
