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
mod tests {
    use memdeck_model::{
        ByteCount, CaptureMode, DumpId, DumpOptions, EndReason, GuestName, JobState, Millis, Record,
        RecordQuery, Timestamp,
    };

    use super::*;
    use crate::{Catalog, Intent};

    /// Every object of the schema as SQL.
    fn objects(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY type, name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    fn migrated(connection: &mut Connection, scripts: &[&str]) -> Result<(), CatalogError> {
        migrate(Path::new("catalog.db"), connection, scripts)
    }

    #[test]
    fn every_older_version_becomes_the_newest() {
        let mut newest = Connection::open_in_memory().unwrap();
        migrated(&mut newest, MIGRATIONS).unwrap();
        assert_eq!(version(&newest), version_of(MIGRATIONS));
        for older in 0..=MIGRATIONS.len() {
            let mut connection = Connection::open_in_memory().unwrap();
            migrated(&mut connection, &MIGRATIONS[..older]).unwrap();
            migrated(&mut connection, MIGRATIONS).unwrap();
            assert_eq!(objects(&connection), objects(&newest), "from version {older}");
        }
    }

    /// A catalog as the program of schema version 1 left it.
    const ROWS_OF_VERSION_1: &str = "
        INSERT INTO records VALUES
            (1, NULL, 'd1', 1763110703550273, 'web-01', '7', 'hv1', 'abcd', 1.25, 512, 45, 1, 2, 3, '/d1.zst',
             'frozen', 450, 'elf', 'zstd', 1),
            (2, 'influx', NULL, 1763110703550274, 'db-01', '8', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
             NULL, NULL, NULL, NULL, NULL, 0);
        INSERT INTO jobs VALUES
            (1, 'd1', '7', 'uuid-of-web-01', 'web-01', '7', 'completed', 'Dump completed', 'operator',
             1763110703000000, 1763110703550273, 1763110705000000, 1),
            (2, 'd2', 'db-01', NULL, NULL, NULL, 'failed', 'gone', 'operator', 1763110706000000, 1763110706000001,
             1763110706000002, NULL),
            (3, 'd3', 'web-01', NULL, NULL, NULL, 'running', '', 'operator', 1763110707000000, 1763110707000001,
             NULL, NULL),
            (4, 'd4', 'mail', NULL, NULL, NULL, 'queued', '', 'operator', 1763110708000000, NULL, NULL, NULL);
        INSERT INTO outbox VALUES (1, 1, 2, 'unreachable');
        INSERT INTO origins VALUES ('influx', 41);
        INSERT INTO settings VALUES ('theme', 'dark');";

    #[test]
    fn what_version_1_wrote_is_kept_and_read_with_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(Catalog::FILE_NAME);
        let mut old = Connection::open(&path).unwrap();
        migrated(&mut old, &MIGRATIONS[..1]).unwrap();
        old.execute_batch(ROWS_OF_VERSION_1).unwrap();
        drop(old);

        let catalog = Catalog::open(dir.path()).unwrap();
        let at = |micros| Timestamp::from_unix_micros(micros).unwrap();
        let id = |text: &str| text.parse::<DumpId>().unwrap();
        let own = Record {
            sha256: Some("abcd".to_owned()),
            duration_sec: Some(1.25),
            gzip_size_bytes: Some(ByteCount(45)),
            ctime: Some(1),
            mtime: Some(2),
            atime: Some(3),
            dump_path: Some("/d1.zst".to_owned()),
            dump_id: Some(id("d1")),
            host: Some("hv1".to_owned()),
            guest_uuid: Some("uuid-of-web-01".to_owned()),
            mode: Some(CaptureMode::Frozen),
            pause_ms: Some(Millis(450)),
            raw_size_bytes: Some(ByteCount(512)),
            format: Some("elf".to_owned()),
            codec: Some("zstd".to_owned()),
            ..Record::unknown(GuestName("web-01".to_owned()), "7".to_owned(), at(1_763_110_703_550_273))
        };
        let foreign = Record {
            ok: false,
            ..Record::unknown(GuestName("db-01".to_owned()), "8".to_owned(), at(1_763_110_703_550_274))
        };
        let page = catalog.records(&RecordQuery::newest(10, 0)).unwrap();
        assert_eq!(page.records, [foreign, own.clone()]);

        let states = [
            ("d1", JobState::Completed, Some(own.clone())),
            ("d2", JobState::Failed, None),
            ("d3", JobState::Running, None),
            ("d4", JobState::Queued, None),
        ];
        for (dump_id, state, record) in states {
            let job = catalog.job(&id(dump_id)).unwrap().unwrap();
            assert_eq!((job.state, job.record), (state, record), "{dump_id}");
            assert_eq!((job.options, job.mode, job.fallback), (DumpOptions::default(), None, None));
        }
        let waiting = catalog.outbox_next(10).unwrap().remove(0);
        assert_eq!(
            (waiting.record, waiting.attempts, waiting.last_error.as_deref()),
            (own, 2, Some("unreachable"))
        );
        assert_eq!(catalog.cursor("influx").unwrap(), 41);
        assert_eq!(catalog.setting("theme").unwrap().as_deref(), Some("dark"));
        assert_eq!(catalog.intents().unwrap(), []);

        // And it goes on from there.
        let interrupted = catalog.recover(at(1_763_110_709_000_000), &EndReason::LostInRestart).unwrap();
        assert_eq!(interrupted.len(), 1);
        let next = catalog.start_next(1, at(1_763_110_710_000_000)).unwrap().unwrap();
        assert_eq!((next.dump_id, next.seq), (id("d4"), 4));
        let intent = Intent {
            dump_id: id("d4"),
            guest_uuid: "uuid-of-mail".to_owned(),
            was_running: true,
            max_downtime: Some(Millis(300)),
            owns_unexplained_pause: false,
        };
        catalog.intend(&intent).unwrap();
    }

