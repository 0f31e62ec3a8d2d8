//! Requests under a key: claimed once, answered once, forgotten after a day.

use memdeck_catalog::{Claim, Enqueued};
use memdeck_model::RequestKey;

use crate::support::{TestCatalog, accepted, cancelled, new_job, second};

const DAY: i64 = 24 * 60 * 60;

fn key(text: &str) -> RequestKey {
    text.parse().unwrap()
}

fn open(plan: Option<&str>) -> Claim {
    Claim::Open { passed_on: key("fresh-1"), plan: plan.map(ToOwned::to_owned) }
}

#[test]
fn a_request_stays_open_with_what_was_decided_until_it_is_answered_and_is_known_for_a_day() {
    let test = TestCatalog::new();
    let claim = |body: &[u8], fresh, at| {
        test.catalog.claim_request(&key("k"), body, &key(fresh), second(at)).unwrap()
    };
    assert_eq!(claim(b"web", "fresh-1", 0), open(None));
    assert_eq!(claim(b"web", "fresh-2", 1), open(None), "hosts are asked by the first key");
    assert_eq!(claim(b"db", "fresh-2", 1), Claim::OtherBody);
    test.catalog.plan_request(&key("k"), "{\"of\": 1}").unwrap();
    assert_eq!(claim(b"web", "fresh-2", 2), open(Some("{\"of\": 1}")));
    test.catalog.answer_request(&key("k"), "[1]").unwrap();

    let test = test.reopen();
    let claim = |body: &[u8], fresh, at| {
        test.catalog.claim_request(&key("k"), body, &key(fresh), second(at)).unwrap()
    };
    assert_eq!(claim(b"web", "fresh-2", DAY), Claim::Answered("[1]".to_owned()));
    assert_eq!(claim(b"db", "fresh-2", DAY), Claim::OtherBody);
    assert_eq!(claim(b"db", "fresh-1", DAY + 1), open(None), "another day");
}

#[test]
fn the_number_of_keys_is_limited() {
    let test = TestCatalog::new();
    let claim = |n: u32| {
        test.catalog.claim_request(&key(&format!("k{n}")), b"web", &key("fresh-1"), second(n.into())).unwrap()
    };
    for n in 0..10_000 {
        assert_eq!(claim(n), open(None));
    }
    assert_eq!(claim(10_000), Claim::Full { limit: 10_000 });
    assert_eq!(claim(5), open(None), "one that is known still is");
}

#[test]
fn what_was_asked_for_under_a_key_leads_to_the_same_job_even_when_that_has_ended() {
    let test = TestCatalog::new();
    let first = accepted(test.catalog.enqueue_once(new_job("d1", "web-01"), Some(&key("k"))).unwrap());
    test.catalog.end_queued(&first.dump_id, &cancelled("ada"), second(1)).unwrap();
    let again = test.catalog.enqueue_once(new_job("d2", "web-01"), Some(&key("k"))).unwrap();
    assert!(matches!(&again, Enqueued::AskedBefore(job) if job.dump_id == first.dump_id), "{again:?}");
    accepted(test.catalog.enqueue_once(new_job("d3", "db-01"), Some(&key("k"))).unwrap());
    accepted(test.catalog.enqueue_once(new_job("d4", "web-01"), Some(&key("other"))).unwrap());
    let active = test.catalog.enqueue_once(new_job("d5", "web-01"), Some(&key("third"))).unwrap();
    assert!(matches!(&active, Enqueued::AlreadyActive(job) if job.dump_id.as_str() == "d4"), "{active:?}");
    let active = test.catalog.enqueue_once(new_job("d6", "web-01"), Some(&key("third"))).unwrap();
    assert!(matches!(&active, Enqueued::AskedBefore(job) if job.dump_id.as_str() == "d4"), "{active:?}");
}
