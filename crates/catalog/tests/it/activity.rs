//! What the activity log is made of.

use crate::support::{TestCatalog, cancelled, id, ids, new_job, second, sparse_record};

#[test]
fn the_job_to_which_something_happened_last_is_first() {
    let test = TestCatalog::new();
    for (dump_id, vm, asked) in [("a", "web-01", 0), ("b", "db-01", 1), ("c", "mail", 2)] {
        let mut job = new_job(dump_id, vm);
        job.queued_at = second(asked);
        test.catalog.enqueue(job).unwrap();
    }
    assert_eq!(ids(&test.catalog.latest_jobs(10).unwrap()), ["c", "b", "a"]);

    test.catalog.start_next(1, second(3)).unwrap().unwrap();
    assert_eq!(ids(&test.catalog.latest_jobs(10).unwrap()), ["a", "c", "b"]);

    test.catalog.end(&id("b"), &cancelled("page"), second(4)).unwrap();
    assert_eq!(ids(&test.catalog.latest_jobs(10).unwrap()), ["b", "a", "c"]);
    assert_eq!(ids(&test.catalog.latest_jobs(2).unwrap()), ["b", "a"]);
}

#[test]
fn records_of_own_dumps_are_not_told_twice() {
    let test = TestCatalog::new();
    test.completed("own", "web-01", 5);
    let imported = [(1, sparse_record("db-01", 1)), (2, sparse_record("db-02", 2))];
    test.catalog.import("http://kvm-02:5001", &imported).unwrap();
    let names = |limit| {
        let records = test.catalog.latest_imported(limit).unwrap();
        records.into_iter().map(|record| record.dom.0).collect::<Vec<_>>()
    };
    assert_eq!(names(10), ["db-02", "db-01"]);
    assert_eq!(names(1), ["db-02"]);
    assert_eq!(ids(&test.catalog.latest_jobs(10).unwrap()), ["own"]);
}
