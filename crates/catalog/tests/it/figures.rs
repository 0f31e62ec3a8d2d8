//! Figures over all dumps: the same after every restart, however they were counted.

use memdeck_catalog::{Catalog, DumpFigures};
use memdeck_model::{ByteCount, CaptureMode, Millis, Record};

use crate::support::*;

fn ended(figures: &DumpFigures) -> Vec<(&str, &str, u64)> {
    figures.ended.iter().map(|((state, reason), count)| (state.as_str(), reason.as_str(), *count)).collect()
}

/// The same, counted from the first row by a process that has just begun.
fn afresh(test: &TestCatalog) -> DumpFigures {
    Catalog::open_to_read(test.dir.path()).unwrap().dump_figures().unwrap()
}

#[test]
fn dumps_are_counted_by_how_they_ended_once_each_and_in_any_order() {
    let test = TestCatalog::new();
    assert_eq!(ended(&test.catalog.dump_figures().unwrap()), []);
    for (dump_id, vm) in [("d1", "a"), ("d2", "b"), ("d3", "c"), ("d4", "d")] {
        test.ask(dump_id, vm);
    }
    test.catalog.start_next(1, second(1)).unwrap();
    // Later ones end before the first does.
    test.catalog.end_queued(&id("d2"), &cancelled("operator"), second(2)).unwrap();
    let figures = test.catalog.dump_figures().unwrap();
    assert_eq!(ended(&figures), [("cancelled", "cancelled", 1)]);
    assert_eq!((figures.running, figures.queued, figures.oldest_queued), (1, 2, Some(second(0))));
    test.catalog.end(&id("d1"), &failed("no"), second(3)).unwrap();
    test.completed("d5", "e", 5);
    let expected =
        [("cancelled", "cancelled", 1), ("completed", "completed", 1), ("failed", "hypervisor_failed", 1)];
    for _ in 0..2 {
        assert_eq!(ended(&test.catalog.dump_figures().unwrap()), expected, "none is counted twice");
    }
    assert_eq!(afresh(&test), test.catalog.dump_figures().unwrap());
    let figures = test.reopen().catalog.dump_figures().unwrap();
    assert_eq!(ended(&figures), expected);
    assert_eq!((figures.outbox, figures.outbox_deferred), (1, 0));
}

#[test]
fn durations_pauses_and_bytes_are_those_of_the_dumps_that_were_taken_here() {
    let test = TestCatalog::new();
    test.completed("d1", "a", 10);
    test.catalog.dump_figures().unwrap();
    let frozen = Record {
        mode: Some(CaptureMode::Frozen),
        pause_ms: Some(Millis(1200)),
        duration_sec: Some(70.0),
        ..record("d2", "b", 20)
    };
    test.ask("d2", "b");
    test.catalog.start_next(9, second(20)).unwrap();
    test.catalog.complete(&id("d2"), second(21), "Dump completed", &frozen).unwrap();
    test.catalog.import("http://hv2:5001", &[(1, record("d9", "z", 1)), (2, sparse_record("y", 2))]).unwrap();

    let figures = test.catalog.dump_figures().unwrap();
    let live = &figures.by_mode["live"];
    assert_eq!((live.durations.count(), live.pauses.count()), (1, 1));
    assert_eq!((live.image_bytes, live.stored_bytes), (537_133_056, 45_000_000));
    let frozen = &figures.by_mode["frozen"];
    assert!((frozen.pauses.sum() - 1.2).abs() < 1e-9 && (frozen.durations.sum() - 70.0).abs() < 1e-9);
    let within: Vec<_> = frozen.durations.cumulative().filter(|(_, count)| *count > 0).collect();
    assert_eq!(within.first(), Some(&(120.0, 1)));
    assert_eq!(figures.records, [("own", 2), ("imported", 2), ("foreign", 0)].into());
    assert_eq!(figures.stored, ByteCount(135_000_000));
    assert_eq!(afresh(&test), figures);
}
