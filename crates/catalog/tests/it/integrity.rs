//! What something else changed in the database is found, and nothing else is.

use std::fs;

use memdeck_catalog::Catalog;
use memdeck_model::{Actor, Deletion, Record, RecordQuery};
use rusqlite::Connection;

use crate::support::*;

fn altered(catalog: &Catalog) -> Vec<String> {
    let page = catalog.records(&RecordQuery::newest(1000, 0)).unwrap();
    let altered = page.records.into_iter().filter(|record| record.altered);
    altered.map(|record| record.dump_id.unwrap().to_string()).collect()
}

/// Runs SQL on the file as another program would.
fn meddle(test: &TestCatalog, sql: &str) {
    Connection::open(test.dir.path().join(Catalog::FILE_NAME)).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn what_is_asked_again_is_as_new_as_the_catalog_whoever_wrote_to_it() {
    let test = TestCatalog::new();
    let told = || {
        let page = test.catalog.records(&RecordQuery::newest(10, 0)).unwrap();
        let named = test.catalog.newest_by_name(second(0)).unwrap();
        let doms: Vec<_> = page.records.into_iter().map(|record| record.dom.0).collect();
        (doms.join(" "), test.catalog.stats().unwrap().total_dumps, named.contains_key("web-01"))
    };
    assert_eq!(told(), (String::new(), 0, false));
    for (at, (dump_id, vm)) in (0..).zip([("d1", "web-01"), ("d2", "db-01")]) {
        test.completed(dump_id, vm, at);
        let before = told();
        assert_eq!(told(), before, "nothing was written");
    }
    assert_eq!(told(), ("db-01 web-01".to_owned(), 2, true));
    meddle(&test, "UPDATE records SET dom = 'db-02' WHERE dump_id = 'd2'");
    assert_eq!(told(), ("db-02 web-01".to_owned(), 2, true), "another program wrote");
    meddle(&test, "PRAGMA foreign_keys = OFF; DELETE FROM asked; DELETE FROM jobs");
    assert_eq!(told(), ("db-02 web-01".to_owned(), 2, false), "another program wrote to the table of jobs");
}

#[test]
fn a_row_that_another_program_changed_is_found_wherever_it_is_read() {
    let test = TestCatalog::new();
    for (at, dump_id) in (0..).zip(["d1", "d2", "d3", "d4", "d5", "d6"]) {
        test.completed(dump_id, "web-01", at);
    }
    assert_eq!(test.catalog.altered_records().unwrap(), []);
    meddle(
        &test,
        "PRAGMA foreign_keys = OFF;
         UPDATE records SET dom = 'db-01' WHERE dump_id = 'd1';
         UPDATE records SET pause_ms = NULL WHERE dump_id = 'd2';
         UPDATE records SET seq = 70, origin = 'http://hv2:5001' WHERE dump_id = 'd4';
         UPDATE records SET row_digest = NULL WHERE dump_id = 'd5';",
    );
    assert_eq!(altered(&test.catalog), ["d5", "d4", "d2", "d1"]);
    assert!(test.catalog.record_of(&id("d1")).unwrap().unwrap().altered);
    assert!(test.catalog.job(&id("d2")).unwrap().unwrap().record.unwrap().altered);
    assert!(!test.catalog.owned_record_of(&id("d3")).unwrap().unwrap().record.altered);
    let found = test.catalog.altered_records().unwrap();
    let found: Vec<_> = found.iter().map(|row| row.dump_id.as_deref().unwrap()).collect();
    assert_eq!(found, ["d1", "d2", "d5", "d4"]);
}

#[test]
fn what_memdeck_itself_changes_of_a_record_is_no_finding() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    test.catalog.import("http://hv2:5001", &[(4, record("d2", "a", 1)), (9, sparse_record("b", 2))]).unwrap();
    let deletion = |dump_id: &str| Deletion {
        dump_id: id(dump_id),
        deleted_at: second(9),
        deleted_by: Actor::named("operator"),
    };
    test.catalog.mark_deleted(&deletion("d1")).unwrap();
    test.catalog.settle_deletion(&id("d1")).unwrap();
    test.catalog.import_deletions("http://hv2:5001", "deletions", &[(1, deletion("d2"))]).unwrap();
    assert_eq!(test.reopen().catalog.altered_records().unwrap(), []);
}

#[test]
fn a_record_keeps_what_its_image_must_be() {
    let test = TestCatalog::new();
    let told = Record {
        manifest_sha256: Some("cd".repeat(32)),
        digests_root: Some("ef".repeat(32)),
        rebuilt_at: Some(second(7)),
        ..record("d1", "web-01", 1)
    };
    test.ask("d1", "web-01");
    test.catalog.start_next(1, second(1)).unwrap();
    test.catalog.complete(&id("d1"), second(2), "Dump completed", &told).unwrap();
    assert_eq!(test.reopen().catalog.record_of(&id("d1")).unwrap(), Some(told));
}

/// The rows as every reader sees them, or that somebody notices that they are not what was written.
fn read(dir: &std::path::Path) -> Option<Vec<Record>> {
    let catalog = Catalog::open(dir).ok()?;
    if !catalog.altered_records().ok()?.is_empty() || !catalog.damage().ok()?.is_empty() {
        return None;
    }
    let mut records = catalog.records(&RecordQuery::newest(1000, 0)).ok()?.records;
    records.sort_by(|a, b| a.dump_id.cmp(&b.dump_id));
    Some(records)
}

#[test]
fn a_bit_that_flips_in_the_catalog_changes_no_record_silently() {
    let test = TestCatalog::new();
    for n in 0..60 {
        test.completed(&format!("d{n:02}"), &format!("vm-{n}"), n);
    }
    let TestCatalog { dir, catalog } = test;
    drop(catalog);
    let whole = fs::read(dir.path().join(Catalog::FILE_NAME)).unwrap();
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join(Catalog::FILE_NAME);
    let as_written = {
        fs::write(&path, &whole).unwrap();
        read(copy.path()).unwrap()
    };
    let (mut state, mut found, mut harmless) = (0x5eed_u64, 0, 0);
    for _ in 0..400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(state >> 20).unwrap() % (whole.len() * 8);
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, flipped).unwrap();
        for beside in ["catalog.db-wal", "catalog.db-shm"] {
            let _ = fs::remove_file(copy.path().join(beside));
        }
        match read(copy.path()) {
            None => found += 1,
            // Room that no row uses.
            Some(records) => {
                assert_eq!(records, as_written, "bit {bit} changed a record silently");
                harmless += 1;
            }
        }
    }
    assert!(found > 50 && harmless > 50, "{found} found, {harmless} harmless");
}
