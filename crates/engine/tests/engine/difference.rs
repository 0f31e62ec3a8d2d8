//! Images that are stored as differences: when, to which, and what is not deleted before them.

use std::path::Path;
use std::time::Duration;

use memdeck_catalog::CatalogError;
use memdeck_engine::{Clock as _, Engine};
use memdeck_image::ManifestFile;
use memdeck_model::ModeChoice::{Frozen, Live};
use memdeck_model::audit::{AuditAction, AuditObject, NewEntry};
use memdeck_model::{
    Actor, Deletion, DumpId, DumpOptions, DumpStatus, JobState, ModeChoice, Record, Verdict, Verification,
    VerificationState,
};

use crate::support::*;

fn record(status: &DumpStatus) -> &Record {
    status.record.as_ref().unwrap()
}

/// Dumps the guest so that its image may be a difference.
fn differ(bench: &Bench, engine: &Engine, mode: ModeChoice) -> DumpStatus {
    let mut events = engine.subscribe();
    // One is newer than the other.
    bench.clock.advance(Duration::from_mins(1));
    let options = DumpOptions { mode, difference: true, ..DumpOptions::default() };
    let accepted = engine.trigger(&[vm("db-01")], &options, &Actor::named("a test")).unwrap();
    end_of(&mut events, &accepted["db-01"].dump_id)
}

fn base_of(status: &DumpStatus) -> Option<&DumpId> {
    record(status).difference_of.as_ref()
}

fn delete(bench: &Bench, dump_id: &DumpId) -> Result<Record, CatalogError> {
    let deletion = Deletion {
        dump_id: dump_id.clone(),
        deleted_at: bench.clock.now(),
        deleted_by: Actor::named("a test"),
    };
    bench.catalog().mark_deleted(&deletion)
}

#[test]
fn the_second_dump_stores_what_changed_and_is_the_guest_as_it_was() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let full = differ(&bench, &engine, Frozen);
    assert_eq!(base_of(&full), None, "there was nothing to compare with");
    for address in [1_500_000, 1_500_001, 2_000_000] {
        bench.hypervisor.change_byte("db-01", address);
    }
    let second = differ(&bench, &engine, Frozen);
    assert_eq!(base_of(&second), Some(&full.dump_id));
    assert!(exported(&second) == bench.hypervisor.image("db-01"));
    let bytes = |status: &DumpStatus| record(status).gzip_size_bytes.unwrap().0;
    assert!(bytes(&second) * 20 < bytes(&full), "{} of {}", bytes(&second), bytes(&full));
    let path = record(&second).dump_path.clone().unwrap();
    let mut report = memdeck_image::verify(Path::new(&path), &mut |_| {}).unwrap();
    memdeck_image::compare_with_record(&mut report, record(&second));
    assert_eq!((report.verdict, report.findings), (Verdict::Intact, vec![]));
}

#[test]
fn a_full_image_comes_in_between_and_no_difference_is_one_to_a_difference() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let dumps: Vec<DumpStatus> = (0..7).map(|_| differ(&bench, &engine, Frozen)).collect();
    // The engine of the tests stores one of three whole.
    let bases: Vec<Option<&DumpId>> = dumps.iter().map(base_of).collect();
    let full = |place: usize| Some(&dumps[place].dump_id);
    assert_eq!(bases, [None, full(0), full(0), None, full(3), full(3), None]);
}

#[test]
fn what_cannot_be_a_difference_is_stored_whole() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let full = differ(&bench, &engine, Frozen);
    let content = std::fs::read(record(&full).dump_path.as_ref().unwrap()).unwrap();
    std::fs::remove_file(record(&full).dump_path.as_ref().unwrap()).unwrap();
    let next = differ(&bench, &engine, Frozen);
    assert_eq!(
        (next.exact_state(), base_of(&next)),
        (JobState::Completed, None),
        "the file of that one is gone"
    );
    let another = differ(&bench, &engine, Live);
    assert_eq!(base_of(&another), Some(&next.dump_id), "here both modes lay memory out alike");
    // Nobody asked for one.
    drop(engine);
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(base_of(&dump(&bench, "db-01")), None);
    std::fs::write(record(&full).dump_path.as_ref().unwrap(), content).unwrap();
    assert!(exported(&full) == bench.hypervisor.image("db-01"));
}

#[test]
fn an_image_of_which_a_difference_was_found_damaged_is_no_base() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let full = differ(&bench, &engine, Frozen);
    let second = differ(&bench, &engine, Frozen);
    assert_eq!(base_of(&second), Some(&full.dump_id));
    let ended = Verification {
        state: VerificationState::Finished,
        finished_at: Some(bench.clock.now()),
        verdict: Some(Verdict::Damaged),
        ..Verification::none(second.dump_id.clone())
    };
    let object = AuditObject::dump(second.dump_id.clone());
    let entry = NewEntry::new(bench.clock.now(), Actor::Service, AuditAction::ImageVerified, object);
    bench.catalog().keep_verification(&ended, &entry).unwrap();
    assert_eq!(base_of(&differ(&bench, &engine, Frozen)), None);
}

