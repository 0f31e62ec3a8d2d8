//! Opening the database file and bringing its schema up to date.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::{CatalogError, guest_uuids, row_digest};

/// Marks the file as ours (`PRAGMA application_id`): "mdck".
const APPLICATION_ID: i32 = 0x6d64_636b;

/// The schema's history: the script at index `n` brings version `n` to version `n + 1`.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_modes.sql"),
    include_str!("../migrations/0003_deleted.sql"),
    include_str!("../migrations/0004_listing.sql"),
    include_str!("../migrations/0005_safety.sql"),
    include_str!("../migrations/0006_dense_listing.sql"),
    include_str!("../migrations/0007_end_reason.sql"),
    include_str!("../migrations/0008_asked.sql"),
    include_str!("../migrations/0009_row_digests.sql"),
    include_str!("../migrations/0010_remote_dumps.sql"),
    include_str!("../migrations/0011_actors.sql"),
    include_str!("../migrations/0012_foreign_rows.sql"),
    include_str!("../migrations/0013_trends.sql"),
    include_str!("../migrations/0014_notifications.sql"),
    include_str!("../migrations/0015_schedules.sql"),
    include_str!("../migrations/0016_holds.sql"),
    include_str!("../migrations/0017_accounts.sql"),
    include_str!("../migrations/0018_requests.sql"),
    include_str!("../migrations/0019_audit.sql"),
    include_str!("../migrations/0020_hunts.sql"),
    include_str!("../migrations/0021_verifications.sql"),
    include_str!("../migrations/0022_guest_groups.sql"),
    include_str!("../migrations/0023_people_of_a_provider.sql"),
    include_str!("../migrations/0024_archives.sql"),
    include_str!("../migrations/0025_differences.sql"),
];

/// Another process holds the database only by mistake (the state directory is locked), so waiting is short.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many statements of a connection are kept compiled: every one that pages and running dumps ask for again and again.
/// To compile one takes several times as long as to run it.
const PREPARED: usize = 64;

/// Room for what a search in a hundred thousand records reads, in KiB. Taken only as far as it is used.
const READER_CACHE_KIB: i32 = 32 * 1024;

/// Opens the database at `path`, checks it and migrates it.
pub(crate) fn open(path: &Path) -> Result<Connection, CatalogError> {
    create_file(path).map_err(|source| CatalogError::Open { path: path.to_owned(), source })?;
    let mut connection = connect(path).map_err(|error| explain(path, error))?;
    let prepared = check_owner(path, &connection)
        .and_then(|()| check_pages(path, &connection))
        .and_then(|()| migrate(path, &mut connection, MIGRATIONS));
    prepared.map_err(|error| error.on(&connection))?;
    Ok(connection)
}

/// Whether the database at `path`, which is there, is sound as far as opening it looks.
pub(crate) fn check(path: &Path) -> Result<(), CatalogError> {
    let connection = open_reader(path)?;
    let checked = identity(path, &connection).and_then(|_| check_pages(path, &connection));
    checked.map_err(|error| error.on(&connection))
}

/// Creates the file before `SQLite` would, so that nobody else can read it even for a moment; `SQLite` gives the
/// mode of the database to its `-wal` and `-shm` files.
fn create_file(path: &Path) -> io::Result<()> {
    let Some(directory) = path.parent() else { return Err(io::ErrorKind::InvalidInput.into()) };
    create_private_dir(directory)?;
    let nofollow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600).custom_flags(nofollow);
    match options.create_new(true).open(path) {
        Ok(_) => File::open(directory)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = options.create_new(false).open(path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::other("it is not a regular file"));
            }
            file.set_permissions(Permissions::from_mode(0o600))
        }
        Err(error) => Err(error),
    }
}

/// Creates a directory and its parents, accessible to their owner alone, if they are missing.
pub(crate) fn create_private_dir(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Opens the database at `path`, which [`open`] has prepared, a second time, for reading only.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, CatalogError> {
    let connect = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        connection.pragma_update(None, "trusted_schema", false)?;
        // A negative number is in KiB, a positive one in pages.
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        Ok(connection)
    };
    connect().map_err(|error| explain(path, error))
}

/// Opens the database at `path` to read it, whoever uses it; it must be of this version.
pub(crate) fn open_as_is(path: &Path) -> Result<Connection, CatalogError> {
    is_there(path)?;
    of_this_version(path, open_reader(path)?)
}

