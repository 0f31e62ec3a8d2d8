//! Records made of rows that other tools wrote.

use memdeck_catalog::ForeignImported;
use memdeck_model::{ForeignRow, GuestName, Record, RecordQuery};

use crate::support::*;

const ORIGIN: &str = "rows of InfluxDB at http://db:8086, database vmstats";

fn row(dom: &str, at: i64) -> Record {
    Record {
        foreign: Some(ForeignRow::Whole),
        ..Record::unknown(GuestName(dom.to_owned()), "7".to_owned(), second(at))
    }
}

fn imported(added: u64, changed: u64) -> ForeignImported {
    ForeignImported { added, changed }
}

#[test]
fn a_row_is_listed_with_its_mark_and_once() {
    let test = TestCatalog::new();
    let partly = Record { foreign: Some(ForeignRow::Partly), ..row("", 2) };
    let rows = [row("web-01", 1), partly.clone()];
    assert_eq!(test.catalog.import_foreign(ORIGIN, &rows, 2_000_000).unwrap(), imported(2, 0));
    assert_eq!(test.catalog.import_foreign(ORIGIN, &rows, 1).unwrap(), imported(0, 0));
    assert_eq!(test.catalog.cursor(ORIGIN).unwrap(), 2_000_000, "it never goes back");
    let test = test.reopen();
    let page = test.catalog.records(&RecordQuery::newest(10, 0)).unwrap();
    assert_eq!(page.records, [partly, row("web-01", 1)]);
    assert_eq!(test.catalog.altered_records().unwrap(), []);
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 2);
    assert_eq!(test.catalog.outbox_len().unwrap(), 0, "they are in the store already");
    assert_eq!(test.catalog.records_since(0, 10).unwrap(), [], "nor are they this catalog's own");
}

#[test]
fn our_own_row_comes_back_as_itself() {
    let test = TestCatalog::new();
    let own = test.completed("d1", "web-01", 1);
    // What a store gives back: no dump id; a name that a tag cannot hold is another.
    let back = Record {
        sha256: own.sha256.clone(),
        dump_path: own.dump_path.clone(),
        host: own.host.clone(),
        ..row("web/01", 1)
    };
    let without_hash = Record { sha256: None, ..back.clone() };
    let by_name = Record { dom: own.dom.clone(), vmid: own.vmid.clone(), ..row("", 1) };
    for back in [back, without_hash, by_name] {
        let back = Record { timestamp: own.timestamp, time: own.timestamp, ..back };
        assert_eq!(test.catalog.import_foreign(ORIGIN, &[back], 0).unwrap(), imported(0, 0));
    }
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 1);
}

#[test]
fn the_same_moment_of_other_guests_and_hosts_is_another_dump() {
    let test = TestCatalog::new();
    let own = test.completed("d1", "web-01", 1);
    let at = |record: Record| Record { timestamp: own.timestamp, time: own.timestamp, ..record };
    let here = Record { host: Some("hv8".to_owned()), ..row("db-01", 1) };
    let there = Record { host: Some("hv9".to_owned()), ..row("db-01", 1) };
    let rows = [at(here), at(there), at(row("mail", 1))];
    assert_eq!(test.catalog.import_foreign(ORIGIN, &rows, 0).unwrap(), imported(3, 0));
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 4);
}

#[test]
fn a_row_that_tells_more_later_is_the_same_record() {
    let test = TestCatalog::new();
    test.catalog.import_foreign(ORIGIN, &[row("web-01", 1)], 0).unwrap();
    let more = Record { sha256: Some("ab".repeat(32)), ..row("web-01", 1) };
    assert_eq!(test.catalog.import_foreign(ORIGIN, std::slice::from_ref(&more), 0).unwrap(), imported(0, 1));
    assert_eq!(test.catalog.records(&RecordQuery::newest(10, 0)).unwrap().records, [more]);
}

/// The row of an agent's dump may be read before the agent's record.
#[test]
fn a_row_gives_way_to_the_record_of_the_memdeck_that_took_the_dump() {
    let test = TestCatalog::new();
    let record = record("d1", "web-01", 1);
    let back = Record {
        sha256: record.sha256.clone(),
        host: record.host.clone(),
        timestamp: record.timestamp,
        time: record.timestamp,
        ..row("web-01", 1)
    };
    let other = Record { sha256: Some("cd".repeat(32)), ..row("db-01", 1) };
    let other = Record { timestamp: record.timestamp, time: record.timestamp, ..other };
    test.catalog.import_foreign(ORIGIN, &[back.clone(), other.clone()], 0).unwrap();
    test.catalog.import("http://hv2:5001", &[(1, record.clone())]).unwrap();
    let mut listed = test.catalog.records(&RecordQuery::newest(10, 0)).unwrap().records;
    listed.sort_by_key(|record| record.dump_id.is_none());
    assert_eq!(listed, [record, other.clone()]);
    assert_eq!(test.catalog.import_foreign(ORIGIN, &[back, other], 0).unwrap(), imported(0, 0));
}
