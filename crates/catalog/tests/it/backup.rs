//! A catalog that is lost: kept aside, restored from its newest sound backup, and never replaced silently.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use memdeck_catalog::{Adopted, BackupOrigin, Catalog, CatalogError, Enqueued, Restoration};
use memdeck_model::{Actor, Deletion, EndReason, JobState, Record};
use rusqlite::Connection;

use crate::support::*;

fn opened(dir: &Path, at: i64) -> (Catalog, Option<Restoration>) {
    Catalog::open_or_restore(dir, second(at), || false).unwrap()
}

fn file(dir: &Path) -> std::path::PathBuf {
    dir.join(Catalog::FILE_NAME)
}

/// A catalog as a process leaves it: two records, of which the backup has the first, and a dump that waits.
fn left_by_a_process() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (catalog, restoration) = opened(dir.path(), 0);
    assert_eq!(restoration, None);
    let test = TestCatalog { dir, catalog };
    test.completed("d1", "web-01", 1);
    test.catalog.set_setting(Catalog::ID_SETTING, "the first").unwrap();
    test.ask("d2", "db-01");
    Catalog::back_up(test.dir.path(), second(10)).unwrap().unwrap();
    test.catalog.start_next(2, second(11)).unwrap();
    test.catalog.complete(&id("d2"), second(12), "Dump completed", &record("d2", "db-01", 11)).unwrap();
    test.dir
}

#[test]
fn a_backup_is_a_sound_catalog_that_only_its_owner_can_read() {
    let dir = left_by_a_process();
    let backups = Catalog::backups(dir.path(), second(10)).unwrap();
    assert_eq!((backups.len(), backups[0].taken_at), (1, second(10)));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&backups[0].path), mode(&dir.path().join("backups"))), (0o600, 0o700));
    let copy = tempfile::tempdir().unwrap();
    fs::copy(&backups[0].path, file(copy.path())).unwrap();
    let catalog = Catalog::open(copy.path()).unwrap();
    assert_eq!(catalog.record_of(&id("d1")).unwrap(), Some(record("d1", "web-01", 1)));
    assert_eq!(catalog.record_of(&id("d2")).unwrap(), None);
    assert_eq!(catalog.altered_records().unwrap(), []);
}

#[test]
fn a_backup_is_made_beside_a_writer_that_does_not_wait_for_it() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let writer = Connection::open(file(test.dir.path())).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO settings VALUES ('half', 'done')").unwrap();
    Catalog::back_up(test.dir.path(), second(2)).unwrap().unwrap();
    writer.execute_batch("COMMIT").unwrap();
    assert_eq!(test.catalog.setting("half").unwrap().as_deref(), Some("done"));
}

#[test]
fn an_empty_catalog_that_was_none_is_kept_aside_and_the_newest_backup_restored() {
    let dir = left_by_a_process();
    fs::File::options().write(true).open(file(dir.path())).unwrap().set_len(0).unwrap();
    let _ = fs::remove_file(dir.path().join("catalog.db-wal"));

    let (catalog, restoration) = opened(dir.path(), 20);
    let restoration = restoration.unwrap();
    assert_eq!((restoration.found.as_str(), restoration.at), ("it was empty", second(20)));
    assert_eq!(fs::metadata(restoration.kept_aside.as_ref().unwrap()).unwrap().len(), 0);
    assert_eq!(restoration.backup.as_ref().unwrap().taken_at, second(10));
    assert_eq!(catalog.record_of(&id("d1")).unwrap(), Some(record("d1", "web-01", 1)));
    assert_eq!(catalog.setting(Catalog::ID_SETTING).unwrap(), None, "its numbers are given anew");
    let waiting = catalog.job(&id("d2")).unwrap().unwrap();
    assert_eq!(waiting.state, JobState::Failed, "nobody asks for it now");
    assert!(matches!(waiting.end_reason, Some(EndReason::CatalogFailed { .. })), "{waiting:?}");
    drop(catalog);
    assert_eq!(opened(dir.path(), 21).1.unwrap(), restoration, "until it is finished");
    restoration.finish(dir.path()).unwrap();
    assert_eq!(opened(dir.path(), 22).1, None, "once");
}

