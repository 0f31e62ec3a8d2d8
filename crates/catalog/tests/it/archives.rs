//! Records that leave the catalog for an archive, and do not come back.

use memdeck_catalog::{Adopted, ArchiveCandidate, CatalogError, ForeignImported, Intent};
use memdeck_model::archive::{Archive, ArchiveChoice, ArchiveFile, StayReason};
use memdeck_model::audit::{AuditAction, AuditObject, NewEntry};
use memdeck_model::retention::{HoldOf, NewHold};
use memdeck_model::{
    Actor, ByteCount, Deletion, ForeignRow, GuestName, Record, RecordQuery, Verdict, Verification,
    VerificationState,
};
use rusqlite::Connection;

use crate::support::*;

const ORIGIN: &str = "rows of InfluxDB at http://db:8086, database vmstats";

fn everything() -> ArchiveChoice {
    ArchiveChoice { before: Some(second(1_000_000)), ..ArchiveChoice::default() }
}

/// The image of that dump is deleted, and its files are gone.
fn deleted(test: &TestCatalog, dump_id: &str) {
    let deletion = Deletion { dump_id: id(dump_id), deleted_at: second(50), deleted_by: Actor::named("ada") };
    test.catalog.mark_deleted(&deletion).unwrap();
    test.catalog.settle_deletion(&id(dump_id)).unwrap();
}

fn candidates(test: &TestCatalog, choice: &ArchiveChoice) -> Vec<ArchiveCandidate> {
    test.catalog.archive_candidates(choice, false, None, 100).unwrap().0
}

fn reasons(test: &TestCatalog, waits: bool) -> Vec<(String, Option<StayReason>)> {
    let found = test.catalog.archive_candidates(&everything(), waits, None, 100).unwrap().0;
    let told = |candidate: ArchiveCandidate| (candidate.record.dom.0, candidate.stays);
    found.into_iter().map(told).collect()
}

fn archive(name: &str) -> Archive {
    let file = |suffix: &str| ArchiveFile {
        name: format!("{name}{suffix}"),
        size_bytes: ByteCount(7),
        sha256: "ab".repeat(32),
    };
    Archive {
        archive_format: Archive::FORMAT,
        name: name.to_owned(),
        made_at: second(60),
        made_by: Actor::named("ada"),
        memdeck_version: "1.0.0".to_owned(),
        choice: everything(),
        records: 1,
        first: second(0),
        last: second(1),
        jsonl: file(".jsonl"),
        csv: file(".csv"),
        signed_by: "0123456789abcdef".parse().unwrap(),
    }
}

fn entry() -> NewEntry {
    let object = AuditObject::File { name: "records-1".to_owned() };
    NewEntry::new(second(60), Actor::named("ada"), AuditAction::RecordsArchived, object)
}

/// Archives whatever may go of that choice; what it was.
fn pruned(test: &TestCatalog, choice: &ArchiveChoice) -> Vec<Record> {
    let going: Vec<_> =
        candidates(test, choice).into_iter().filter(|candidate| candidate.stays.is_none()).collect();
    let name = format!("records-{}", test.catalog.archives().unwrap().len());
    test.catalog.prune(&archive(&name), &going, false, &entry()).unwrap();
    going.into_iter().map(|candidate| candidate.record).collect()
}

fn listed(test: &TestCatalog) -> Vec<Record> {
    test.catalog.records(&RecordQuery::newest(100, 0)).unwrap().records
}