#[test]
fn an_image_of_another_name_under_the_same_uuid_is_no_base() {
    let bench = Bench::with_guests(&["db-01", "web-01"]);
    let full = dump(&bench, "db-01");
    let uuid = record(&full).guest_uuid.clone().unwrap();
    let other = job_of_a_dead_process(&bench, "web-01");
    assert!(bench.catalog().choose_base(&other, &uuid, 2).unwrap().is_none());
}

#[test]
fn an_image_is_not_deleted_before_those_that_need_it() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let full = differ(&bench, &engine, Frozen);
    let dumps = [differ(&bench, &engine, Frozen), differ(&bench, &engine, Frozen)];
    let refused = delete(&bench, &full.dump_id).unwrap_err();
    let CatalogError::ImageNeeded { needed_by, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*needed_by, dumps.each_ref().map(|dump| dump.dump_id.clone()));
    assert!(refused.to_string().contains("which are stored as differences to it"), "{refused}");
    delete(&bench, &dumps[0].dump_id).unwrap();
    let refused = delete(&bench, &full.dump_id).unwrap_err().to_string();
    assert!(
        refused
            .contains(&format!("is needed by that of {}, which is stored as a difference", dumps[1].dump_id)),
        "{refused}"
    );
    delete(&bench, &dumps[1].dump_id).unwrap();
    assert!(delete(&bench, &full.dump_id).unwrap().deleted_at.is_some());
    assert_eq!(base_of(&differ(&bench, &engine, Frozen)), None, "what is deleted is no base");
}

#[test]
fn an_image_is_not_deleted_while_a_dump_is_compared_with_it() {
    let bench = Bench::with_guests(&["db-01"]);
    let full = dump(&bench, "db-01");
    let running = job_of_a_dead_process(&bench, "db-01");
    let catalog = bench.catalog();
    let uuid = record(&full).guest_uuid.clone().unwrap();
    let chosen = catalog.choose_base(&running, &uuid, 2).unwrap().unwrap();
    assert_eq!(chosen.dump_id.as_ref(), Some(&full.dump_id));
    let deletion = Deletion {
        dump_id: full.dump_id.clone(),
        deleted_at: bench.clock.now(),
        deleted_by: Actor::named("a test"),
    };
    let refused = catalog.mark_deleted(&deletion).unwrap_err();
    assert!(
        matches!(&refused, CatalogError::ImageNeeded { needed_by, .. } if *needed_by == [running]),
        "{refused}"
    );
    drop(catalog);
    // The next start ends what ran.
    drop(bench.engine(1));
    assert!(bench.catalog().mark_deleted(&deletion).is_ok());
}

#[test]
fn what_is_left_of_a_difference_that_was_cut_off_goes_and_the_full_image_stays() {
    let bench = Bench::with_guests(&["db-01"]);
    let full = dump(&bench, "db-01");
    let files = bench.files();
    let dump_id = job_of_a_dead_process(&bench, "db-01");
    let mut partial = bench.store().create(&record(&full).dom, &dump_id).unwrap();
    let path = record(&full).dump_path.clone().unwrap();
    let base = memdeck_image::BaseImage::open(Path::new(&path), record(&full)).unwrap();
    let image = memdeck_image::FrozenCapture::prepare(&bench.store()).unwrap();
    let image = image.receive(bench.hypervisor.image("db-01").as_slice(), &|| false, &mut |_| {}).unwrap();
    let captured = partial.capture_against(image, Some(base), &|| false, &mut |_| {}).unwrap();
    assert!(captured.difference.is_some());
    std::mem::forget(partial);
    assert!(bench.files().len() > files.len());
    drop(bench.engine(1));
    assert_eq!(bench.files(), files);
    assert!(exported(&full) == bench.hypervisor.image("db-01"));
}

#[test]
fn a_rebuilt_catalog_knows_what_needs_what() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let full = differ(&bench, &engine, Frozen);
    let second = differ(&bench, &engine, Frozen);
    let manifest = ManifestFile::read(
        &Path::new(record(&second).dump_path.as_ref().unwrap()).with_extension("").with_extension("json"),
    );
    assert_eq!(manifest.unwrap().manifest.difference.unwrap().base, full.dump_id);
    drop(engine);
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(bench.dir.path().join(name));
    }
    let catalog = bench.catalog();
    memdeck_engine::rebuild(&catalog, &bench.store(), bench.clock.now()).unwrap();
    let found = catalog.owned_record_of(&second.dump_id).unwrap().unwrap().record;
    assert_eq!(found.difference_of, Some(full.dump_id));
}
