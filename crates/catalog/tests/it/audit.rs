//! The audit as its callers see it, and as somebody who edits the database cannot.

use std::path::Path;

use memdeck_catalog::{AuditBeside, Catalog, CatalogError, asked_from};
use memdeck_model::audit::{
    AuditAction, AuditDetails, AuditEntry, AuditFilter, AuditHead, AuditObject, AuditQuery, AuditResult,
    NewEntry, Witness,
};
use memdeck_model::{Actor, Deletion, DumpId};
use rusqlite::Connection;

use crate::support::{TestCatalog, cancelled, id, new_job, second};

mod manipulations;

fn entries(catalog: &Catalog) -> Vec<AuditEntry> {
    catalog.audit_after(0, 10_000).unwrap()
}

fn words(catalog: &Catalog) -> Vec<(AuditAction, AuditResult)> {
    entries(catalog).iter().map(|entry| (entry.action, entry.result)).collect()
}

pub fn entry(n: i64) -> NewEntry {
    let object = AuditObject::dump(DumpId::from_uuid_bits(u128::from(n.unsigned_abs())));
    let actor = Actor::named(if n % 3 == 0 { "ada" } else { "bob" });
    NewEntry::new(second(n), actor, AuditAction::ImageDownloaded, object)
}

/// A command notes what it reads while the service writes.
#[test]
fn two_processes_write_one_chain() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let beside = AuditBeside::open(test.dir.path()).unwrap();
    assert!(beside.knows(&id("d1")).unwrap() && !beside.knows(&id("d2")).unwrap());
    let noted: Vec<u64> = std::thread::scope(|scope| {
        let command = scope.spawn(|| {
            let pair = |n| beside.note(&[entry(n), entry(n + 1)]).unwrap();
            (0..50).flat_map(pair).collect()
        });
        for n in 0..100 {
            test.catalog.note(&entry(n)).unwrap();
        }
        command.join().unwrap()
    });
    assert!(noted.chunks(2).all(|pair| pair[1] == pair[0] + 1), "a pair is noted together: {noted:?}");
    let report = test.catalog.verify_audit(Vec::new()).unwrap();
    assert!(report.intact, "{report:?}");
    let of_command = entries(&test.catalog).into_iter().filter(|entry| noted.contains(&entry.seq));
    assert_eq!(of_command.count(), 100);
    // What began beside it, the next start ends.
    beside.note(&[entry(1).with_result(AuditResult::Begun)]).unwrap();
    assert_eq!(test.catalog.note_start(&entry(2)).unwrap(), 1);
}

#[test]
fn no_catalog_is_made_or_changed_to_note_something_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(AuditBeside::open(dir.path()), Err(CatalogError::Open { .. })));
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    let test = TestCatalog::new();
    let database = Connection::open(test.dir.path().join("catalog.db")).unwrap();
    database.pragma_update(None, "user_version", 23).unwrap();
    assert!(matches!(AuditBeside::open(test.dir.path()), Err(CatalogError::Older { found: 23, .. })));
}

fn witness(head: AuditHead) -> Vec<Witness> {
    vec![Witness { dump_id: id("d9"), head }]
}

#[test]
fn changes_of_jobs_and_images_are_noted_with_them() {
    use AuditAction::{ChainBegun, DumpEnded, DumpRequested, ImageDeleted};
    let test = TestCatalog::new();
    let address = Some("198.51.100.7".to_owned());
    let (_, noted) = asked_from(address.clone(), || test.completed("d1", "web-01", 1));
    assert_eq!(noted, test.catalog.audit_head().unwrap());
    test.catalog.enqueue(new_job("d2", "db-01")).unwrap();
    test.catalog.enqueue(new_job("d3", "db-01")).unwrap();
    test.catalog.end_queued(&id("d2"), &cancelled("ada"), second(3)).unwrap();
    let deletion = Deletion { dump_id: id("d1"), deleted_at: second(4), deleted_by: Actor::named("ada") };
    for _ in 0..2 {
        test.catalog.mark_deleted(&deletion).unwrap();
    }
    let expected = [
        (ChainBegun, AuditResult::Succeeded),
        (DumpRequested, AuditResult::Succeeded),
        (DumpEnded, AuditResult::Succeeded),
        (DumpRequested, AuditResult::Succeeded),
        (DumpRequested, AuditResult::Unchanged),
        (DumpEnded, AuditResult::Cancelled),
        (ImageDeleted, AuditResult::Succeeded),
    ];
    assert_eq!(words(&test.catalog), expected);
    let noted = entries(&test.catalog);
    assert_eq!((&noted[1].address, &noted[3].address), (&address, &None));
    assert_eq!(noted[1].actor, Actor::named("operator"));
    assert_eq!((&noted[5].actor, &noted[6].actor), (&Actor::named("ada"), &Actor::named("ada")));
    assert_eq!(noted[2].object.guest(), Some("web-01"));
    // What is refused leaves no entry: the transaction was the same.
    assert!(test.catalog.end_queued(&id("d2"), &cancelled("ada"), second(5)).is_err());
    assert_eq!(entries(&test.catalog).len(), expected.len());
    assert!(test.catalog.verify_audit(Vec::new()).unwrap().intact);
}

