//! The database as a file: its rights, its age and its health.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use memdeck_catalog::{Catalog, CatalogError};
use rusqlite::Connection;

use crate::support::*;

fn refusal(dir: &std::path::Path) -> CatalogError {
    Catalog::open(dir).unwrap_err()
}

#[test]
fn only_its_owner_can_read_it() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("state/of/memdeck");
    let catalog = Catalog::open(&dir).unwrap();
    catalog.set_setting("some", "write").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }

    drop(catalog);
    fs::set_permissions(dir.join("catalog.db"), fs::Permissions::from_mode(0o644)).unwrap();
    Catalog::open(&dir).unwrap();
    assert_eq!(mode(&dir.join("catalog.db")), 0o600);
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("elsewhere");
    fs::write(&target, "").unwrap();
    symlink(&target, dir.path().join("catalog.db")).unwrap();
    assert!(matches!(refusal(dir.path()), CatalogError::Open { .. }));
    assert_eq!(fs::read(&target).unwrap(), b"");
}

#[test]
fn a_database_of_a_newer_program_is_refused_with_a_sentence_and_left_alone() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let path = test.dir.path().join("catalog.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let TestCatalog { dir, catalog } = test;
    drop(catalog);

    let refused = refusal(dir.path());
    let CatalogError::Newer { found: 999, known, .. } = refused else { panic!("{refused}") };
    let sentence = refused.to_string();
    let told = format!("was written by a newer memdeck (schema 999, this program knows {known})");
    assert!(sentence.contains(&told), "{sentence}");
    let version: i64 =
        Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 999);
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("catalog.db");
    let text = "This is a letter to my aunt. ".repeat(100);
    fs::write(&path, &text).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, CatalogError::Foreign { .. }), "{refused:?}");
    assert!(refused.to_string().contains("is not a catalog of memdeck"), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    // Another program's SQLite database is not ours either.
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    assert!(matches!(refusal(dir.path()), CatalogError::Foreign { .. }));
    let tables: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(refusal(dir.path()), CatalogError::Open { .. }));
}

#[test]
fn a_damaged_database_is_refused_with_what_was_found() {
    let test = TestCatalog::new();
    for n in 0..50 {
        test.completed(&format!("d{n}"), &format!("vm-{n}"), n);
    }
    let TestCatalog { dir, catalog } = test;
    drop(catalog);
    let path = dir.path().join("catalog.db");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    // Every page but the first, which says that this is a database.
    file.write_all_at(&vec![0xa5; usize::try_from(length - 4096).unwrap()], 4096).unwrap();

    let refused = refusal(dir.path());
    assert!(matches!(refused, CatalogError::Damaged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("restore it from a backup"), "{refused}");
}

#[test]
fn a_truncated_database_is_refused() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let TestCatalog { dir, catalog } = test;
    drop(catalog);
    let file = fs::OpenOptions::new().write(true).open(dir.path().join("catalog.db")).unwrap();
    file.set_len(3 * 4096).unwrap();
    let refused = refusal(dir.path());
    assert!(matches!(refused, CatalogError::Damaged { .. }), "{refused:?}");
}

#[test]
fn a_start_that_died_before_the_first_write_is_made_good() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("catalog.db"), "").unwrap();
    Catalog::open(dir.path()).unwrap();
}

#[test]
fn what_was_committed_is_there_without_an_orderly_end() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    // As a power failure leaves it: the write-ahead log not merged, nothing closed.
    let copy = tempfile::tempdir().unwrap();
    for file in ["catalog.db", "catalog.db-wal"] {
        fs::copy(test.dir.path().join(file), copy.path().join(file)).unwrap();
    }
    assert!(fs::metadata(copy.path().join("catalog.db-wal")).unwrap().len() > 0);
    let found = Catalog::open(copy.path()).unwrap();
    assert_eq!(found.record_of(&id("d1")).unwrap(), Some(record("d1", "web-01", 1)));
}

#[test]
fn the_schema_itself_forbids_two_active_jobs_of_one_guest() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");
    test.ask("d2", "7");
    test.catalog.identify(&id("d1"), &guest("web-01", 7)).unwrap();
    let connection = Connection::open(test.dir.path().join("catalog.db")).unwrap();
    let by_mistake = connection.execute(
        "UPDATE jobs SET guest_uuid = 'uuid-of-web-01', guest_name = 'x', guest_vmid = '7' WHERE dump_id = 'd2'",
        [],
    );
    assert!(by_mistake.unwrap_err().to_string().contains("UNIQUE constraint failed: jobs.guest_uuid"));
    let without_record =
        connection.execute("UPDATE jobs SET state = 'completed', started_at = 1, finished_at = 1", []);
    assert!(without_record.unwrap_err().to_string().contains("CHECK constraint failed"));
}

/// Whether this process holds a lock on a file by which other programs see that it is in use.
fn is_locked_by_us(file: &std::path::Path) -> bool {
    let (process, inode) =
        (std::process::id().to_string(), format!(":{}", fs::metadata(file).unwrap().ino()));
    let locks = fs::read_to_string("/proc/locks").unwrap();
    let mut locks = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    locks.any(|lock| lock[1] == "POSIX" && lock[4] == process && lock[5].ends_with(&inode))
}

#[test]
fn a_look_at_a_catalog_that_is_open_leaves_the_locks_by_which_others_keep_its_log() {
    let test = TestCatalog::new();
    let file = test.dir.path().join(Catalog::FILE_NAME);
    assert!(is_locked_by_us(&file));
    drop(Catalog::open_to_read(test.dir.path()).unwrap());
    assert!(is_locked_by_us(&file), "another program that reads it would remove the log of what is written");
}
