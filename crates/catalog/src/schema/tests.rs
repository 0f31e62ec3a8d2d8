use memdeck_model::{
    ByteCount, CaptureMode, DumpId, DumpOptions, EndReason, GuestName, JobState, Millis, Record, RecordQuery,
    Timestamp,
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
