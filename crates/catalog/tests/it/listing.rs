//! Searching, filtering, ordering and paging: the catalog's answer is that of the plain rules in Rust.

use memdeck_catalog::Catalog;
use memdeck_model::{
    ByteCount, CaptureMode, GuestName, LastDump, Reach, Record, RecordColumn, RecordFilter, RecordQuery,
    RecordSort, RecordState, SearchText, SortOrder, Timestamp, TrendRange, Whose,
};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::*;

/// Text in which searches find something, find nothing, and would find too much if it were a pattern.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[aAbB%_\\\\'\" é.-]{1,6}",
        1 => select(vec!["web-01", "WEB-02", "db-01", "100%", "a_b", "ab", "é", "İ"]).prop_map(str::to_owned),
    ]
}

fn any_search() -> impl Strategy<Value = SearchText> {
    prop_oneof![2 => text(), 1 => "[0-9a-f]{1,3}"].prop_filter_map("no search", |text| text.parse().ok())
}

fn any_instant() -> impl Strategy<Value = Timestamp> {
    // Few enough that some are equal.
    (0..8_i64).prop_map(second)
}

fn any_mode() -> impl Strategy<Value = CaptureMode> {
    select(vec![CaptureMode::Live, CaptureMode::Frozen])
}

fn any_filter() -> impl Strategy<Value = RecordFilter> {
    let host = || select(vec!["hv1", "hv2", "HV1", "hv%"]).prop_map(|name| name.parse().unwrap());
    let state = select(RecordState::ALL.to_vec());
    (of(any_search()), of(any_instant()), of(any_instant()), of(state), of(host()), of(any_mode())).prop_map(
        |(search, from, to, state, host, mode)| RecordFilter { search, from, to, state, host, mode },
    )
}

fn any_sort() -> impl Strategy<Value = RecordSort> {
    let order = select(vec![SortOrder::Asc, SortOrder::Desc]);
    (select(RecordColumn::ALL.to_vec()), order).prop_map(|(by, order)| RecordSort { by, order })
}

fn any_record() -> impl Strategy<Value = Record> {
    let hash = prop_oneof![4 => "[0-9a-f]{4}", 1 => "[0-9A-F]{4}", 1 => text()];
    let remark = || of(text().prop_filter_map("no remark", |text| text.parse().ok()));
    let size = || of((0..4_u64).prop_map(ByteCount));
    let host = select(vec!["hv1", "hv2", "hv%"]).prop_map(str::to_owned);
    let names = (any_instant(), text(), "[0-9]{0,3}|vm-[0-9]", of(hash), of(text()));
    let rest = (of(0..4_u8), size(), size(), of(host), of(any_mode()), any::<bool>(), remark(), remark());
    (names, rest).prop_map(
        |(
            (timestamp, dom, vmid, sha256, dump_path),
            (duration, gzip_size_bytes, raw_size_bytes, host, mode, ok, case, note),
        )| Record {
            sha256,
            dump_path,
            duration_sec: duration.map(|quarters| f64::from(quarters) / 4.0),
            gzip_size_bytes,
            raw_size_bytes,
            host,
            mode,
            ok,
            case,
            note,
            ..Record::unknown(GuestName(dom), vmid, timestamp)
        },
    )
}

/// A catalog with these records, which are stored in this order and named by their place in it.
fn catalog_of(records: Vec<Record>) -> (TestCatalog, Vec<Record>) {
    let records: Vec<Record> = records
        .into_iter()
        .enumerate()
        .map(|(index, record)| Record { dump_id: Some(id(&format!("d{index}"))), ..record })
        .collect();
    let numbered: Vec<(u64, Record)> = (1..).zip(records.iter().cloned()).collect();
    let test = TestCatalog::new();
    test.catalog.import("http://hv2:5001", &numbered).unwrap();
    (test, records)
}

/// What a query means, by the plain rules.
fn expected(records: &[Record], filter: &RecordFilter, sort: RecordSort) -> Vec<Record> {
    let mut matching: Vec<(usize, &Record)> =
        records.iter().enumerate().filter(|(_, record)| filter.matches(record)).collect();
    matching.sort_by(|(a_seq, a), (b_seq, b)| {
        let stored_last_first = b_seq.cmp(a_seq);
        let is_reversed = sort == RecordSort { by: RecordColumn::Timestamp, order: SortOrder::Asc };
        let tie = if is_reversed { stored_last_first.reverse() } else { stored_last_first };
        sort.compare(a, b).then(tie)
    });
    matching.into_iter().map(|(_, record)| record.clone()).collect()
}

