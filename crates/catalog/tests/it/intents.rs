//! Which guests a dump may have left paused.

use std::fs;

use memdeck_catalog::{Catalog, CatalogError, Intent};
use memdeck_model::{EndReason, JobState, Millis};

use crate::support::*;

fn intent(dump_id: &str, guest_uuid: &str, was_running: bool) -> Intent {
    Intent {
        dump_id: id(dump_id),
        guest_uuid: guest_uuid.to_owned(),
        was_running,
        max_downtime: None,
        owns_unexplained_pause: false,
    }
}

/// A catalog with these dumps running, each of a guest of its own.
fn running(dump_ids: &[&str]) -> TestCatalog {
    let test = TestCatalog::new();
    for dump_id in dump_ids {
        test.ask(dump_id, &format!("guest-of-{dump_id}"));
        test.catalog.start_next(u32::MAX, second(1)).unwrap().unwrap();
    }
    test
}

#[test]
fn an_intent_is_there_until_it_is_settled() {
    let test = running(&["d1", "d2"]);
    assert_eq!(test.catalog.intents().unwrap(), []);
    test.catalog.intend(&intent("d2", "uuid-b", false)).unwrap();
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    assert_eq!(
        test.catalog.intents().unwrap(),
        [intent("d2", "uuid-b", false), intent("d1", "uuid-a", true)],
        "oldest first"
    );

    test.catalog.settle(&id("d2")).unwrap();
    test.catalog.settle(&id("d2")).unwrap();
    test.catalog.settle(&id("nobody")).unwrap();
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);
}

#[test]
fn what_a_dump_changes_of_its_guest_is_noted_as_it_was_before() {
    let test = running(&["d1"]);
    let before = Intent { max_downtime: Some(Millis(300)), ..intent("d1", "uuid-a", true) };
    test.catalog.intend(&before).unwrap();
    // The same dump goes on in another mode, which changes nothing more.
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    assert_eq!(test.reopen().catalog.intents().unwrap(), [before]);
}

#[test]
fn an_intent_is_on_disk_when_the_call_returns() {
    let test = running(&["d1"]);
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    // As a power failure leaves it: the write-ahead log not merged, nothing closed.
    let copy = tempfile::tempdir().unwrap();
    for file in ["catalog.db", "catalog.db-wal"] {
        fs::copy(test.dir.path().join(file), copy.path().join(file)).unwrap();
    }
    assert_eq!(Catalog::open(copy.path()).unwrap().intents().unwrap(), [intent("d1", "uuid-a", true)]);
}

#[test]
fn an_intent_survives_a_crash_and_the_recovery_of_its_job() {
    let test = running(&["d1"]);
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();

    let test = test.reopen();
    assert_eq!(ids(&test.catalog.recover(second(5), &EndReason::LostInRestart).unwrap()), ["d1"]);
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);

    // It may be a later start still that reaches the guest.
    let test = test.reopen();
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);
    test.catalog.settle(&id("d1")).unwrap();
    assert_eq!(test.reopen().catalog.intents().unwrap(), []);
}

#[test]
fn the_end_of_a_dump_does_not_settle_its_intent() {
    let test = running(&["d1", "d2", "d3"]);
    for dump_id in ["d1", "d2", "d3"] {
        test.catalog.intend(&intent(dump_id, &format!("uuid-of-{dump_id}"), true)).unwrap();
    }
    test.catalog.complete(&id("d1"), second(2), "done", &record("d1", "a", 1)).unwrap();
    test.catalog.end(&id("d2"), &failed("libvirt went away"), second(2)).unwrap();
    test.catalog.end(&id("d3"), &cancelled("operator"), second(2)).unwrap();
    let left: Vec<_> =
        test.catalog.intents().unwrap().into_iter().map(|intent| intent.dump_id.to_string()).collect();
    assert_eq!(left, ["d1", "d2", "d3"]);
}

#[test]
fn what_was_noted_before_the_guest_was_touched_is_not_overwritten_by_what_the_dump_did_to_it() {
    let test = running(&["d1"]);
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    // The same dump goes on in another mode while its guest is paused still.
    test.catalog.intend(&intent("d1", "uuid-a", false)).unwrap();
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);

    test.catalog.settle(&id("d1")).unwrap();
    test.catalog.intend(&intent("d1", "uuid-a", false)).unwrap();
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", false)], "settled is over");
}

#[test]
fn a_guest_that_one_dump_left_behind_can_be_touched_by_the_next() {
    let test = running(&["d1", "d2"]);
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    test.catalog.end(&id("d1"), &failed("libvirt went away"), second(2)).unwrap();
    test.catalog.intend(&intent("d2", "uuid-a", false)).unwrap();
    assert_eq!(
        test.catalog.intents().unwrap(),
        [intent("d1", "uuid-a", true), intent("d2", "uuid-a", false)]
    );
    test.catalog.settle(&id("d2")).unwrap();
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);
}

#[test]
fn only_an_active_dump_touches_a_guest_and_only_one_guest() {
    let test = running(&["d1", "d2"]);
    test.catalog.intend(&intent("d1", "uuid-a", true)).unwrap();
    let other = test.catalog.intend(&intent("d1", "uuid-b", true)).unwrap_err();
    assert_eq!(
        other.to_string(),
        "the dump d1 is about to touch the guest uuid-a already and cannot touch another"
    );
    test.catalog.end(&id("d2"), &cancelled("operator"), second(2)).unwrap();
    let ended = test.catalog.intend(&intent("d2", "uuid-b", true)).unwrap_err();
    assert!(matches!(ended, CatalogError::AlreadyFinal { state: JobState::Cancelled, .. }));
    let unknown = test.catalog.intend(&intent("nobody", "uuid-b", true)).unwrap_err();
    assert!(matches!(unknown, CatalogError::UnknownDump(_)));
    assert_eq!(test.catalog.intents().unwrap(), [intent("d1", "uuid-a", true)]);
}
