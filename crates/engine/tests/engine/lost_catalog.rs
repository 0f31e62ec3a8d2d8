//! What is left when the catalog is lost: images with their manifests, and files that no job leads to.

use memdeck_engine::{Clock as _, rebuild};
use memdeck_image::remove_stored;
use memdeck_model::{Actor, GuestName, JobState, Millis, Record};

use crate::support::*;

fn lose_catalog(bench: &Bench) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(bench.dir.path().join(name));
    }
}

#[test]
fn records_are_made_anew_from_manifests_and_a_second_time_adds_nothing() {
    let bench = Bench::with_guests(&["db-01", "web-01"]);
    let taken = |name| *dump(&bench, name).record.unwrap();
    let (kept, deleted) = (taken("db-01"), taken("web-01"));
    remove_stored(deleted.dump_path.as_ref().unwrap().as_ref(), deleted.dump_id.as_ref().unwrap()).unwrap();
    std::fs::write(bench.dir.path().join("dumps/db-01_d9.json"), "{").unwrap();
    lose_catalog(&bench);

    let (catalog, at) = (bench.catalog(), bench.clock.now());
    let rebuilt = rebuild(&catalog, &bench.store(), at).unwrap();
    assert_eq!((rebuilt.added.len(), rebuilt.known, rebuilt.unusable.len()), (2, 0, 1));
    let goes_on = rebuild(&catalog, &bench.store(), at).unwrap();
    assert_eq!(goes_on.added, rebuilt.added, "one that was interrupted tells all that it did");
    let again = rebuild(&catalog, &bench.store(), at.plus(Millis(1))).unwrap();
    assert_eq!((again.added.len(), again.known), (0, 2));
    assert_eq!(catalog.stats().unwrap().total_dumps, 2);

    let found = |record: &Record| catalog.record_of(record.dump_id.as_ref().unwrap()).unwrap().unwrap();
    let record = found(&kept);
    assert_eq!(record, Record { rebuilt_at: Some(at), duration_sec: record.duration_sec, ..kept.clone() });
    let record = found(&deleted);
    assert_eq!((record.deleted_at, &record.manifest_sha256), (Some(at), &deleted.manifest_sha256));
    let job = catalog.job(kept.dump_id.as_ref().unwrap()).unwrap().unwrap();
    assert_eq!((job.state, job.requested_by), (JobState::Completed, Actor::named("a test")));
    assert_eq!(catalog.altered_records().unwrap(), []);
}

#[test]
fn a_manifest_that_is_not_the_one_that_was_recorded_is_named_by_a_rebuild() {
    let bench = Bench::with_guests(&["db-01"]);
    let record = dump(&bench, "db-01").record.unwrap();
    let manifest = record.dump_path.unwrap().replace(".elf.zst", ".json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("a test", "nobody")).unwrap();
    let rebuilt = rebuild(&bench.catalog(), &bench.store(), bench.clock.now()).unwrap();
    assert_eq!((rebuilt.added, rebuilt.differing), (vec![], vec![record.dump_id.unwrap()]));
}

#[test]
fn partial_and_spool_files_without_a_job_are_swept_and_those_of_another_process_are_not() {
    let bench = Bench::with_guests(&["db-01"]);
    let dir = bench.store().dir().to_owned();
    // Another memdeck on another state directory takes a dump here.
    let theirs = bench.store().create(&GuestName("mail".into()), &"t1".parse().unwrap()).unwrap();
    let stays =
        ["notes_from_me.txt", "x.elf.zst.partial", "web_d5.json", "web_d6.pages", ".spool-1-0", ".spool-x-0"];
    let goes = ["web_d4.elf.zst.partial", "web_d4.pages", "web_d4.blake3", "web_d4.json", ".spool-4194305-0"];
    for name in stays.iter().chain(&goes) {
        std::fs::write(dir.join(name), "left").unwrap();
    }
    drop(bench.engine(1));
    let mut left = bench.files();
    left.retain(|name| !name.starts_with("mail_t1"));
    let mut expected = stays.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(left, expected);
    assert!(theirs.path().exists());
}
