//! Targets, rules, and the outbox of messages.

use std::collections::BTreeSet;

use memdeck_catalog::{DueDelivery, Raised};
use memdeck_model::notice::{
    DeliveryQuery, DeliveryState, GuestOf, Happening, NewRule, NewTarget, Notice, TargetName,
};
use memdeck_model::{Millis, Timestamp};

use crate::support::*;

const GATHER: Millis = Millis(5_000);

fn name(name: &str) -> TargetName {
    name.parse().unwrap()
}

fn target(name: &str) -> NewTarget {
    let address = r#"{"kind": "webhook", "url": "https://ops.example/s3cret-path", "secret": "s3cret"}"#;
    NewTarget { name: name.parse().unwrap(), address: serde_json::from_str(address).unwrap() }
}

/// That the dump `dump_id` of `guest` failed.
fn failure(dump_id: &str, guest: &str, run: Option<&str>) -> Notice {
    let event = Happening::DumpFailed {
        dump_id: id(dump_id),
        guest: GuestOf { name: guest.to_owned(), uuid: None },
        reason: Some(failed("two\nlines")),
        detail: "two\nlines".into(),
    };
    notice(dump_id, event, run)
}

fn notice(id: &str, event: Happening, run: Option<&str>) -> Notice {
    Notice {
        id: format!("n-{id}"),
        at: second(1),
        severity: event.kind().severity(),
        host: None,
        run: run.map(str::to_owned),
        event,
    }
}

impl TestCatalog {
    /// With targets that are told everything.
    fn telling(names: &[&str]) -> Self {
        let test = Self::new();
        for name in names {
            assert!(test.catalog.add_notice_target(&target(name), second(0)).unwrap());
            let rule = NewRule::everything(name.parse().unwrap());
            test.catalog.add_notice_rule(&rule).unwrap().unwrap();
        }
        test
    }

    fn raise(&self, notices: &[Notice], at: i64) -> Raised {
        let mut n = 0;
        let new_id = || {
            n += 1;
            format!("m-{at}-{n}")
        };
        self.catalog.raise_notices(notices, second(at), GATHER, new_id).unwrap()
    }

    fn due(&self, at: i64) -> Vec<DueDelivery> {
        self.catalog.take_due_deliveries(second(at), &BTreeSet::new()).unwrap()
    }

    fn states(&self) -> Vec<(String, DeliveryState)> {
        let query = DeliveryQuery { limit: 100, ..DeliveryQuery::default() };
        let log = self.catalog.deliveries(&query).unwrap();
        log.deliveries.into_iter().map(|delivery| (delivery.id, delivery.state)).collect()
    }
}

fn guests(due: &DueDelivery) -> Vec<&str> {
    let named = due.message.notices.iter().filter_map(|notice| notice.event.guest());
    named.map(|guest| guest.name.as_str()).collect()
}

#[test]
fn what_happens_to_many_guests_of_one_run_is_one_message() {
    let test = TestCatalog::telling(&["ops"]);
    test.raise(&[failure("d1", "a", Some("r1")), failure("d2", "b", Some("r2"))], 10);
    test.raise(&[failure("d3", "c", Some("r1"))], 12);
    assert_eq!(test.due(14), []);
    let test = test.reopen();
    let due = test.due(15);
    assert_eq!(due.iter().map(guests).collect::<Vec<_>>(), [["a", "c"]], "one target, one message at a time");
    test.catalog.delivery_arrived("m-10-1", second(16)).unwrap();
    assert_eq!(test.due(16).iter().map(guests).collect::<Vec<_>>(), [["b"]]);
}

#[test]
fn what_is_raised_while_a_message_is_on_its_way_is_not_acknowledged_with_it() {
    let test = TestCatalog::telling(&["ops"]);
    test.raise(&[failure("d1", "a", None)], 10);
    let on_its_way = test.due(15).remove(0);
    // The clock may have been put back meanwhile.
    test.raise(&[failure("d2", "b", None)], 11);
    test.catalog.delivery_arrived(&on_its_way.message.id, second(16)).unwrap();
    assert_eq!(guests(&test.due(60)[0]), ["b"]);
}

#[test]
fn what_was_told_is_not_told_again() {
    let test = TestCatalog::telling(&["ops"]);
    assert_eq!(test.raise(&[failure("d1", "a", None)], 10).messages, 1);
    let test = test.reopen();
    assert_eq!(test.raise(&[failure("d1", "a", None)], 20), Raised::default());
    let away = |id: &str| notice(id, Happening::HostAway { why: "x".into() }, None);
    assert_eq!(test.raise(&[away("1"), away("2")], 30).messages, 2, "a host goes away again and again");
}

