//! The page's address, which may come from anybody's link: whatever stands in it is a view of the table, which is written
//! and read again unchanged, and asks the server for what it may.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_app::fuzzing::RecordsView;
use memdeck_fuzz::damaged;
use memdeck_model::{Day, RecordQuery};

const PATH: &str = "/memory-dumps";
const QUERIES: [&str; 3] = [
    "?search=web+100%25&from=2025-11-01&to=2025-11-14&state=failed&host=hv+1&mode=live",
    "?sort=dom&order=desc&page=3&rows=100&size=raw&refresh=off&dump=some-id",
    "?page=18446744073709551615&rows=7&from=9998-12-31&to=1970-01-01&search=%F0%9F",
];

fuzz_target!(|data: &[u8]| {
    let query = damaged(&mut Unstructured::new(data), &QUERIES.map(str::as_bytes));
    let query = String::from_utf8_lossy(&query);
    let mut view = RecordsView::from_query(&query);
    // What means nothing is named once and not written again.
    view.meaningless.clear();
    let href = view.href();
    let written = href.strip_prefix(PATH).expect("the page's path");
    assert_eq!(RecordsView::from_query(written), view, "{query:?}");
    assert_eq!(RecordsView::from_query(written).href(), href);
    assert!(view.export_href(Day::start_utc).starts_with("api/memory-dumps/export.csv"));
    if let Ok(asked) = view.query(Day::start_utc) {
        assert_eq!(asked.filter.check(), Ok(()));
        assert!((1..=RecordQuery::DEFAULT_LIMIT).contains(&asked.limit));
        // JavaScript's exact integers.
        assert!(asked.offset < 1 << 53, "{}", asked.offset);
        assert!(asked.filter.is_empty() || view.is_filtered());
    }
});
