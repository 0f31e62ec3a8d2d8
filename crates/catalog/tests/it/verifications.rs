//! How verifications of images ended, and which image is to be verified next.

use std::time::Duration;

use memdeck_catalog::VerificationFigures;
use memdeck_model::audit::{AuditAction, AuditObject, NewEntry};
use memdeck_model::{Actor, Deletion, Timestamp, Verdict, Verification, VerificationState};

use crate::support::*;

fn ended(dump_id: &str, at: i64, verdict: Option<Verdict>) -> Verification {
    Verification {
        state: if verdict.is_some() { VerificationState::Finished } else { VerificationState::Failed },
        requested_by: Some(Actor::Service),
        finished_at: Some(second(at)),
        verdict,
        findings: vec!["frame 7 is damaged".into()],
        ..Verification::none(id(dump_id))
    }
}

fn keep(test: &TestCatalog, ended: &Verification) {
    let object = AuditObject::dump(ended.dump_id.clone());
    let entry = NewEntry::new(second(0), Actor::Service, AuditAction::ImageVerified, object);
    test.catalog.keep_verification(ended, &entry).unwrap();
}

fn delete(test: &TestCatalog, dump_id: &str) {
    let deleted_by = Actor::named("operator");
    let deletion = Deletion { dump_id: id(dump_id), deleted_at: second(900), deleted_by };
    test.catalog.mark_deleted(&deletion).unwrap();
}

/// The image that is next, and since when it was not verified.
fn next(test: &TestCatalog, now: i64, sooner: u64) -> Option<(String, Timestamp)> {
    let found = test.catalog.longest_unverified(second(now), Duration::from_secs(sooner)).unwrap();
    found.map(|found| (found.record.dump_id.unwrap().to_string(), found.since))
}

#[test]
fn the_image_that_was_not_verified_for_longest_is_next() {
    let test = TestCatalog::new();
    assert_eq!(next(&test, 100, 0), None);
    test.completed("d1", "web-01", 1);
    test.completed("d2", "db-01", 10);
    test.completed("d3", "web-01", 20);
    test.catalog.import("http://hv2:5001", &[(1, record("far", "web-01", 0))]).unwrap();
    assert_eq!(next(&test, 100, 0), Some(("d1".into(), second(1))), "that of another host is verified there");
    keep(&test, &ended("d1", 30, Some(Verdict::Intact)));
    assert_eq!(next(&test, 100, 0), Some(("d2".into(), second(10))));
    keep(&test, &ended("d2", 31, None));
    keep(&test, &ended("d3", 32, Some(Verdict::Damaged)));
    assert_eq!(next(&test, 100, 0), Some(("d1".into(), second(30))));
    assert_eq!(next(&test, 100, 20), Some(("d2".into(), second(11))), "it could not be read");
    let test = test.reopen();
    delete(&test, "d1");
    assert_eq!(next(&test, 100, 0), Some(("d2".into(), second(31))));
    keep(&test, &ended("d3", 500, Some(Verdict::Intact)));
    assert_eq!(
        next(&test, 100, 0),
        Some(("d3".into(), second(20))),
        "what a wrong clock noted does not count"
    );
}

#[test]
fn the_end_of_the_newest_is_kept_with_its_audit_and_survives() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    assert_eq!(test.catalog.verification_of(&id("d1")).unwrap(), None);
    keep(&test, &ended("d1", 30, Some(Verdict::Damaged)));
    let last = ended("d1", 40, Some(Verdict::Intact));
    keep(&test, &last);
    let test = test.reopen();
    assert_eq!(test.catalog.verification_of(&id("d1")).unwrap(), Some(last.clone()));
    assert_eq!(test.catalog.verifications_since(1, 10).unwrap(), [(2, last)], "a later one has a new number");
    let noted = test.catalog.audit_after(0, 100).unwrap();
    assert_eq!(noted.iter().filter(|entry| entry.action == AuditAction::ImageVerified).count(), 2);
}

#[test]
fn damaged_images_are_told_until_they_are_deleted_or_found_sound() {
    let test = TestCatalog::new();
    for (dump_id, at) in [("d1", 1), ("d2", 2), ("d3", 3), ("d4", 4)] {
        test.completed(dump_id, "web-01", at);
    }
    keep(&test, &ended("d1", 30, Some(Verdict::Damaged)));
    keep(&test, &ended("d2", 31, None));
    keep(&test, &ended("d3", 32, Some(Verdict::Intact)));
    let bad = || -> Vec<String> {
        let bad = test.catalog.bad_verifications(10).unwrap();
        bad.into_iter().map(|bad| format!("{} of {}", bad.verification.dump_id, bad.guest)).collect()
    };
    assert_eq!(bad(), ["d2 of web-01", "d1 of web-01"]);
    let figures = VerificationFigures { never: 1, bad: 2, oldest: Some(second(4)) };
    assert_eq!(test.catalog.verification_figures().unwrap(), figures);
    let sound = || -> Vec<Option<bool>> {
        test.catalog.images_to_decide().unwrap().into_iter().map(|image| image.is_sound).collect()
    };
    assert_eq!(sound(), [None, Some(true), None, Some(false)], "d4, d3, d2, d1");
    delete(&test, "d1");
    keep(&test, &ended("d2", 40, Some(Verdict::Intact)));
    assert!(bad().is_empty());
    delete(&test, "d4");
    let figures = VerificationFigures { never: 0, bad: 0, oldest: Some(second(32)) };
    assert_eq!(test.catalog.verification_figures().unwrap(), figures);
}

#[test]
fn a_service_tells_of_its_own_images_only_and_each_end_once() {
    let test = TestCatalog::new();
    test.completed("own", "a", 1);
    let catalog = &test.catalog;
    catalog.import("http://hv2:5001#c1", &[(1, record("theirs", "a", 2))]).unwrap();
    catalog.import("http://hv3:5001#c1", &[(1, record("another", "a", 3))]).unwrap();
    let all: Vec<_> = (1..)
        .zip(["own", "theirs", "another", "unknown"])
        .map(|(seq, dump_id)| (seq, ended(dump_id, 50, Some(Verdict::Damaged))))
        .collect();
    let import = || -> Vec<String> {
        let news = catalog.import_verifications("http://hv2:5001", "verifications", &all).unwrap();
        news.into_iter().map(|told| told.dump_id.to_string()).collect()
    };
    assert_eq!(import(), ["theirs"]);
    assert!(import().is_empty(), "it is known");
    assert_eq!(catalog.cursor("verifications").unwrap(), 4);
    assert_eq!(catalog.verifications_since(0, 10).unwrap(), [], "what was imported is told by its owner");
    let running = Verification { state: VerificationState::Running, ..ended("theirs", 60, None) };
    assert_eq!(
        catalog.import_verifications("http://hv2:5001", "verifications", &[(9, running)]).unwrap(),
        []
    );
}