#[test]
fn a_restoration_that_is_interrupted_before_the_backup_is_in_place_goes_on_at_the_next_start() {
    let dir = left_by_a_process();
    let path = file(dir.path());
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    let catalog = fs::File::options().write(true).open(&path).unwrap();
    catalog.write_all_at(&vec![0xa5; length], 0).unwrap();
    let as_found = fs::read(&path).unwrap();
    // Where the backup is copied to.
    let obstacle = dir.path().join("catalog.db.restored");
    fs::create_dir(&obstacle).unwrap();
    for at in [20, 21] {
        Catalog::open_or_restore(dir.path(), second(at), || false).unwrap_err();
        assert!(!path.exists());
    }
    fs::remove_dir(obstacle).unwrap();
    // As a start leaves it that finds no room in a new catalog.
    fs::write(&path, "").unwrap();

    let (catalog, restoration) = opened(dir.path(), 22);
    let restoration = restoration.unwrap();
    assert!(restoration.found.starts_with("it was damaged ("), "{}", restoration.found);
    assert_eq!((restoration.at, restoration.backup.as_ref().unwrap().taken_at), (second(20), second(10)));
    assert!(fs::read(restoration.kept_aside.unwrap()).unwrap() == as_found);
    assert!(catalog.record_of(&id("d1")).unwrap().is_some());
}

#[test]
fn what_was_asked_for_after_a_restoration_outlives_the_starts_that_finish_it() {
    let dir = left_by_a_process();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", file(dir.path()).display()));
    }
    let (catalog, restoration) = opened(dir.path(), 20);
    assert!(restoration.is_some());
    catalog.set_setting(Catalog::ID_SETTING, "the second").unwrap();
    catalog.enqueue(new_job("d7", "mail")).unwrap();
    drop(catalog);
    let (catalog, again) = opened(dir.path(), 21);
    assert_eq!(again, restoration);
    assert_eq!(catalog.job(&id("d7")).unwrap().unwrap().state, JobState::Queued);
    assert_eq!(catalog.setting(Catalog::ID_SETTING).unwrap().as_deref(), Some("the second"));
}

#[test]
fn a_catalog_that_is_lost_again_before_its_restoration_is_finished_is_kept_aside_too() {
    let dir = left_by_a_process();
    fs::write(file(dir.path()), "").unwrap();
    let (catalog, first) = opened(dir.path(), 20);
    drop(catalog);
    let damaged = vec![0xa5; 4096];
    fs::write(file(dir.path()), &damaged).unwrap();
    let (_, second_time) = opened(dir.path(), 30);
    let (first, second_time) = (first.unwrap(), second_time.unwrap());
    assert_eq!((first.at, second_time.at), (second(20), second(30)));
    assert_eq!(fs::read(first.kept_aside.unwrap()).unwrap(), b"");
    assert!(fs::read(second_time.kept_aside.unwrap()).unwrap() == damaged);
}

#[test]
fn a_sound_catalog_that_somebody_put_back_before_anything_was_moved_is_opened_as_it_is() {
    let dir = left_by_a_process();
    let sound = fs::read(file(dir.path())).unwrap();
    fs::write(file(dir.path()), vec![0xa5; 4096]).unwrap();
    let note = dir.path().join("catalog.restoring");
    let (_, restoration) = opened(dir.path(), 20);
    let restoration = restoration.unwrap();
    // As a crash leaves it that comes before the first step.
    fs::remove_file(restoration.kept_aside.as_ref().unwrap()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", restoration.kept_aside.as_ref().unwrap().display()));
        let _ = fs::remove_file(format!("{}{suffix}", file(dir.path()).display()));
    }
    fs::write(file(dir.path()), sound).unwrap();
    assert!(note.exists());
    assert_eq!(opened(dir.path(), 21).1, None);
    assert!(!note.exists());
}

#[test]
fn a_catalog_that_is_gone_is_restored_and_a_first_start_begins_one() {
    let dir = left_by_a_process();
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(dir.path().join(name));
    }
    let (catalog, restoration) = opened(dir.path(), 20);
    let restoration = restoration.unwrap();
    assert_eq!((restoration.found.as_str(), restoration.kept_aside), ("it was gone", None));
    assert!(catalog.record_of(&id("d1")).unwrap().is_some());

    let first = tempfile::tempdir().unwrap();
    fs::write(file(first.path()), "").unwrap();
    assert_eq!(opened(first.path(), 1).1, None, "a start that died before the first write");
    let with_images = tempfile::tempdir().unwrap();
    fs::write(file(with_images.path()), "").unwrap();
    let restoration = Catalog::open_or_restore(with_images.path(), second(1), || true).unwrap().1.unwrap();
    assert_eq!((restoration.found.as_str(), restoration.backup), ("it was empty", None));
}