#[test]
fn what_is_still_needed_stays_with_the_reason() {
    let test = TestCatalog::new();
    for (number, guest) in ["kept", "deleted", "dying", "held", "in-care", "altered"].into_iter().enumerate()
    {
        let (dump_id, at) = (format!("d{number}"), i64::try_from(number).unwrap());
        if guest == "in-care" {
            test.ask(&dump_id, guest);
            test.catalog.start_next(u32::MAX, second(at)).unwrap().unwrap();
            let intent = Intent {
                dump_id: id(&dump_id),
                guest_uuid: "uuid".to_owned(),
                was_running: true,
                max_downtime: None,
                owns_unexplained_pause: false,
            };
            test.catalog.intend(&intent).unwrap();
            test.catalog
                .complete(&id(&dump_id), second(at + 1), "Dump completed", &record(&dump_id, guest, at))
                .unwrap();
        } else {
            test.completed(&dump_id, guest, at);
        }
        if guest != "kept" {
            deleted(&test, &dump_id);
        }
    }
    let database = Connection::open(test.dir.path().join("catalog.db")).unwrap();
    database
        .execute_batch(
            "UPDATE deletions SET files_gone = 0 WHERE record_seq = (SELECT seq FROM records WHERE dump_id = 'd2');
             UPDATE records SET note = 'another' WHERE dump_id = 'd5'",
        )
        .unwrap();
    let of = HoldOf::Dump(id("d3"));
    let hold = NewHold { of, reason: "a court wants it".parse().unwrap() };
    test.catalog.add_hold(&hold, &Actor::named("ada"), second(55)).unwrap();
    let expected = [
        ("kept", Some(StayReason::ImageKept)),
        ("deleted", None),
        ("dying", Some(StayReason::BeingDeleted)),
        ("held", Some(StayReason::Held)),
        ("in-care", Some(StayReason::GuestInCare)),
        ("altered", Some(StayReason::Altered)),
    ]
    .map(|(guest, reason)| (guest.to_owned(), reason));
    assert_eq!(reasons(&test, false), expected);
    // Where there is a store of points, it has each first.
    assert_eq!(reasons(&test, true)[1].1, Some(StayReason::PointWaits));
    while let Some(waiting) = test.catalog.outbox_next(1).unwrap().pop() {
        test.catalog.outbox_acknowledge(waiting.id).unwrap();
    }
    assert_eq!(reasons(&test, true), expected);
}

#[test]
fn a_choice_means_guest_time_and_deletion_and_is_read_page_by_page() {
    let test = TestCatalog::new();
    for number in 0..7 {
        let dump_id = format!("d{number}");
        test.completed(&dump_id, if number % 2 == 0 { "web-01" } else { "db-01" }, number);
        if number < 5 {
            deleted(&test, &dump_id);
        }
    }
    let of = |choice: ArchiveChoice| -> Vec<String> {
        let mut found = Vec::new();
        let mut place = None;
        loop {
            let (page, next) = test.catalog.archive_candidates(&choice, false, place, 2).unwrap();
            found.extend(page.into_iter().map(|found| found.record.dump_id.unwrap().to_string()));
            place = next;
            if place.is_none() {
                return found;
            }
        }
    };
    let none = ArchiveChoice::default;
    let guest = Some(GuestName("web-01".to_owned()));
    assert_eq!(of(everything()), ["d0", "d1", "d2", "d3", "d4", "d5", "d6"]);
    assert_eq!(of(ArchiveChoice { before: Some(second(2)), ..none() }), ["d0", "d1"]);
    assert_eq!(of(ArchiveChoice { guest: guest.clone(), ..none() }), ["d0", "d2", "d4", "d6"]);
    assert_eq!(of(ArchiveChoice { deleted: true, guest, before: Some(second(4)) }), ["d0", "d2"]);
}

#[test]
fn an_archived_record_is_gone_with_its_job_and_the_archive_is_listed_and_noted() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let kept = test.completed("d2", "web-01", 10);
    let verified = Verification {
        state: VerificationState::Finished,
        verdict: Some(Verdict::Intact),
        finished_at: Some(second(20)),
        ..Verification::none(id("d1"))
    };
    test.catalog.keep_verification(&verified, &entry()).unwrap();
    deleted(&test, "d1");
    let gone = pruned(&test, &everything());
    assert_eq!(gone.len(), 1);
    let test = test.reopen();
    assert_eq!(listed(&test), [kept]);
    assert_eq!(test.catalog.archive_of(&id("d1")).unwrap().as_deref(), Some("records-0"));
    assert_eq!(test.catalog.archive_of(&id("d2")).unwrap(), None);
    assert!(test.catalog.is_pruned(&id("d1")).unwrap() && !test.catalog.is_pruned(&id("d2")).unwrap());
    assert_eq!(test.catalog.job(&id("d1")).unwrap(), None);
    assert_eq!(test.catalog.verification_of(&id("d1")).unwrap(), None);
    assert_eq!(test.catalog.outbox_len().unwrap(), 1);
    assert_eq!(test.catalog.archives().unwrap(), [archive("records-0")]);
    assert_eq!(test.catalog.audit_after(0, 100).unwrap().pop().unwrap().action, AuditAction::RecordsArchived);
    assert_eq!(test.catalog.altered_records().unwrap(), []);
    // Numbers are not given twice: another memdeck that follows would miss what has one.
    test.completed("d3", "web-01", 30);
    let seqs: Vec<u64> = test.catalog.records_since(0, 10).unwrap().into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(seqs, [2, 3]);
}

