//! What became of dumps over time.

use memdeck_catalog::{DumpTrends, RemoteDump};
use memdeck_model::{
    ByteCount, CaptureMode, DumpStatus, Durations, Growth, Millis, Reach, Record, TrendRange,
};

use crate::support::*;

const DAY: i64 = 24 * 60 * 60;

/// Three days from the beginning of the tests' time.
fn three_days() -> TrendRange {
    TrendRange::new(second(0), second(3 * DAY)).unwrap()
}

fn told(test: &TestCatalog) -> DumpTrends {
    test.catalog.trends(three_days(), &Reach::Everything, None).unwrap()
}

/// An image of so many bytes.
fn image(dump_id: &str, dom: &str, at: i64, bytes: u64) -> Record {
    Record { gzip_size_bytes: Some(ByteCount(bytes)), ..record(dump_id, dom, at) }
}

fn import(test: &TestCatalog, records: Vec<Record>) {
    let numbered: Vec<_> = (1..).zip(records).collect();
    test.catalog.import("http://hv2:5001", &numbered).unwrap();
}

fn stored(bytes: &[ByteCount]) -> Vec<u64> {
    bytes.iter().map(|bytes| bytes.0).collect()
}

#[test]
fn a_catalog_without_dumps_has_steps_of_nothing() {
    let told = told(&TestCatalog::new());
    assert_eq!(told.steps.len(), 3);
    assert_eq!([told.steps[0].at, told.steps[2].at], [second(0), second(2 * DAY)]);
    assert!(told.steps.iter().all(|step| step.completed
        + step.failed
        + step.cancelled
        + step.stored_bytes.0
        == 0));
    assert!(told.guests.is_empty() && told.growth.is_empty());
}

#[test]
fn completed_dumps_count_when_they_began_and_others_when_they_ended() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 5);
    test.completed("d2", "db-01", DAY + 5);
    for (dump_id, reason, at) in [("d3", failed("away"), DAY), ("d4", cancelled("me"), 3 * DAY - 1)] {
        test.ask(dump_id, dump_id);
        test.catalog.end(&id(dump_id), &reason, second(at)).unwrap();
    }
    // The first instant after the range belongs to it no more.
    test.ask("d5", "d5");
    test.catalog.end(&id("d5"), &failed("away"), second(3 * DAY)).unwrap();
    let remote = |dump_id: &str, state: &str| -> DumpStatus {
        let json = serde_json::json!({"dump_id": dump_id, "vm": "7", "state": "failed", "job_state": state, "progress": 1.0});
        serde_json::from_value(json).unwrap()
    };
    let ended = [("r1", "failed"), ("r2", "cancelled")];
    let ended = ended.map(|(dump_id, state)| RemoteDump::told(remote(dump_id, state), second(7)));
    test.catalog.remember_remote("http://hv2:5001", &ended).unwrap();
    test.catalog.import("influx", &[(1, sparse_record("old", 9))]).unwrap();

    let counts: Vec<_> =
        told(&test).steps.iter().map(|step| (step.completed, step.failed, step.cancelled)).collect();
    assert_eq!(counts, [(1, 2, 1), (1, 1, 0), (0, 0, 1)]);
}

#[test]
fn stored_bytes_are_those_of_images_that_were_there_at_the_end_of_each_step() {
    let test = TestCatalog::new();
    let deleted = |dump_id, at, bytes, deleted_at| Record {
        deleted_at: Some(second(deleted_at)),
        ..image(dump_id, "web-01", at, bytes)
    };
    import(
        &test,
        vec![
            image("before", "db-01", -DAY, 1),
            deleted("gone_before", -DAY, 10, -5),
            deleted("gone_on_day_1", -DAY, 100, DAY + 1),
            image("day_0", "web-01", 5, 1000),
            deleted("day_1_and_gone", DAY, 10_000, DAY + 9),
            deleted("gone_after", 2 * DAY, 100_000, 9 * DAY),
            image("after", "web-01", 3 * DAY, 1_000_000),
        ],
    );
    let told = told(&test);
    let all: Vec<_> = told.steps.iter().map(|step| step.stored_bytes).collect();
    assert_eq!(stored(&all), [1101, 1001, 101_001]);
    let guests: Vec<_> =
        told.guests.iter().map(|guest| (guest.dom.0.as_str(), stored(&guest.stored_bytes))).collect();
    assert_eq!(guests, [("web-01", vec![1100, 1000, 101_000]), ("db-01", vec![1, 1, 1])]);
    let growth = Growth {
        dumps: 3,
        first: Some(second(5)),
        last: Some(second(2 * DAY)),
        net: vec![1000, -100, 100_000],
    };
    assert_eq!(told.growth, [("hv1".to_owned(), growth)]);
}