/// Opens the database at `path` to read and change it, whoever uses it; it must be of this version.
pub(crate) fn open_beside(path: &Path) -> Result<Connection, CatalogError> {
    is_there(path)?;
    of_this_version(path, connect(path).map_err(|error| explain(path, error))?)
}

/// `SQLite` says no more than that it cannot. The file itself must not be opened here: when any descriptor of it is closed, the
/// kernel drops all locks that this process has on it, those of other connections included. Another program would then take
/// itself for the last one, and remove the write-ahead log under those who write to it.
fn is_there(path: &Path) -> Result<(), CatalogError> {
    rustix::fs::access(path, rustix::fs::Access::READ_OK)
        .map_err(|errno| CatalogError::Open { path: path.to_owned(), source: errno.into() })
}

fn of_this_version(path: &Path, connection: Connection) -> Result<Connection, CatalogError> {
    let found = identity(path, &connection)?;
    let known = version_of(MIGRATIONS);
    if found < known {
        return Err(CatalogError::Older { path: path.to_owned(), found, known });
    }
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED);
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// The schema version of a catalog; an empty file has version 0, any other must be a catalog.
pub(crate) fn identity(path: &Path, connection: &Connection) -> Result<i64, CatalogError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let read = || Ok((number("application_id")?, number("user_version")?, number("page_count")?));
    let (application, version, pages) = read().map_err(|error| explain(path, error))?;
    if application != i64::from(APPLICATION_ID) && (version, pages) != (0, 0) {
        return Err(CatalogError::Foreign { path: path.to_owned() });
    }
    let known = version_of(MIGRATIONS);
    if version > known {
        return Err(CatalogError::Newer { path: path.to_owned(), found: version, known });
    }
    Ok(version)
}

/// An empty file becomes a catalog; any other must be one.
fn check_owner(path: &Path, connection: &Connection) -> Result<(), CatalogError> {
    identity(path, connection)?;
    // WAL survives in the file; a file system that cannot do it answers with another word.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(|error| explain(path, error))?;
    if mode == "wal" {
        Ok(())
    } else {
        let source =
            io::Error::other(format!("its file system allows no write-ahead log (SQLite says {mode:?})"));
        Err(CatalogError::Open { path: path.to_owned(), source })
    }
}

/// Reads every page once, so that a damaged catalog is found at the start and not in the middle of a dump.
fn check_pages(path: &Path, connection: &Connection) -> Result<(), CatalogError> {
    let finding: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| explain(path, error))?;
    if finding == "ok" { Ok(()) } else { Err(CatalogError::Damaged { path: path.to_owned(), finding }) }
}

/// Runs the scripts the database has not seen yet, all or none.
///
/// Not by `rusqlite_migration`: it would replace the loop, and need a hook for the digests, which are made after the last
/// script, whichever that is. Who owns the file and what a newer or foreign one is would stay here.
pub(crate) fn migrate(
    path: &Path,
    connection: &mut Connection,
    scripts: &[&str],
) -> Result<(), CatalogError> {
    let mut run = || {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let seen = usize::try_from(version).unwrap_or(0);
        if seen < scripts.len() {
            for script in scripts.iter().skip(seen) {
                transaction.execute_batch(script)?;
            }
            if seen < guest_uuids::SINCE_VERSION && scripts.len() >= MIGRATIONS.len() {
                guest_uuids::fill(&transaction)?;
            }
            // Last, when every column is there that a digest covers.
            if seen < row_digest::SINCE_VERSION && scripts.len() >= MIGRATIONS.len() {
                row_digest::fill(&transaction)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version_of(scripts))?;
        }
        transaction.commit()
    };
    let result: rusqlite::Result<()> = run();
    result.map_err(|error| explain(path, error).during("be brought up to date"))
}

pub(crate) fn version_of(scripts: &[&str]) -> i64 {
    i64::try_from(scripts.len()).unwrap_or(i64::MAX)
}

/// Distinguishes a foreign or damaged file from another refusal.
fn explain(path: &Path, error: rusqlite::Error) -> CatalogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => CatalogError::Foreign { path: path.to_owned() },
        Some(ErrorCode::DatabaseCorrupt) => {
            CatalogError::Damaged { path: path.to_owned(), finding: error.to_string() }
        }
        _ => CatalogError::from(error).during("be opened"),
    }
}

#[cfg(test)]
mod tests;
