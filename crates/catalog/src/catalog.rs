//! The connections and the ways to use them: reading, writing in a transaction, and listing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memdeck_model::{Reach, RecordPage, RecordQuery, Stats, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::counted::Counted;
use crate::memo::{self, Memo};
use crate::reserve::{For, Reserve};
use crate::{CatalogError, Job, VerificationFigures, schema};

/// The durable state of one state directory. Shared between threads; calls take turns and are short.
#[derive(Debug)]
pub struct Catalog {
    path: PathBuf,
    /// For lists and sums over all records, so that the engine never waits for one. Closed before the other, which
    /// then tidies up the file.
    reader: Mutex<Connection>,
    connection: Mutex<Connection>,
    /// How many transactions `connection` has committed.
    written: AtomicU64,
    pub(crate) pages: Memo<(RecordQuery, Reach), Arc<RecordPage>>,
    pub(crate) totals: Memo<Reach, Stats>,
    pub(crate) newest: Memo<Timestamp, Arc<BTreeMap<String, Job>>>,
    pub(crate) verified: Memo<(), VerificationFigures>,
    pub(crate) counted: Mutex<Counted>,
    pub(crate) reserve: Reserve,
}

impl Catalog {
    /// Name of the database file in the state directory.
    pub const FILE_NAME: &'static str = "catalog.db";

    /// The setting that holds the identity of a catalog, to which the sequence numbers of its records belong.
    pub const ID_SETTING: &'static str = "catalog id";

    /// Opens `catalog.db` in `state_dir`, creates both if they are missing (0700 and 0600), and brings an older
    /// database up to date. Hold the directory's [`crate::StateLock`] while it is open.
    ///
    /// # Errors
    /// The file cannot be opened, is not a catalog, is damaged, or was written by a newer program.
    pub fn open(state_dir: &Path) -> Result<Self, CatalogError> {
        let path = state_dir.join(Self::FILE_NAME);
        let connection = Mutex::new(schema::open(&path)?);
        let reader = Mutex::new(schema::open_reader(&path)?);
        Ok(Self::on(state_dir, reader, connection))
    }

    /// Opens the catalog in `state_dir` to read it, while another process may hold the directory. Creates and changes nothing.
    ///
    /// # Errors
    /// There is none, it cannot be opened or is not a catalog, or another version of memdeck wrote it.
    pub fn open_to_read(state_dir: &Path) -> Result<Self, CatalogError> {
        let path = state_dir.join(Self::FILE_NAME);
        let connection = Mutex::new(schema::open_as_is(&path)?);
        let reader = Mutex::new(schema::open_as_is(&path)?);
        Ok(Self::on(state_dir, reader, connection))
    }

    fn on(state_dir: &Path, reader: Mutex<Connection>, connection: Mutex<Connection>) -> Self {
        Self {
            path: state_dir.join(Self::FILE_NAME),
            reader,
            connection,
            written: AtomicU64::new(0),
            pages: Memo::new(),
            totals: Memo::new(),
            newest: Memo::new(),
            verified: Memo::new(),
            counted: Mutex::default(),
            reserve: Reserve::of(state_dir),
        }
    }

    /// The database file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The version of what `connection` reads, which the caller holds, for a [`Memo`].
    pub(crate) fn version(&self, connection: &Connection) -> Result<memo::Version, CatalogError> {
        memo::version(connection, self.written.load(Ordering::Acquire))
    }

    /// Runs `work` on the connection; no other call comes between its statements.
    pub(crate) fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let connection = lock(&self.connection);
        work(&connection).map_err(|error| error.on(&connection).during(operation))
    }

    /// Runs `work`, which may take a while, beside all other calls. Its statements see one state of the catalog.
    pub(crate) fn list<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut connection = lock(&self.reader);
        let run = || {
            let transaction = connection.transaction()?;
            work(&transaction)
        };
        let result: Result<T, CatalogError> = run();
        result.map_err(|error| error.on(&connection).during(operation))
    }

    /// Runs `work` in a transaction that is committed when it succeeds and leaves no trace when it fails.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        let mut connection = lock(&self.connection);
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            self.written.fetch_add(1, Ordering::Release);
            Ok(result)
        };
        let result: Result<T, CatalogError> = run();
        result.map_err(|error| error.on(&connection).during(operation))
    }

    /// As [`Self::write`], for what ends something: on a full volume it may use the reserve.
    pub(crate) fn conclude<T>(
        &self,
        operation: &'static str,
        what: For,
        mut work: impl FnMut(&Transaction<'_>) -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        self.reserve.behind(what, || self.write(operation, &mut work))
    }
}

/// A thread that panicked in a transaction rolled it back as it unwound, so the connection is still good.
fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