#[test]
fn guests_of_one_name_on_two_hosts_are_two_and_only_the_largest_are_told() {
    let test = TestCatalog::new();
    let on = |host: &str, dump_id: &str, dom: &str, bytes| Record {
        host: Some(host.to_owned()),
        ..image(dump_id, dom, 1, bytes)
    };
    let mut records = vec![on("hv1", "a", "web-01", 500), on("hv2", "b", "web-01", 700)];
    records.extend((0..20_u64).map(|n| on("hv1", &format!("n{n}"), &format!("vm-{n}"), n)));
    import(&test, records);
    let told = told(&test);
    assert_eq!(told.guests.len(), 8);
    let first: Vec<_> =
        told.guests[..3].iter().map(|guest| (guest.dom.0.as_str(), guest.host.as_deref())).collect();
    assert_eq!(first, [("web-01", Some("hv2")), ("web-01", Some("hv1")), ("vm-19", Some("hv1"))]);
    let hosts: Vec<_> = told.growth.iter().map(|(host, growth)| (host.as_str(), growth.dumps)).collect();
    assert_eq!(hosts, [("hv1", 21), ("hv2", 1)]);
}

#[test]
fn pauses_are_told_by_mode_and_what_is_unknown_is_not_counted() {
    let test = TestCatalog::new();
    let of = |dump_id, mode, pause, duration| Record {
        mode,
        pause_ms: pause,
        duration_sec: duration,
        ..record(dump_id, "web-01", 1)
    };
    import(
        &test,
        vec![
            of("a", Some(CaptureMode::Live), Some(Millis(40)), Some(2.0)),
            of("b", Some(CaptureMode::Live), Some(Millis(60)), None),
            of("c", Some(CaptureMode::Frozen), Some(Millis(900)), Some(-1.0)),
            of("d", Some(CaptureMode::Frozen), None, Some(1.0)),
            of("e", None, Some(Millis(5)), Some(f64::MAX)),
        ],
    );
    let told = told(&test);
    let [live, frozen] = &told.pauses;
    let facts = |durations: &Durations| {
        let told = durations.distribution();
        (told.count, told.max_ms)
    };
    assert_eq!((live.0, facts(&live.1)), (CaptureMode::Live, (2, Some(Millis(60)))));
    assert_eq!((frozen.0, facts(&frozen.1)), (CaptureMode::Frozen, (1, Some(Millis(900)))));
    assert_eq!(facts(&told.durations), (3, Some(Millis(u64::MAX))));
}

#[test]
#[ignore = "a measurement: prints how long trends take at 100,000 records"]
fn trends_at_a_hundred_thousand_records() {
    let test = TestCatalog::new();
    let records: Vec<Record> = (0..100_000_u64)
        .map(|n| Record {
            host: Some(format!("hv{}", n % 8)),
            duration_sec: Some(f64::from(u32::try_from(n % 60_000).unwrap()) / 1000.0),
            deleted_at: (n % 3 == 0).then(|| second(n.cast_signed() * 300 + DAY)),
            ..image(&format!("d{n}"), &format!("vm-{:03}", n % 500), n.cast_signed() * 300, n)
        })
        .collect();
    import(&test, records);
    for n in 0..2_000 {
        let dump_id = format!("f{n}");
        test.ask(&dump_id, &dump_id);
        test.catalog.end(&id(&dump_id), &cancelled("me"), second(n * 15_000)).unwrap();
    }
    for days in [30, 347] {
        let range = TrendRange::new(second((347 - days) * DAY), second(347 * DAY)).unwrap();
        let mut times: Vec<_> = (0..9)
            .map(|_| {
                let start = std::time::Instant::now();
                assert_eq!(test.catalog.trends(range, &Reach::Everything, None).unwrap().guests.len(), 8);
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("trends over {days} days: {:?}", times[4]);
    }
}