#[test]
fn a_damaged_catalog_is_kept_as_it_was_found_and_damaged_backups_are_passed_over() {
    for keep_first_page in [true, false] {
        let dir = left_by_a_process();
        drop(Catalog::open(dir.path()).unwrap());
        Catalog::back_up(dir.path(), second(13)).unwrap().unwrap();
        let newest = Catalog::backups(dir.path(), second(13)).unwrap().remove(0).path;
        Connection::open(&newest)
            .unwrap()
            .execute_batch("UPDATE records SET dom = 'x' WHERE seq = 1")
            .unwrap();
        let path = file(dir.path());
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        let start = if keep_first_page { 4096 } else { 0 };
        let catalog = fs::File::options().write(true).open(&path).unwrap();
        catalog.write_all_at(&vec![0xa5; length - start], start as u64).unwrap();
        let as_found = fs::read(&path).unwrap();

        let (catalog, restoration) = opened(dir.path(), 20);
        let restoration = restoration.unwrap();
        assert!(restoration.found.starts_with("it was damaged ("), "{}", restoration.found);
        assert!(fs::read(restoration.kept_aside.unwrap()).unwrap() == as_found);
        assert_eq!(restoration.unsound, [newest]);
        assert_eq!(restoration.backup.unwrap().taken_at, second(10));
        assert!(catalog.record_of(&id("d1")).unwrap().is_some());
    }
}

#[test]
fn a_file_that_never_was_a_catalog_is_still_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let text = "This is a letter to my aunt. ".repeat(100);
    fs::write(file(dir.path()), &text).unwrap();
    let refused = Catalog::open_or_restore(dir.path(), second(1), || true).unwrap_err();
    assert!(matches!(refused, CatalogError::Foreign { .. }), "{refused:?}");
    assert_eq!(fs::read_to_string(file(dir.path())).unwrap(), text);
}

#[test]
fn a_record_that_was_lost_is_added_once_and_completes_the_job_that_a_backup_has() {
    let test = TestCatalog::new();
    test.ask("d2", "db-01");
    let lost = |dump_id: &str| Record { rebuilt_at: Some(second(30)), ..record(dump_id, "db-01", 11) };
    let adopt = |record: &Record| {
        let guest = guest("db-01", 7);
        let adopted = Adopted {
            record,
            guest: &guest,
            requested_by: &Actor::named("operator"),
            finished_at: second(12),
            message: "made anew",
        };
        test.catalog.adopt(&adopted).unwrap()
    };
    let deleted = Record { deleted_at: Some(second(30)), ..lost("d3") };
    for (record, is_new) in [(&lost("d2"), true), (&deleted, true), (&lost("d2"), false), (&deleted, false)] {
        assert_eq!(adopt(record), is_new);
        let job = test.catalog.job(record.dump_id.as_ref().unwrap()).unwrap().unwrap();
        assert_eq!((job.state, job.record.as_ref()), (JobState::Completed, Some(record)));
    }
    assert_eq!(test.catalog.outbox_len().unwrap(), 2);
    assert_eq!(test.catalog.unsettled_deletions().unwrap(), []);
    let told: Vec<Deletion> =
        test.catalog.deletions_since(0, 9).unwrap().into_iter().map(|(_, deletion)| deletion).collect();
    assert_eq!((told.len(), &told[0].dump_id), (1, &id("d3")));
    assert!(matches!(test.catalog.enqueue(new_job("d9", "db-01")).unwrap(), Enqueued::Accepted(_)));
    assert_eq!(test.catalog.altered_records().unwrap(), []);
}

#[test]
fn a_catalog_is_read_beside_the_service_and_by_nobody_who_would_change_it() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let beside = Catalog::open_to_read(test.dir.path()).unwrap();
    assert!(beside.record_of(&id("d1")).unwrap().is_some());
    assert!(beside.set_setting("theme", "dark").is_err());
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Catalog::open_to_read(empty.path()).unwrap_err(), CatalogError::Open { .. }));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is created");
}

fn origin() -> BackupOrigin {
    BackupOrigin { made_at: second(20), host: "hv1".to_owned(), version: "0.1.0".to_owned() }
}