fn is_within(reach: &Reach, record: &Record) -> bool {
    let (hosts, name) = (record.host.as_deref(), Some(record.dom.0.as_str()));
    reach.includes(Whose { hosts: hosts.as_slice(), name, uuid: record.guest_uuid.as_deref() })
}

fn walk(catalog: &Catalog, filter: &RecordFilter, step: u32) -> Vec<Record> {
    let (mut walked, mut place) = (Vec::new(), None);
    loop {
        let (records, next) = catalog.records_behind(filter, &Reach::Everything, place, step).unwrap();
        walked.extend(records);
        match next {
            Some(_) => place = next,
            None => return walked,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_query_is_what_its_filter_and_order_say(
        records in prop::collection::vec(any_record(), 0..40),
        filter in any_filter(),
        sort in any_sort(),
        (limit, offset) in (0..12_u32, 0..30_u64),
    ) {
        let (test, records) = catalog_of(records);
        let expected = expected(&records, &filter, sort);
        let page = test.catalog.records(&RecordQuery { filter, sort, limit, offset }).unwrap();
        let shown: Vec<Record> =
            expected.iter().skip(usize::try_from(offset).unwrap()).take(usize::try_from(limit).unwrap()).cloned().collect();
        prop_assert_eq!(page.total, expected.len() as u64);
        prop_assert_eq!(page.count, shown.len() as u64);
        prop_assert_eq!(page.records, shown);
    }

    #[test]
    fn what_is_within_reach_is_all_that_is_told(
        records in prop::collection::vec((any_record(), of("[ab]")), 0..40),
        filter in any_filter(),
        sort in any_sort(),
        selectors in prop::collection::vec("(hv[12?]/)?(\\*|web-0[1?]|w\\*|db|\\?)|uuid", 0..4),
    ) {
        let uuid = |letter: String| format!("00000000-0000-4000-8000-00000000000{letter}");
        let records = records.into_iter().map(|(record, letter)| Record { guest_uuid: letter.map(uuid), ..record });
        let (test, records) = catalog_of(records.collect());
        let selectors = selectors.iter().map(|text| text.replace("uuid", &uuid("a".to_owned())).parse().unwrap());
        let reach = Reach::only(selectors.collect());
        let seen: Vec<Record> = records.iter().filter(|record| is_within(&reach, record)).cloned().collect();
        let alone = TestCatalog::new();
        let numbered: Vec<(u64, Record)> = (1..).zip(seen.iter().cloned()).collect();
        alone.catalog.import("http://hv2:5001", &numbered).unwrap();

        let expected = expected(&seen, &filter, sort);
        let query = RecordQuery { filter: filter.clone(), sort, limit: 100, offset: 0 };
        prop_assert_eq!(test.catalog.records_within(&query, &reach).unwrap().records, expected);
        let everything = RecordQuery { filter: RecordFilter::default(), ..query };
        let (told, total) = {
            let page = test.catalog.records_within(&everything, &reach).unwrap();
            (page.count, page.total)
        };
        prop_assert_eq!((told, total), (seen.len() as u64, seen.len() as u64));
        let (walked, _) = test.catalog.records_behind(&filter, &reach, None, 100).unwrap();
        let all = Reach::Everything;
        let (of_alone, _) = alone.catalog.records_behind(&filter, &all, None, 100).unwrap();
        prop_assert_eq!(walked, of_alone);
        prop_assert_eq!(test.catalog.stats_within(&reach).unwrap(), alone.catalog.stats().unwrap());
        prop_assert_eq!(test.catalog.hosts(&reach).unwrap(), alone.catalog.hosts(&all).unwrap());
        let newest = |catalog: &Catalog, reach| {
            let mut told: Vec<_> =
                catalog.last_dumps(reach).unwrap().into_iter().map(|last| (last.dom.0, last.host, last.at)).collect();
            told.sort();
            told
        };
        prop_assert_eq!(newest(&test.catalog, &reach), newest(&alone.catalog, &all));
        let days = TrendRange::new(second(0), second(86_400)).unwrap();
        let (trends, of_alone) =
            (test.catalog.trends(days, &reach, None).unwrap(), alone.catalog.trends(days, &all, None).unwrap());
        prop_assert_eq!((&trends.steps, &trends.guests, &trends.growth), (&of_alone.steps, &of_alone.guests, &of_alone.growth));
    }

    #[test]
    fn the_last_dump_of_a_guest_is_its_newest_that_succeeded(records in prop::collection::vec(any_record(), 0..40)) {
        let (test, records) = catalog_of(records);
        let told = test.catalog.last_dumps(&Reach::Everything).unwrap();
        let guest_of = |dump: &LastDump| (dump.host.clone(), dump.dom.clone());
        for record in records.iter().filter(|record| record.ok) {
            let last = told.iter().filter(|dump| guest_of(dump) == guest_of(&record.into())).collect::<Vec<_>>();
            prop_assert_eq!(last.len(), 1);
            prop_assert!(last[0].at >= record.timestamp);
        }
        for dump in &told {
            prop_assert!(records.iter().any(|record| record.ok && LastDump::from(record) == *dump), "{dump:?}");
        }
        prop_assert!(told.is_sorted_by(|a, b| a.at >= b.at));
    }

    #[test]
    fn pages_tell_every_record_once(
        records in prop::collection::vec(any_record(), 0..40),
        filter in any_filter(),
        sort in any_sort(),
        limit in 1..12_u32,
    ) {
        let (test, records) = catalog_of(records);
        let expected = expected(&records, &filter, sort);
        let mut paged = Vec::new();
        while paged.len() < expected.len() {
            let offset = paged.len() as u64;
            let page = test.catalog.records(&RecordQuery { filter: filter.clone(), sort, limit, offset }).unwrap();
            prop_assert!(page.count > 0);
            paged.extend(page.records);
        }
        prop_assert_eq!(paged, expected);
    }

    #[test]
    fn a_walk_tells_every_record_once_newest_first(
        records in prop::collection::vec(any_record(), 0..40),
        filter in any_filter(),
        step in 1..12_u32,
    ) {
        let (test, records) = catalog_of(records);
        prop_assert_eq!(walk(&test.catalog, &filter, step), expected(&records, &filter, RecordSort::default()));
    }
}

fn found(test: &TestCatalog, search: &str) -> Vec<String> {
    let filter = RecordFilter { search: Some(search.parse().unwrap()), ..RecordFilter::default() };
    let page = test.catalog.records(&RecordQuery { filter, ..RecordQuery::newest(100, 0) }).unwrap();
    page.records.into_iter().map(|record| record.dom.0).collect()
}

#[test]
fn wildcards_of_sql_mean_themselves() {
    let names = ["100%", "100x", "a_b", "axb", r"a\b", "plain"];
    let (test, _) = catalog_of(
        (0..)
            .zip(names)
            .map(|(at, name)| Record { case: None, note: None, ..sparse_record(name, at) })
            .collect(),
    );
    assert_eq!(found(&test, "%"), ["100%"]);
    assert_eq!(found(&test, "0%"), ["100%"]);
    assert_eq!(found(&test, "_"), ["a_b"]);
    assert_eq!(found(&test, r"\"), [r"a\b"]);
    assert_eq!(found(&test, "' OR 1=1 --"), Vec::<String>::new());
}

#[test]
fn one_character_is_enough_for_a_search() {
    let (test, _) = catalog_of(vec![sparse_record("web-01", 1), sparse_record("db-01", 2)]);
    assert_eq!(found(&test, "W"), ["web-01"]);
    // The id of both is 7.
    assert_eq!(found(&test, "7"), ["db-01", "web-01"]);
}

#[test]
fn records_that_arrive_during_a_walk_do_not_repeat_others() {
    let test = TestCatalog::new();
    for at in 0..6 {
        test.catalog.import("a", &[(1, sparse_record("old", at * 10))]).unwrap();
    }
    let all = RecordFilter::default();
    let (first, place) = test.catalog.records_behind(&all, &Reach::Everything, None, 3).unwrap();
    test.catalog.import("a", &[(1, sparse_record("newer", 99)), (2, sparse_record("older", 5))]).unwrap();
    let (next, place) = test.catalog.records_behind(&all, &Reach::Everything, place, 3).unwrap();
    let (rest, end) = test.catalog.records_behind(&all, &Reach::Everything, place, 3).unwrap();
    assert_eq!(end, None);
    let told: Vec<_> = [first, next, rest].concat().iter().map(|record| record.timestamp).collect();
    assert_eq!(told, [50, 40, 30, 20, 10, 5, 0].map(second));
}

#[test]
fn hosts_are_each_told_once_in_order() {
    let on = |host: Option<&str>, at| Record { host: host.map(str::to_owned), ..sparse_record("web", at) };
    let hosts = [Some("hv2"), Some("hv1"), None, Some(""), Some("hv2"), Some("HV3")];
    let (test, _) = catalog_of((0..).zip(hosts).map(|(at, host)| on(host, at)).collect());
    assert_eq!(test.catalog.hosts(&Reach::Everything).unwrap(), ["HV3", "hv1", "hv2"]);
    assert_eq!(TestCatalog::new().catalog.hosts(&Reach::Everything).unwrap(), Vec::<String>::new());
}
