//! Listing, counting and importing records.

use memdeck_model::{
    ByteCount, Reach, Record, RecordColumn, RecordFilter, RecordQuery, RecordSort, SortOrder, Stats,
};

use crate::support::*;

fn page(test: &TestCatalog, limit: u32, offset: u64) -> (Vec<String>, u64, u64) {
    let page = test.catalog.records(&RecordQuery::newest(limit, offset)).unwrap();
    assert_eq!((page.limit, page.offset), (limit, offset));
    let names = page.records.iter().map(|record| record.dump_id.as_ref().unwrap().to_string()).collect();
    (names, page.count, page.total)
}

#[test]
fn records_are_listed_newest_first_in_pages() {
    let test = TestCatalog::new();
    test.completed("d1", "a", 10);
    test.completed("d2", "b", 30);
    test.completed("d3", "c", 20);
    test.completed("d4", "d", 20);

    assert_eq!(page(&test, 2, 0), (vec!["d2".to_owned(), "d4".to_owned()], 2, 4));
    assert_eq!(page(&test, 2, 2), (vec!["d3".to_owned(), "d1".to_owned()], 2, 4));
    assert_eq!(page(&test, 2, 4), (vec![], 0, 4));
    assert_eq!(page(&test, 2, u64::MAX), (vec![], 0, 4));
    assert_eq!(page(&test, 0, 0), (vec![], 0, 4));
}

#[test]
fn stats_count_what_is_known() {
    let test = TestCatalog::new();
    assert_eq!(test.catalog.stats().unwrap(), Stats::default());

    test.completed("d1", "web-01", 10);
    test.completed("d2", "web-01", 30);
    let elsewhere =
        Record { host: Some("hv2".to_owned()), duration_sec: Some(4.75), ..record("d3", "web-01", 20) };
    test.catalog.import("http://hv2:5001", &[(1, elsewhere), (2, sparse_record("db-01", 5))]).unwrap();

    assert_eq!(
        test.catalog.stats().unwrap(),
        Stats {
            total_dumps: 4,
            total_vms: 3,
            total_size_bytes: ByteCount(135_000_000),
            avg_duration_sec: (1.25 + 1.25 + 4.75) / 3.0,
            last_dump: Some(second(30)),
        }
    );
}

#[test]
fn a_record_keeps_how_its_dump_was_taken() {
    let test = TestCatalog::new();
    let fallback = Some("the guest cannot migrate: it has a host device".into());
    let told = Record { fallback, encrypted: true, ..record("d1", "web-01", 1) };
    test.ask("d1", "web-01");
    test.catalog.start_next(1, second(1)).unwrap();
    test.catalog.complete(&id("d1"), second(2), "Dump completed", &told).unwrap();

    let test = test.reopen();
    assert_eq!(test.catalog.record_of(&id("d1")).unwrap(), Some(told.clone()));
    assert_eq!(test.catalog.job(&id("d1")).unwrap().unwrap().record, Some(told.clone()));
    assert_eq!(test.catalog.outbox_next(1).unwrap()[0].record, told);
}

#[test]
fn absurd_sizes_of_a_remote_service_stop_nothing() {
    let test = TestCatalog::new();
    let absurd = |dump_id| Record {
        gzip_size_bytes: Some(ByteCount(u64::MAX)),
        iterations: Some(u64::MAX),
        dirty_bytes_per_s: Some(ByteCount(u64::MAX)),
        ..record(dump_id, "a", 1)
    };
    let records = [(1, absurd("d1")), (2, absurd("d2")), (3, absurd("d3"))];
    assert_eq!(test.catalog.import("http://hv2:5001", &records).unwrap().len(), 3);
    assert_eq!(test.catalog.stats().unwrap().total_size_bytes, ByteCount(u64::MAX));
}