#[test]
fn the_database_itself_refuses_to_change_or_delete_an_entry() {
    let test = TestCatalog::new();
    test.catalog.note(&entry(1)).unwrap();
    let raw = Connection::open(test.dir.path().join(Catalog::FILE_NAME)).unwrap();
    for statement in
        ["UPDATE audit SET actor = '{}'", "DELETE FROM audit", "REPLACE INTO audit SELECT * FROM audit"]
    {
        // With the setting under which REPLACE deletes by the trigger, too.
        raw.pragma_update(None, "recursive_triggers", true).unwrap();
        let refused = raw.execute(statement, []).unwrap_err();
        assert!(refused.to_string().contains("of the audit are never"), "{statement}: {refused}");
    }
    assert_eq!(entries(&test.catalog).len(), 2);
}

#[test]
fn a_start_notes_that_the_result_of_what_was_cut_off_is_not_known() {
    let test = TestCatalog::new();
    let begun = test.catalog.note(&entry(1).with_result(AuditResult::Begun)).unwrap();
    let ended = test.catalog.note(&entry(2).with_result(AuditResult::Begun)).unwrap();
    let details = AuditDetails { begun: Some(ended.seq), ..AuditDetails::default() };
    test.catalog.note(&entry(2).with(details)).unwrap();
    let test = test.reopen();
    let start = NewEntry::new(second(9), Actor::Service, AuditAction::ServiceStarted, AuditObject::Service);
    assert_eq!(test.catalog.note_start(&start).unwrap(), 1);
    assert_eq!(test.catalog.note_start(&start).unwrap(), 0);
    let noted = entries(&test.catalog);
    let [.., unknown, _, _] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((unknown.result, unknown.details.begun), (AuditResult::Unknown, Some(begun.seq)));
    assert_eq!(unknown.object, entry(1).object);
    assert!(test.catalog.verify_audit(Vec::new()).unwrap().intact);
}

#[test]
fn pages_are_what_the_filter_means_and_lead_to_all_of_it() {
    let test = TestCatalog::new();
    for n in 1..=200 {
        test.catalog.note(&entry(n)).unwrap();
    }
    let all = entries(&test.catalog);
    let filters = [
        AuditFilter::default(),
        AuditFilter { actor: Some("ADA".parse().unwrap()), ..AuditFilter::default() },
        AuditFilter { from: Some(second(20)), to: Some(second(60)), ..AuditFilter::default() },
        AuditFilter { action: Some(AuditAction::ChainBegun), ..AuditFilter::default() },
        AuditFilter { result: Some(AuditResult::Failed), ..AuditFilter::default() },
        AuditFilter { dump_id: Some(DumpId::from_uuid_bits(77)), ..AuditFilter::default() },
    ];
    for filter in filters {
        let mut expected: Vec<&AuditEntry> = all.iter().filter(|entry| filter.matches(entry)).collect();
        expected.reverse();
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page =
                test.catalog.audit_page(&AuditQuery { filter: filter.clone(), before, limit: 7 }).unwrap();
            assert_eq!(page.head, test.catalog.audit_head().unwrap());
            assert!(page.entries.len() <= 7);
            found.extend(page.entries);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

#[test]
fn after_a_restoration_another_chain_begins_and_the_check_says_how_many_rows_are_missing() {
    let test = TestCatalog::new();
    let at = |n| second(n);
    for n in 1..=10 {
        test.catalog.note(&entry(n)).unwrap();
    }
    let backup = Catalog::back_up(test.dir.path(), at(11)).unwrap().unwrap();
    for n in 12..=20 {
        test.catalog.note(&entry(n)).unwrap();
    }
    let lost = test.catalog.audit_head().unwrap().unwrap();
    let TestCatalog { dir, catalog } = test;
    drop(catalog);
    std::fs::write(dir.path().join(Catalog::FILE_NAME), "").unwrap();
    let (catalog, restoration) = Catalog::open_or_restore(dir.path(), at(30), || false).unwrap();
    assert_eq!(restoration.unwrap().backup, Some(backup));
    catalog.note(&entry(31)).unwrap();

    let report = catalog.verify_audit(witness(lost.clone())).unwrap();
    assert!(report.intact, "{report:?}");
    let [restored] = report.restored.as_slice() else { panic!("{report:?}") };
    assert_eq!((restored.at, restored.missing), (at(30), 9));
    // Linked to what the backup had: row 11 is the last one of it.
    let rows = entries(&catalog);
    assert_eq!((rows[11].action, rows[11].previous), (AuditAction::ChainBegun, rows[10].hash));
    // The numbers that were given twice are not taken for each other.
    let now = catalog.audit_head().unwrap().unwrap();
    assert!(now.seq < lost.seq && now.chain != lost.chain);

    // Nothing was left at all.
    let new = tempfile::tempdir().unwrap();
    std::fs::write(new.path().join(Catalog::FILE_NAME), "").unwrap();
    let (catalog, _) = Catalog::open_or_restore(new.path(), at(40), || true).unwrap();
    let report = catalog.verify_audit(witness(lost.clone())).unwrap();
    assert_eq!((report.intact, report.restored[0].missing), (true, lost.seq));
}

/// A copy of a catalog that nobody has open.
fn copied(from: &Path, to: &Path) {
    std::fs::copy(from.join(Catalog::FILE_NAME), to.join(Catalog::FILE_NAME)).unwrap();
}
