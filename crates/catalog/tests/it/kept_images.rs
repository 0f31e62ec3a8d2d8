//! The images that this host keeps.

use memdeck_catalog::Catalog;
use memdeck_model::{Actor, Deletion, ForeignRow, GuestName, Record};

use crate::support::*;

fn dump_ids(records: Vec<Record>) -> Vec<String> {
    records.into_iter().map(|record| record.dump_id.unwrap().to_string()).collect()
}

#[test]
fn images_that_were_deleted_or_are_elsewhere_are_not_kept() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    test.completed("d2", "db-01", 10);
    test.completed("d3", "web-01", 20);
    test.completed("d4", "web-01", 30);
    let deleted_by = Actor::named("operator");
    test.catalog.mark_deleted(&Deletion { dump_id: id("d3"), deleted_at: second(50), deleted_by }).unwrap();
    test.catalog.import("http://hv2:5001", &[(1, record("d5", "web-01", 40))]).unwrap();
    let foreign = Record { foreign: Some(ForeignRow::Whole), ..record("d6", "web-01", 45) };
    test.catalog.import_foreign("rows of others", &[Record { dump_id: None, ..foreign }], 1).unwrap();
    assert_eq!(dump_ids(test.catalog.kept_images(None, 10).unwrap()), ["d4", "d2", "d1"]);
    assert_eq!(dump_ids(test.catalog.kept_images(None, 2).unwrap()), ["d4", "d2"]);
    let of = |guest: &str| dump_ids(test.catalog.kept_images(Some(&GuestName(guest.into())), 1).unwrap());
    assert_eq!((of("web-01"), of("db-01"), of("WEB-01")), (vec!["d4".into()], vec!["d2".into()], vec![]));
}

#[test]
fn a_reader_sees_that_somebody_else_wrote() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 1);
    let reader = Catalog::open_to_read(test.dir.path()).unwrap();
    let before = reader.changes().unwrap();
    assert_eq!(reader.changes().unwrap(), before, "nothing was written");
    test.completed("d2", "web-01", 10);
    assert_ne!(reader.changes().unwrap(), before);
    assert_eq!(dump_ids(reader.kept_images(None, 10).unwrap()), ["d2", "d1"]);
}