#[test]
fn own_records_are_handed_out_in_order_of_insertion() {
    let test = TestCatalog::new();
    test.completed("d1", "a", 30);
    test.catalog.import("http://hv2:5001", &[(1, record("foreign", "z", 1))]).unwrap();
    test.completed("d2", "b", 10);
    test.completed("d3", "c", 20);

    let since = |seq, limit| test.catalog.records_since(seq, limit).unwrap();
    let names = |records: &[(u64, Record)]| -> Vec<String> {
        records.iter().map(|(_, record)| record.dump_id.as_ref().unwrap().to_string()).collect()
    };
    let first = since(0, 2);
    assert_eq!(names(&first), ["d1", "d2"]);
    let rest = since(first[1].0, 2);
    assert_eq!(names(&rest), ["d3"]);
    assert_eq!(since(rest[0].0, 2), []);
    assert_eq!(since(u64::MAX, 2), []);
}

#[test]
fn importing_twice_adds_nothing_and_the_cursor_never_goes_back() {
    let test = TestCatalog::new();
    let origin = "http://hv2:5001";
    assert_eq!(test.catalog.cursor(origin).unwrap(), 0);
    let records = [(4, record("d1", "a", 1)), (9, sparse_record("b", 2))];

    let new = test.catalog.import(origin, &records).unwrap();
    assert_eq!(new, [records[0].1.clone(), records[1].1.clone()]);
    assert_eq!(test.catalog.cursor(origin).unwrap(), 9);

    let test = test.reopen();
    assert_eq!(test.catalog.import(origin, &records).unwrap(), []);
    assert_eq!(test.catalog.import(origin, &records[..1]).unwrap(), []);
    assert_eq!(test.catalog.import(origin, &[]).unwrap(), []);
    assert_eq!(test.catalog.cursor(origin).unwrap(), 9);
    assert_eq!(test.catalog.cursor("http://hv3:5001").unwrap(), 0);
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 2);
}

#[test]
fn a_batch_that_repeats_a_record_adds_it_once() {
    let test = TestCatalog::new();
    let twice = [
        (1, sparse_record("b", 2)),
        (2, sparse_record("b", 2)),
        (3, record("d", "c", 3)),
        (4, record("d", "c", 3)),
    ];
    assert_eq!(test.catalog.import("http://hv2:5001", &twice).unwrap().len(), 2);
    assert_eq!(test.catalog.cursor("http://hv2:5001").unwrap(), 4);
}

#[test]
fn an_unnamed_record_of_a_dump_that_is_known_by_name_is_the_same_dump() {
    let test = TestCatalog::new();
    test.completed("d1", "web-01", 10);
    assert_eq!(test.catalog.import("influx", &[(1, sparse_record("web-01", 10))]).unwrap(), []);
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 1);
}

#[test]
fn imported_records_are_not_written_again_nor_handed_on() {
    let test = TestCatalog::new();
    test.catalog.import("http://hv2:5001", &[(1, record("d1", "a", 1))]).unwrap();
    assert_eq!(test.catalog.outbox_len().unwrap(), 0);
    assert_eq!(test.catalog.records_since(0, 10).unwrap(), []);
    assert_eq!(test.catalog.record_of(&id("d1")).unwrap(), Some(record("d1", "a", 1)));
    assert_eq!(test.catalog.record_of(&id("d2")).unwrap(), None);
}

#[test]
fn settings_are_kept_and_replaced() {
    let test = TestCatalog::new();
    assert_eq!(test.catalog.setting("theme").unwrap(), None);
    test.catalog.set_setting("theme", "dark").unwrap();
    test.catalog.set_setting("theme", "light").unwrap();
    assert_eq!(test.reopen().catalog.setting("theme").unwrap().as_deref(), Some("light"));
}