#[test]
fn another_memdeck_learns_of_the_deletion_of_an_archived_dump() {
    let test = TestCatalog::new();
    for number in 1..=3 {
        test.completed(&format!("d{number}"), "web-01", number);
        deleted(&test, &format!("d{number}"));
    }
    let before = test.catalog.deletions_since(0, 10).unwrap();
    let choice = ArchiveChoice { before: Some(second(3)), ..ArchiveChoice::default() };
    assert_eq!(pruned(&test, &choice).len(), 2);
    assert_eq!(test.catalog.deletions_since(0, 10).unwrap(), before);
    assert_eq!(test.catalog.deletions_since(before[0].0, 1).unwrap(), before[1..2]);
}

#[test]
fn a_record_that_changes_meanwhile_keeps_all_of_them() {
    let test = TestCatalog::new();
    for number in 1..=2 {
        test.completed(&format!("d{number}"), "web-01", number);
        deleted(&test, &format!("d{number}"));
    }
    let going = candidates(&test, &everything());
    let of = HoldOf::Dump(id("d2"));
    let hold = NewHold { of, reason: "a court wants it".parse().unwrap() };
    let hold = test.catalog.add_hold(&hold, &Actor::named("ada"), second(55)).unwrap();
    let refused = test.catalog.prune(&archive("records-0"), &going, false, &entry()).unwrap_err();
    assert!(matches!(refused, CatalogError::ArchivedRecordChanged { dump } if dump == "d2"));
    test.catalog.lift_hold(hold.id, &"over".parse().unwrap(), &Actor::named("ada"), second(56)).unwrap();
    let altered: Vec<_> = going
        .iter()
        .cloned()
        .map(|candidate| ArchiveCandidate { digest: "of another row".to_owned(), ..candidate })
        .collect();
    assert!(test.catalog.prune(&archive("records-0"), &altered, false, &entry()).is_err());
    assert_eq!(listed(&test).len(), 2);
    assert_eq!(test.catalog.archives().unwrap(), []);
    assert!(!test.catalog.is_pruned(&id("d1")).unwrap());
    test.catalog.prune(&archive("records-0"), &going, false, &entry()).unwrap();
    assert_eq!(listed(&test), []);
}

#[test]
fn an_archived_dump_comes_back_from_nowhere() {
    let test = TestCatalog::new();
    let own = test.completed("d1", "web-01", 1);
    deleted(&test, "d1");
    let of_agent = Record {
        deleted_at: Some(second(40)),
        deleted_by: Some(Actor::named("bob")),
        ..record("d2", "db-01", 2)
    };
    let of_older = sparse_record("mail", 3);
    let row = Record {
        foreign: Some(ForeignRow::Whole),
        ..Record::unknown(GuestName("old-01".to_owned()), "7".to_owned(), second(4))
    };
    let told = [(1, of_agent.clone()), (2, of_older.clone())];
    test.catalog.import("http://hv2:5001", &told).unwrap();
    test.catalog.import_foreign(ORIGIN, std::slice::from_ref(&row), 0).unwrap();
    assert_eq!(pruned(&test, &everything()).len(), 4);
    assert_eq!(listed(&test), []);

    let test = test.reopen();
    assert_eq!(
        test.catalog.import("http://hv2:5001#anew", &told).unwrap(),
        [],
        "an agent is read from the start"
    );
    let guest = guest("web-01", 7);
    let by = Actor::named("ada");
    let adopted = Adopted {
        record: &own,
        guest: &guest,
        requested_by: &by,
        finished_at: second(2),
        message: "made anew",
    };
    assert!(!test.catalog.adopt(&adopted).unwrap(), "its manifest is still there");
    // What the store gives back: our own rows have no dump id there.
    let back = |record: &Record| Record {
        sha256: record.sha256.clone(),
        dump_path: record.dump_path.clone(),
        host: record.host.clone(),
        foreign: Some(ForeignRow::Whole),
        ..Record::unknown(record.dom.clone(), record.vmid.clone(), record.timestamp)
    };
    let rows = [back(&own), back(&of_agent), back(&of_older), row.clone()];
    let nothing = ForeignImported::default();
    assert_eq!(test.catalog.import_foreign(ORIGIN, &rows, 0).unwrap(), nothing);
    assert_eq!(listed(&test), []);
    // Others of the same moment are other dumps.
    let other = Record { host: Some("hv9".to_owned()), ..row };
    let more = ForeignImported { added: 1, ..nothing };
    assert_eq!(test.catalog.import_foreign(ORIGIN, &[other], 0).unwrap(), more);
}
