//! Pages of the table of records, and where in one a new record belongs.

use memdeck_model::{Record, RecordPage, RecordSort};

/// How many pages of `page_size` rows `total` records fill; an empty table is one page.
pub fn page_count(total: u64, page_size: u32) -> u64 {
    total.div_ceil(u64::from(page_size.max(1))).max(1)
}

/// What distinguishes one record from another.
pub fn key_of(record: &Record) -> String {
    match &record.dump_id {
        Some(id) => id.to_string(),
        None => format!("{}/{}/{}", record.dom, record.vmid, record.timestamp),
    }
}

/// Whether both show the same records in the same order.
pub fn same_rows(a: &RecordPage, b: &RecordPage) -> bool {
    a.records.iter().map(key_of).eq(b.records.iter().map(key_of))
}

/// Replaces a record that the page shows already. Returns whether it does.
pub fn replace(page: &mut RecordPage, record: &Record) -> bool {
    let key = key_of(record);
    match page.records.iter_mut().find(|known| key_of(known) == key) {
        Some(known) => {
            *known = record.clone();
            true
        }
        None => false,
    }
}

/// Puts a new record where it belongs on the first page.
pub fn take_in(page: &mut RecordPage, record: Record, sort: RecordSort) {
    page.total = page.total.saturating_add(1);
    // Before its equals: it was stored last.
    let place = page.records.partition_point(|known| sort.compare(known, &record).is_lt());
    page.records.insert(place, record);
    page.records.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    page.count = u64::try_from(page.records.len()).unwrap_or(u64::MAX);
}

#[cfg(test)]
mod tests {
    use memdeck_model::{GuestName, RecordColumn, SortOrder, Timestamp};

    use super::*;

    fn record(id: &str, second: i64) -> Record {
        let time = Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let dump_id = Some(id.parse().unwrap());
        Record { dump_id, ..Record::unknown(GuestName(id.to_owned()), "1".to_owned(), time) }
    }

    fn page(limit: u32, records: Vec<Record>) -> RecordPage {
        RecordPage { count: 0, limit, offset: 0, total: 2, records }
    }

    fn names(page: &RecordPage) -> Vec<&str> {
        page.records.iter().map(|record| record.dom.0.as_str()).collect()
    }

    #[test]
    fn pages_are_counted_from_one() {
        assert_eq!([0, 1, 25, 26, 50, 51].map(|total| page_count(total, 25)), [1, 1, 1, 2, 2, 3]);
        assert_eq!(page_count(100_000, 10), 10_000);
    }

    #[test]
    fn a_new_record_takes_its_place_in_the_order_of_the_table() {
        let newest = RecordSort::default();
        let mut first = page(3, vec![record("c", 30), record("a", 10)]);
        take_in(&mut first, record("b", 20), newest);
        assert_eq!((names(&first), first.total, first.count), (vec!["c", "b", "a"], 3, 3));
        take_in(&mut first, record("d", 40), newest);
        assert_eq!((names(&first), first.total, first.count), (vec!["d", "c", "b"], 4, 3));

        let by_name = RecordSort { by: RecordColumn::Dom, order: SortOrder::Asc };
        let mut first = page(3, vec![record("a", 10), record("c", 30)]);
        take_in(&mut first, record("b", 40), by_name);
        assert_eq!(names(&first), ["a", "b", "c"]);
        take_in(&mut first, record("z", 50), by_name);
        assert_eq!((names(&first), first.total), (vec!["a", "b", "c"], 4), "it is on a later page");
    }

    #[test]
    fn a_record_that_is_already_there_is_replaced_where_it_is() {
        let mut first = page(3, vec![record("b", 20), record("a", 10)]);
        let again = Record { vmid: "9".to_owned(), ..record("a", 10) };
        assert!(replace(&mut first, &again));
        assert_eq!((names(&first), first.total, first.records[1].vmid.as_str()), (vec!["b", "a"], 2, "9"));
        assert!(!replace(&mut first, &record("c", 30)));
    }

    #[test]
    fn rows_are_the_same_when_the_same_dumps_are_in_the_same_order() {
        let shown = page(3, vec![record("b", 20), record("a", 10)]);
        assert!(same_rows(&shown, &RecordPage { total: 9, ..shown.clone() }));
        assert!(!same_rows(&shown, &page(3, vec![record("a", 10), record("b", 20)])));
    }
}