#[test]
#[ignore = "a measurement: prints how long the calls of a page take at 100,000 records"]
fn calls_at_a_hundred_thousand_records() {
    let test = TestCatalog::new();
    let timed = |what: &str, work: &dyn Fn()| {
        let mut times: Vec<_> = (0..9)
            .map(|_| {
                let start = std::time::Instant::now();
                work();
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("{what}: {:?}", times[4]);
    };
    let records: Vec<(u64, Record)> = (0..100_000_u64)
        .map(|n| {
            let dom = format!("vm-{:03}", n % 500);
            let sha256 = Some(format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(4));
            let duration_sec =
                u32::try_from(n.wrapping_mul(7919) % 60_000).ok().map(|ms| f64::from(ms) / 1000.0);
            let host = Some(format!("hv{}", n % 8));
            let note = if n % 8 == 0 { record("d", "d", 0).note } else { None };
            (
                n,
                Record {
                    sha256,
                    duration_sec,
                    host,
                    note,
                    ..record(&format!("d{n}"), &dom, n.cast_signed())
                },
            )
        })
        .collect();
    let start = std::time::Instant::now();
    drop(test.catalog.import("http://hv2:5001", &records).unwrap());
    println!("import: {:?}", start.elapsed());
    let query = RecordQuery::newest(25, 0);
    let list = |query: &RecordQuery| drop(test.catalog.records(query).unwrap());
    for offset in [0, 50_000, 99_000] {
        timed(&format!("25 records at {offset}"), &|| list(&RecordQuery::newest(25, offset)));
    }
    for search in ["vm-0", "1", "zzzz", "ab", "abcdef", "beacons"] {
        let filter = RecordFilter { search: Some(search.parse().unwrap()), ..RecordFilter::default() };
        timed(&format!("search {search}"), &|| {
            list(&RecordQuery { filter: filter.clone(), ..query.clone() });
        });
        let sort = RecordSort { by: RecordColumn::DurationSec, order: SortOrder::Desc };
        timed(&format!("search {search} by duration"), &|| {
            list(&RecordQuery { filter: filter.clone(), sort, ..query.clone() });
        });
    }
    let hv3 = RecordFilter { host: Some("hv3".parse().unwrap()), ..RecordFilter::default() };
    timed("host", &|| list(&RecordQuery { filter: hv3.clone(), ..query.clone() }));
    for by in RecordColumn::ALL {
        for order in [SortOrder::Asc, SortOrder::Desc] {
            let sort = RecordSort { by, order };
            timed(&format!("sort {by:?} {order:?}"), &|| list(&RecordQuery { sort, ..query.clone() }));
            let deep = RecordQuery { sort, offset: 50_000, ..query.clone() };
            timed(&format!("sort {by:?} {order:?} deep"), &|| list(&deep));
        }
    }
    let guests = |of: &str| (0..1000).map(|n| format!("{of}-{n:03}").parse().unwrap()).collect::<Vec<_>>();
    let few = (0..5).map(|n| format!("hv{n}/vm-{n}*").parse().unwrap()).collect::<Vec<_>>();
    let patterns = (0..1000).map(|n| format!("hv?/vm-{n:03}*").parse().unwrap()).collect::<Vec<_>>();
    for (what, selectors) in [
        ("1000 names", guests("vm")),
        ("1000 others", guests("db")),
        ("1000 patterns", patterns),
        ("few", few),
    ] {
        let reach = Reach::only(selectors);
        // What was asked before is answered from memory: each question is another one.
        let offset = std::cell::Cell::new(0);
        let list = |filter: &RecordFilter, sort| {
            offset.set(offset.get() + 1);
            let query = RecordQuery { filter: filter.clone(), sort, offset: offset.get(), ..query.clone() };
            drop(test.catalog.records_within(&query, &reach).unwrap());
        };
        timed(&format!("{what}: page"), &|| list(&RecordFilter::default(), query.sort));
        let by_size = RecordSort { by: RecordColumn::RawSizeBytes, order: SortOrder::Desc };
        timed(&format!("{what}: page by size"), &|| list(&RecordFilter::default(), by_size));
        let search = RecordFilter { search: Some("ab".parse().unwrap()), ..RecordFilter::default() };
        timed(&format!("{what}: search"), &|| list(&search, query.sort));
        timed(&format!("{what}: hosts"), &|| drop(test.catalog.hosts(&reach).unwrap()));
        timed(&format!("{what}: last dumps"), &|| drop(test.catalog.last_dumps(&reach).unwrap()));
        let start = std::time::Instant::now();
        let told = test.catalog.stats_within(&reach).unwrap().total_dumps;
        println!("{what}: stats of {told}: {:?}", start.elapsed());
    }
    timed("hosts", &|| drop(test.catalog.hosts(&Reach::Everything).unwrap()));
    timed("stats", &|| assert_eq!(test.catalog.stats().unwrap().total_dumps, 100_000));
    timed("reopen", &|| drop(memdeck_catalog::Catalog::open(test.dir.path()).unwrap()));
}