#[test]
fn a_message_that_fails_comes_again_under_its_id_until_it_is_given_up_and_when_it_is_asked_for() {
    let test = TestCatalog::telling(&["ops", "other"]);
    test.raise(&[failure("d1", "a", None)], 10);
    let ids: Vec<String> = test.due(15).into_iter().map(|due| due.message.id).collect();
    assert_eq!(ids, ["m-10-1", "m-10-2"]);
    test.catalog.delivery_failed("m-10-1", &"503".into(), second(15), Some(second(20))).unwrap();
    test.catalog.delivery_arrived("m-10-2", second(15)).unwrap();
    assert_eq!(test.due(19), []);
    assert_eq!(test.catalog.next_delivery_at(&BTreeSet::new()).unwrap(), Some(second(20)));
    assert_eq!(test.catalog.next_delivery_at(&BTreeSet::from([name("ops")])).unwrap(), None);
    let again = test.reopen();
    let due = again.due(20).remove(0);
    assert_eq!((due.message.id.as_str(), due.attempts), ("m-10-1", 1));
    again.catalog.delivery_failed("m-10-1", &"404".into(), second(20), None).unwrap();
    assert_eq!(
        again.states(),
        [("m-10-2".to_owned(), DeliveryState::Delivered), ("m-10-1".to_owned(), DeliveryState::Dead)]
    );
    assert_eq!(again.due(1_000_000), []);

    assert_eq!(again.catalog.retry_delivery("m-10-2", second(30)).unwrap(), None, "it has arrived");
    let retried = again.catalog.retry_delivery("m-10-1", second(30)).unwrap().unwrap();
    assert_eq!((retried.state, retried.attempts), (DeliveryState::Waiting, 2));
    let due = again.due(30).remove(0);
    assert_eq!((due.message.id.as_str(), due.tried_from), ("m-10-1", second(30)));
}

#[test]
fn a_target_that_is_slow_holds_up_no_other() {
    let test = TestCatalog::telling(&["fast", "slow"]);
    test.raise(&[failure("d1", "a", None)], 10);
    let busy = BTreeSet::from([name("slow")]);
    let due = test.catalog.take_due_deliveries(second(15), &busy).unwrap();
    assert_eq!(due.into_iter().map(|due| due.target).collect::<Vec<_>>(), [name("fast")]);
}

#[test]
fn a_message_that_a_wrong_clock_dated_is_sent_all_the_same() {
    let test = TestCatalog::telling(&["ops"]);
    test.raise(&[failure("d1", "a", None)], 1_000_000);
    assert_eq!(test.due(500).len(), 1, "the clock was eleven days ahead");
}

#[test]
fn only_what_a_rule_wants_is_told_and_a_target_is_told_once() {
    let test = TestCatalog::telling(&["ops", "quiet"]);
    let rules = test.catalog.notice_rules().unwrap();
    assert!(test.catalog.remove_notice_rule(rules[1].id).unwrap());
    assert!(!test.catalog.remove_notice_rule(rules[1].id).unwrap());
    test.catalog.add_notice_rule(&NewRule::everything(name("ops"))).unwrap().unwrap();
    assert_eq!(test.raise(&[failure("d1", "a", None)], 10).messages, 1);
    assert_eq!(test.catalog.add_notice_rule(&NewRule::everything(name("nobody"))).unwrap(), None);
}

#[test]
fn a_removed_target_takes_its_rules_and_secrets_along_and_leaves_the_log() {
    let test = TestCatalog::telling(&["ops"]);
    assert!(!test.catalog.add_notice_target(&target("ops"), second(1)).unwrap(), "there is one");
    test.raise(&[failure("d1", "a", None)], 10);
    assert_eq!(test.catalog.notice_targets().unwrap()[0].waiting, 1);
    assert!(test.catalog.remove_notice_target(&name("ops"), second(11)).unwrap());
    assert!(!test.catalog.remove_notice_target(&name("ops"), second(11)).unwrap());
    assert_eq!(test.catalog.notice_rules().unwrap(), []);
    let log = test.catalog.deliveries(&DeliveryQuery::default().bounded()).unwrap();
    let delivery = &log.deliveries[0];
    assert_eq!((log.total, delivery.state, delivery.ended_at), (1, DeliveryState::Dead, Some(second(11))));
    assert_eq!(test.catalog.retry_delivery("m-10-1", second(12)).unwrap(), None, "nobody would get it");
    assert_eq!(test.catalog.notice_address(&name("ops")).unwrap(), None);
}

#[test]
fn more_messages_than_can_ever_be_sent_are_refused_and_what_ended_is_forgotten_at_some_time() {
    let test = TestCatalog::telling(&["ops"]);
    let raised: Timestamp = second(1);
    let many: Vec<Notice> =
        (0..10_050).map(|n| failure(&format!("d{n}"), "a", Some(&format!("r{n}")))).collect();
    let told = test.raise(&many, 1);
    assert_eq!((told.messages, told.refused), (10_000, 50));
    let first = test.due(100).remove(0);
    assert_eq!(first.tried_from, raised);
    test.catalog.delivery_arrived(&first.message.id, second(100)).unwrap();
    assert_eq!(test.raise(&[failure("e1", "a", None)], 101).messages, 1);
}
