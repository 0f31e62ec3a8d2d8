//! Deleted images: the record stays, and the deletion survives a crash and reaches who copies the records.

use memdeck_catalog::CatalogError;
use memdeck_model::{Actor, Deletion, Record};

use crate::support::*;

fn deletion(dump_id: &str, at: i64) -> Deletion {
    Deletion { dump_id: id(dump_id), deleted_at: second(at), deleted_by: Actor::named("operator") }
}

fn marked(record: &Record, deletion: &Deletion) -> Record {
    Record {
        deleted_at: Some(deletion.deleted_at),
        deleted_by: Some(deletion.deleted_by.clone()),
        ..record.clone()
    }
}

#[test]
fn the_record_of_a_deleted_image_stays_and_says_who_and_when() {
    let test = TestCatalog::new();
    let record = test.completed("d1", "web-01", 1);
    let before = test.catalog.stats().unwrap();
    let asked = deletion("d1", 50);
    let deleted = test.catalog.mark_deleted(&asked).unwrap();
    assert_eq!(deleted, marked(&record, &asked));
    assert_eq!(test.catalog.record_of(&id("d1")).unwrap(), Some(deleted.clone()));
    assert_eq!(test.catalog.outbox_next(1).unwrap()[0].record, deleted, "its point is still owed");
    let after = test.catalog.stats().unwrap();
    assert_eq!((after.total_dumps, after.total_size_bytes.0), (before.total_dumps, 0));

    let again = test.catalog.mark_deleted(&deletion("d1", 99)).unwrap();
    assert_eq!(again.deleted_at, Some(second(50)), "who came second deleted nothing");
}

#[test]
fn a_deletion_is_unsettled_until_the_files_are_gone() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    test.completed("d2", "web-01", 10);
    test.catalog.mark_deleted(&deletion("d1", 50)).unwrap();
    test.catalog.mark_deleted(&deletion("d2", 51)).unwrap();
    test.catalog.settle_deletion(&id("d2")).unwrap();
    let test = test.reopen();
    let names = |records: Vec<Record>| {
        records.into_iter().map(|record| record.dump_id.unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(test.catalog.unsettled_deletions().unwrap()), ["d1"]);
    test.catalog.settle_deletion(&id("d1")).unwrap();
    assert!(test.catalog.unsettled_deletions().unwrap().is_empty());
}

#[test]
fn only_own_images_can_be_deleted_here() {
    let test = TestCatalog::new();
    test.catalog.import("http://hv2:5001", &[(1, record("d1", "a", 1))]).unwrap();
    for dump_id in ["d1", "d2"] {
        let refused = test.catalog.mark_deleted(&deletion(dump_id, 5)).unwrap_err();
        assert!(matches!(refused, CatalogError::UnknownDump(_)), "{refused}");
    }
    let whose = |dump_id| test.catalog.owned_record_of(&id(dump_id)).unwrap();
    assert_eq!(whose("d1").unwrap().origin.as_deref(), Some("http://hv2:5001"));
    assert_eq!(whose("d2"), None);
    test.completed("d3", "b", 1);
    assert_eq!(whose("d3").unwrap().origin, None);
}

#[test]
fn deletions_are_told_in_order_and_taken_over_once() {
    let owner = TestCatalog::new();
    let copy = TestCatalog::new();
    let origin = "http://hv2:5001#c1";
    for (n, dump_id) in (0..).zip(["d1", "d2", "d3"]) {
        owner.completed(dump_id, "a", n);
    }
    owner.catalog.mark_deleted(&deletion("d2", 50)).unwrap();
    copy.catalog.import(origin, &owner.catalog.records_since(0, 2).unwrap()).unwrap();
    assert_eq!(copy.catalog.record_of(&id("d2")).unwrap().unwrap().deleted_at, Some(second(50)));

    owner.catalog.mark_deleted(&deletion("d1", 60)).unwrap();
    owner.catalog.mark_deleted(&deletion("d3", 70)).unwrap();
    let told = owner.catalog.deletions_since(0, 10).unwrap();
    let order: Vec<_> = told.iter().map(|(seq, deletion)| (*seq, deletion.dump_id.as_str())).collect();
    assert_eq!(order, [(1, "d2"), (2, "d1"), (3, "d3")]);
    assert_eq!(owner.catalog.deletions_since(1, 1).unwrap(), told[1..2]);
    assert_eq!(owner.catalog.deletions_since(u64::MAX, 1).unwrap(), []);

    let changed = copy.catalog.import_deletions("http://hv2:5001", "deletions", &told).unwrap();
    assert_eq!(changed.len(), 1, "d2 was known to be deleted, d3 is not known at all: {changed:?}");
    assert_eq!(changed[0], owner.catalog.record_of(&id("d1")).unwrap().unwrap());
    assert_eq!(copy.catalog.import_deletions("http://hv2:5001", "deletions", &told).unwrap(), []);
    assert_eq!((copy.catalog.cursor("deletions").unwrap(), copy.catalog.cursor(origin).unwrap()), (3, 2));
    let rest = owner.catalog.records_since(2, 10).unwrap();
    assert_eq!(copy.catalog.import(origin, &rest).unwrap()[0].deleted_at, Some(second(70)));
}

#[test]
fn a_service_cannot_mark_images_of_others_as_deleted() {
    let test = TestCatalog::new();
    test.completed("own", "a", 1);
    let catalog = &test.catalog;
    catalog.import("http://hv2:5001#c1", &[(1, record("theirs", "a", 2))]).unwrap();
    catalog.import("http://hv3:5001#c1", &[(1, record("another", "a", 3))]).unwrap();
    catalog.import("http://hv2:50011#c1", &[(1, record("alike", "a", 4))]).unwrap();
    catalog.import("http://hv2:5001", &[(0, record("unnumbered", "a", 5))]).unwrap();
    let all: Vec<_> = (1..).zip(["own", "theirs", "another", "alike", "unnumbered"]).collect();
    let told: Vec<_> = all.iter().map(|(seq, dump_id)| (*seq, deletion(dump_id, 50))).collect();
    let changed = catalog.import_deletions("http://hv2:5001", "deletions", &told).unwrap();
    let changed: Vec<_> = changed.iter().map(|record| record.dump_id.as_ref().unwrap().as_str()).collect();
    assert_eq!(changed, ["theirs", "unnumbered"]);
    for dump_id in ["own", "another", "alike"] {
        assert_eq!(catalog.record_of(&id(dump_id)).unwrap().unwrap().deleted_at, None, "{dump_id}");
    }
}
