//! Pages of the table of records. Pages are counted from 1, as they are shown and as the URL has them.

use memdeck_model::{Record, RecordPage, RecordQuery};

/// Rows on one page.
pub const PAGE_SIZE: u32 = 25;

/// The last page there can be, far beyond every catalog: it keeps offsets within JavaScript's exact integers.
const LAST_PAGE: u64 = 1_000_000_000;

/// The page that `?page=` asks for; what is no page is the first.
pub fn page_from_query(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, LAST_PAGE)
}

/// The address of `page`, relative to the table's.
pub fn page_to_query(page: u64) -> String {
    if page <= 1 { String::new() } else { format!("?page={page}") }
}

/// What to ask the server for.
pub fn query_of(page: u64) -> RecordQuery {
    RecordQuery::newest(PAGE_SIZE, page.saturating_sub(1).saturating_mul(u64::from(PAGE_SIZE)))
}

/// How many pages `total` records fill; an empty table is one page.
pub fn page_count(total: u64) -> u64 {
    total.div_ceil(u64::from(PAGE_SIZE)).max(1)
}

/// What tells one record from another.
pub fn key_of(record: &Record) -> String {
    match &record.dump_id {
        Some(id) => id.to_string(),
        None => format!("{}/{}/{}", record.dom, record.vmid, record.timestamp),
    }
}

/// Puts a new record where it belongs on the first page, and counts it on every other. A record that is already
/// there is replaced.
pub fn take_in(page: &mut RecordPage, record: Record) {
    let key = key_of(&record);
    if let Some(known) = page.records.iter_mut().find(|known| key_of(known) == key) {
        *known = record;
        return;
    }
    page.total = page.total.saturating_add(1);
    if page.offset > 0 {
        return;
    }
    let place = page.records.partition_point(|known| known.timestamp > record.timestamp);
    page.records.insert(place, record);
    page.records.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    page.count = u64::try_from(page.records.len()).unwrap_or(u64::MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, second: i64) -> Record {
        let time = memdeck_model::Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let json = serde_json::json!({"timestamp": time, "time": time, "dom": id, "vmid": "1", "dump_id": id, "ok": true});
        serde_json::from_value(json).unwrap()
    }

    fn page(offset: u64, limit: u32, records: Vec<Record>) -> RecordPage {
        RecordPage { count: 0, limit, offset, total: offset + 2, records }
    }

    fn names(page: &RecordPage) -> Vec<&str> {
        page.records.iter().map(|record| record.dom.0.as_str()).collect()
    }

    #[test]
    fn what_is_no_page_is_the_first() {
        let pages =
            [None, Some(""), Some("0"), Some("-1"), Some("x"), Some("1.5"), Some("2")].map(page_from_query);
        assert_eq!(pages, [1, 1, 1, 1, 1, 1, 2]);
        assert_eq!(page_from_query(Some("18446744073709551615")), LAST_PAGE);
    }

    #[test]
    fn a_page_in_the_address_is_read_back() {
        assert_eq!([page_to_query(1), page_to_query(2)], ["", "?page=2"]);
    }

    #[test]
    fn pages_are_counted_from_one() {
        assert_eq!((query_of(1).offset, query_of(3).offset), (0, 50));
        assert_eq!([0, 1, 25, 26, 50, 51].map(page_count), [1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn a_new_record_takes_its_place_by_time_on_the_first_page() {
        let mut first = page(0, 3, vec![record("c", 30), record("a", 10)]);
        take_in(&mut first, record("b", 20));
        assert_eq!((names(&first), first.total, first.count), (vec!["c", "b", "a"], 3, 3));
        take_in(&mut first, record("d", 40));
        assert_eq!((names(&first), first.total, first.count), (vec!["d", "c", "b"], 4, 3));
    }

    #[test]
    fn a_record_that_is_already_there_is_not_counted_again() {
        let mut first = page(0, 3, vec![record("b", 20), record("a", 10)]);
        let mut again = record("b", 20);
        again.vmid = "9".into();
        take_in(&mut first, again);
        assert_eq!((names(&first), first.total), (vec!["b", "a"], 2));
        assert_eq!(first.records[0].vmid, "9");
    }

    #[test]
    fn other_pages_keep_their_rows_and_count_it() {
        let mut second = page(25, 25, vec![record("a", 10)]);
        take_in(&mut second, record("z", 99));
        assert_eq!((names(&second), second.total), (vec!["a"], 28));
    }
}