#[test]
fn a_backup_in_a_file_becomes_the_catalog_of_another_machine() {
    let (dir, elsewhere) = (left_by_a_process(), tempfile::tempdir().unwrap());
    let file_of_backup = elsewhere.path().join("memdeck.db");
    let facts = Catalog::back_up_to(dir.path(), &file_of_backup, &origin()).unwrap();
    assert_eq!((facts.records, facts.own_records, facts.waiting_points), (2, 2, 2));
    assert_eq!((facts.origin.as_ref(), facts.newest), (Some(&origin()), Some(second(11))));
    assert_eq!(fs::metadata(&file_of_backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1, "nothing is left beside it");

    let state = elsewhere.path().join("state");
    let (catalog, restoration) = Catalog::restore_from(&state, &file_of_backup, second(30)).unwrap();
    assert!(restoration.was_asked_for && restoration.kept_aside.is_none());
    assert_eq!(catalog.record_of(&id("d2")).unwrap(), Some(record("d2", "db-01", 11)));
    assert_eq!(
        catalog.setting(Catalog::ID_SETTING).unwrap(),
        None,
        "sequence numbers belong to another catalog now"
    );
    restoration.finish(&state).unwrap();
    drop(catalog);
    let (catalog, restoration) = opened(&state, 40);
    assert_eq!((restoration, catalog.stats().unwrap().total_dumps), (None, 2));
}

#[test]
fn the_catalog_that_a_backup_replaces_is_kept_aside_and_is_whole() {
    let dir = left_by_a_process();
    let other = TestCatalog::new();
    other.completed("d9", "mail", 5);
    let file_of_backup = other.dir.path().join("copy.db");
    Catalog::back_up_to(other.dir.path(), &file_of_backup, &origin()).unwrap();
    let (catalog, restoration) = Catalog::restore_from(dir.path(), &file_of_backup, second(30)).unwrap();
    assert_eq!(catalog.stats().unwrap().total_dumps, 1);
    let aside = restoration.kept_aside.unwrap();
    let copy = tempfile::tempdir().unwrap();
    fs::copy(&aside, file(copy.path())).unwrap();
    assert_eq!(Catalog::open(copy.path()).unwrap().stats().unwrap().total_dumps, 2);
    // What was restored is the newest backup: a start that finds the catalog damaged comes back to it.
    assert_eq!(Catalog::backups(dir.path(), second(31)).unwrap()[0].taken_at, second(30));
}

#[test]
fn what_is_no_sound_backup_of_this_version_replaces_nothing() {
    let dir = left_by_a_process();
    let elsewhere = tempfile::tempdir().unwrap();
    let backup = elsewhere.path().join("memdeck.db");
    Catalog::back_up_to(dir.path(), &backup, &origin()).unwrap();
    let again = Catalog::back_up_to(dir.path(), &backup, &origin());
    assert!(
        matches!(again, Err(CatalogError::Backup { .. })),
        "a file that is there is not replaced: {again:?}"
    );

    let newer = elsewhere.path().join("newer.db");
    fs::copy(&backup, &newer).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 999).unwrap();
    let damaged = elsewhere.path().join("damaged.db");
    fs::copy(&backup, &damaged).unwrap();
    let length = fs::metadata(&damaged).unwrap().len();
    fs::OpenOptions::new().write(true).open(&damaged).unwrap().set_len(length / 2).unwrap();
    let foreign = elsewhere.path().join("foreign.db");
    fs::write(&foreign, "no database at all, but some text that is long enough to be taken for one").unwrap();
    let refused = |file: &Path| Catalog::restore_from(dir.path(), file, second(30)).map(drop).unwrap_err();
    assert!(matches!(refused(&newer), CatalogError::Newer { found: 999, .. }));
    let of_damaged = refused(&damaged);
    assert!(
        matches!(of_damaged, CatalogError::Damaged { .. } | CatalogError::Database { .. }),
        "{of_damaged:?}"
    );
    assert!(!matches!(refused(&foreign), CatalogError::Newer { .. }));
    assert!(matches!(refused(&elsewhere.path().join("none.db")), CatalogError::Backup { .. }));
    let (catalog, restoration) = opened(dir.path(), 40);
    assert_eq!((restoration, catalog.stats().unwrap().total_dumps), (None, 2), "the catalog is as it was");
}
