//! What is told of how long frozen dumps took.

use memdeck_catalog::Catalog;
use memdeck_model::{ByteCount, CaptureMode, Millis, Record};
use rusqlite::Connection;

use crate::support::*;

/// A frozen dump of 512 MiB on the host `hv1`.
fn frozen(dump_id: &str, at: i64, pause: u64) -> Record {
    Record {
        mode: Some(CaptureMode::Frozen),
        pause_ms: Some(Millis(pause)),
        raw_size_bytes: Some(ByteCount::from_mib(512)),
        ..record(dump_id, "web-01", at)
    }
}

/// One that this catalog's own service took.
fn take(test: &TestCatalog, record: &Record, at: i64) {
    let dump_id = record.dump_id.as_ref().unwrap();
    test.ask(dump_id.as_str(), "web-01");
    test.catalog.start_next(u32::MAX, second(at)).unwrap().unwrap();
    test.catalog.complete(dump_id, second(at + 1), "Dump completed", record).unwrap();
}

fn pauses(test: &TestCatalog, host: &str) -> Vec<u64> {
    let told = test.catalog.frozen_pauses(host).unwrap();
    assert!(told.iter().all(|(size, _)| *size == ByteCount::from_mib(512)), "{told:?}");
    told.into_iter().map(|(_, pause)| pause.0).collect()
}

#[test]
fn only_own_frozen_dumps_of_the_host_with_a_pause_worth_measuring_count() {
    let test = TestCatalog::new();
    assert_eq!(pauses(&test, "hv1"), [0; 0], "nothing was dumped yet");
    let counts = frozen("counts", 1, 480);
    let others = [
        Record { mode: Some(CaptureMode::Live), ..frozen("live", 2, 1_002) },
        Record { mode: None, ..frozen("of-no-mode", 3, 1_003) },
        Record { host: Some("hv2".to_owned()), ..frozen("elsewhere", 4, 1_004) },
        Record { host: None, ..frozen("nowhere", 5, 1_005) },
        Record { pause_ms: None, ..frozen("not-seen", 6, 0) },
        Record { raw_size_bytes: None, ..frozen("of-no-size", 7, 1_007) },
        frozen("too-short", 8, 99),
        frozen("was-paused-before", 9, 0),
    ];
    for (at, record) in (1..).zip(std::iter::once(&counts).chain(&others)) {
        take(&test, record, at);
    }
    test.catalog.import("http://hv1:5001", &[(1, frozen("of-another-service", 20, 1_020))]).unwrap();
    assert_eq!(pauses(&test, "hv1"), [480]);
    assert_eq!(pauses(&test, "hv2"), [1_004]);
    take(&test, &frozen("just-long-enough", 30, 100), 30);
    assert_eq!(pauses(&test, "hv1"), [100, 480]);
}

#[test]
fn the_newest_ten_count() {
    let test = TestCatalog::new();
    for at in 0..13_u64 {
        let second = i64::try_from(at).unwrap();
        take(&test, &frozen(&format!("d{at}"), second, 1_000 + at), second);
    }
    assert_eq!(pauses(&test, "hv1"), [1_012, 1_011, 1_010, 1_009, 1_008, 1_007, 1_006, 1_005, 1_004, 1_003]);
}

#[test]
fn a_record_that_something_else_changed_is_no_measurement() {
    let test = TestCatalog::new();
    take(&test, &frozen("d1", 1, 480), 1);
    take(&test, &frozen("d2", 2, 500), 2);
    let file = Connection::open(test.dir.path().join(Catalog::FILE_NAME)).unwrap();
    file.execute_batch("UPDATE records SET pause_ms = 90000 WHERE dump_id = 'd1'").unwrap();
    assert_eq!(pauses(&test, "hv1"), [500]);
}
