//! Records that wait for the time-series store.

use crate::support::*;

#[test]
fn a_point_waits_until_it_is_acknowledged() {
    let test = TestCatalog::new();
    test.completed("d1", "a", 1);
    test.completed("d2", "b", 2);
    assert_eq!(test.catalog.outbox_len().unwrap(), 2);

    let test = test.reopen();
    let first = test.catalog.outbox_next(1).unwrap().remove(0);
    assert_eq!(first.record.dump_id, Some(id("d1")));
    test.catalog.outbox_acknowledge(first.id).unwrap();
    test.catalog.outbox_acknowledge(first.id).unwrap();
    assert_eq!(test.catalog.outbox_len().unwrap(), 1);
    assert_eq!(test.catalog.stats().unwrap().total_dumps, 2, "the record stays");
}

#[test]
fn a_refused_point_stays_with_its_error_and_lets_others_pass() {
    let test = TestCatalog::new();
    test.completed("d1", "a", 1);
    test.completed("d2", "b", 2);
    let refused = test.catalog.outbox_next(1).unwrap().remove(0);
    test.catalog.outbox_defer(refused.id, "refused: 400").unwrap();
    test.catalog.outbox_defer(refused.id, "refused: 401").unwrap();

    let waiting = test.reopen().catalog.outbox_next(10).unwrap();
    let told: Vec<_> =
        waiting.iter().map(|e| (e.record.dom.0.as_str(), e.attempts, e.last_error.as_deref())).collect();
    assert_eq!(told, [("b", 0, None), ("a", 2, Some("refused: 401"))]);
}
