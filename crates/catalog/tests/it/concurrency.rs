//! Threads that ask at the same moment.

use std::sync::Barrier;

use memdeck_catalog::{Enqueued, NewJob};
use memdeck_model::JobState;

use crate::support::*;

const THREADS: usize = 8;

/// Runs `work` on every thread at once and gives what each made.
fn together<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(n)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_requests_for_one_guest_at_the_same_time_exactly_one_is_accepted() {
    for resolved in [false, true] {
        let test = TestCatalog::new();
        let answers = together(|n| {
            let guest = resolved.then(|| guest("web-01", 7));
            test.catalog.enqueue(NewJob { guest, ..new_job(&format!("d{n}"), "web-01") }).unwrap()
        });
        let accepted: Vec<_> =
            answers.iter().filter(|answer| matches!(answer, Enqueued::Accepted(_))).collect();
        assert_eq!(accepted.len(), 1);
        let Enqueued::Accepted(winner) = accepted[0] else { unreachable!() };
        for answer in &answers {
            let (Enqueued::Accepted(job) | Enqueued::AlreadyActive(job) | Enqueued::AskedBefore(job)) =
                answer;
            assert_eq!(job.dump_id, winner.dump_id);
        }
        assert_eq!(test.catalog.active_jobs().unwrap().len(), 1);
    }
}

#[test]
fn workers_never_start_the_same_job_or_more_than_the_limit() {
    let test = TestCatalog::new();
    for n in 0..THREADS {
        test.ask(&format!("d{n}"), &format!("vm-{n}"));
    }
    let mut started: Vec<_> =
        together(|_| test.catalog.start_next(3, second(1)).unwrap()).into_iter().flatten().collect();
    started.sort_by_key(|job| job.seq);
    assert_eq!(ids(&started), ["d0", "d1", "d2"]);
}

#[test]
fn a_dump_that_is_cancelled_and_completed_at_the_same_time_ends_once() {
    let test = TestCatalog::new();
    test.ask("d1", "web-01");
    test.catalog.start_next(1, second(1)).unwrap();
    let ended = together(|n| {
        if n % 2 == 0 {
            test.catalog.end(&id("d1"), &cancelled("operator"), second(2)).is_ok()
        } else {
            test.catalog.complete(&id("d1"), second(2), "done", &record("d1", "web-01", 1)).is_ok()
        }
    });
    assert_eq!(ended.iter().filter(|&&ok| ok).count(), 1);
    let job = test.catalog.job(&id("d1")).unwrap().unwrap();
    assert_eq!(job.record.is_some(), job.state == JobState::Completed);
    assert_eq!(test.catalog.outbox_len().unwrap(), u64::from(job.record.is_some()));
}