    #[test]
    fn a_catalog_of_an_older_version_is_backed_up_before_it_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(Catalog::FILE_NAME);
        let mut old = Connection::open(&path).unwrap();
        migrated(&mut old, &MIGRATIONS[..1]).unwrap();
        old.execute_batch(ROWS_OF_VERSION_1).unwrap();
        drop(old);
        let at = Timestamp::from_unix_micros(1_763_110_710_000_000).unwrap();
        for _ in 0..2 {
            let (catalog, restoration) = Catalog::open_or_restore(dir.path(), at, || false).unwrap();
            assert_eq!((catalog.stats().unwrap().total_dumps, restoration), (2, None));
            assert_eq!(catalog.altered_records().unwrap(), [], "rows of before have their digests");
            let backups = Catalog::backups(dir.path(), at).unwrap();
            assert_eq!(backups.len(), 1);
            assert_eq!(version(&Connection::open(&backups[0].path).unwrap()), 1);
        }
    }

    #[test]
    fn a_later_script_runs_once_and_keeps_what_is_stored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog.db");
        let mut connection = open(&path).unwrap();
        connection.execute("INSERT INTO settings VALUES ('theme', 'dark')", []).unwrap();
        let mut scripts = MIGRATIONS.to_vec();
        scripts.push("ALTER TABLE settings ADD COLUMN changed_at INTEGER NOT NULL DEFAULT 0");
        for _ in 0..2 {
            migrated(&mut connection, &scripts).unwrap();
        }
        let row = connection.query_row("SELECT value, changed_at FROM settings", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        assert_eq!(row.unwrap(), ("dark".to_owned(), 0));
        assert_eq!(version(&connection), version_of(&scripts));
    }

    #[test]
    fn a_script_that_fails_leaves_the_version_before_it() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrated(&mut connection, MIGRATIONS).unwrap();
        let before = objects(&connection);
        let mut scripts = MIGRATIONS.to_vec();
        scripts.extend(["CREATE TABLE half (done INTEGER)", "CREATE TABLE half (again INTEGER)"]);
        let error = migrated(&mut connection, &scripts).unwrap_err();
        assert_eq!(error.to_string(), "the catalog could not be brought up to date");
        assert_eq!((objects(&connection), version(&connection)), (before, version_of(MIGRATIONS)));
    }

    #[test]
    fn a_commit_is_on_disk_when_the_call_returns() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open(&dir.path().join("catalog.db")).unwrap();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        let full = 2;
        assert_eq!((pragma("synchronous"), pragma("foreign_keys")), (full, 1));
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
