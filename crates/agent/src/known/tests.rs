use memdeck_model::Actor;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_micros(second * 1_000_000).unwrap()
}

fn status(dump_id: &str, state: &str, progress: f64) -> DumpStatus {
    let json = serde_json::json!({"dump_id": dump_id, "vm": "7", "state": state, "progress": progress});
    serde_json::from_value(json).unwrap()
}

fn look(known: &mut Known, statuses: &[DumpStatus], second: i64) -> Changes {
    let before = known.active();
    known.take_in(statuses.iter().cloned(), &before, at(second))
}

fn fresh() -> Known {
    Known::new("http://hv2:5001".into(), Vec::new(), None)
}

#[test]
fn a_service_that_cannot_store_is_warned_of_until_it_can() {
    let failed = |check, detail: &str| FailedCheck { check, detail: detail.into() };
    let mut known = Known::new("http://kvm-01:5001".to_owned(), Vec::new(), None);
    let away = failed(ReadinessCheck::Hypervisor, "No guests.");
    let full = failed(ReadinessCheck::StateDir, "STATE_DIR is full.");
    known.note_readiness(Some(&Readiness::of(vec![away.clone(), full])));
    assert_eq!(known.health().warning, Some("STATE_DIR is full.".into()));
    known.note_readiness(Some(&Readiness::of(vec![away])));
    assert_eq!(known.health().warning, None);
    assert!(!known.lacks.readiness);
    known.note_readiness(None);
    assert!(known.lacks.readiness, "an older service is not asked again");
}

#[test]
fn a_dump_that_the_service_forgets_ends_as_lost_with_what_was_known_of_it() {
    let mut known = fresh();
    look(&mut known, &[status("a", "running", 56.0)], 1);
    assert!(look(&mut known, &[], 2).told.is_empty(), "one answer may be older than the dump");
    let changes = look(&mut known, &[], 3);
    let lost = &changes.told[0];
    assert_eq!((lost.exact_state(), lost.finished_at, lost.progress), (JobState::Failed, Some(at(3)), 56.0));
    assert_eq!(lost.end_reason, Some(EndReason::ServiceGone { service: "http://hv2:5001".to_owned() }));
    assert_eq!(
        lost.message.to_string(),
        "the dump service http://hv2:5001 does not know this dump any more: it was restarted or forgot it; start the \
         dump again. At 1970-01-01T00:00:01.000000Z it was running at 56.0 %."
    );
    assert_eq!((changes.states.len(), known.lost().len()), (1, 1));
    assert!(look(&mut known, &[], 4).told.is_empty(), "once");
}

#[test]
fn a_dump_that_is_missing_once_goes_on() {
    let mut known = fresh();
    for (second, statuses) in
        (1..).zip([vec![status("a", "running", 1.0)], vec![], vec![status("a", "running", 1.0)], vec![]])
    {
        assert!(look(&mut known, &statuses, second).states.len() <= usize::from(second == 1));
    }
    assert_eq!(known.active().len(), 1);
}

#[test]
fn a_dump_that_began_while_the_answer_was_on_its_way_is_not_missing() {
    let mut known = fresh();
    let before = known.active();
    known.ask(vec![RemoteDump::told(status("a", "queued", 0.0), at(1))], &BTreeSet::new());
    for _ in 0..5 {
        assert!(known.take_in(std::iter::empty(), &before, at(2)).told.is_empty());
    }
}

#[test]
fn an_import_without_an_end_is_tried_again_later_and_later() {
    let mut known = fresh();
    let mut waits = Vec::new();
    for _ in 0..9 {
        known.note_import(Some("it does not advance".into()));
        assert!(!known.may_import() && !known.records_are_current);
        waits.push(known.import_again.unwrap().1.as_secs());
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
    known.note_import(None);
    assert!(known.may_import() && known.records_are_current && known.health().warning.is_none());
}

#[test]
fn who_asked_is_kept_of_a_dump_that_is_heard_of_before_the_answer_and_not_taken_from_an_earlier_one() {
    let asked = |by: Option<Actor>| RemoteDump {
        requested_by: by,
        ..RemoteDump::told(status("a", "queued", 0.0), at(1))
    };
    let mut known = fresh();
    let before = known.ids();
    look(&mut known, &[status("a", "queued", 0.0)], 1);
    known.ask(vec![asked(Some(Actor::Page))], &before);
    assert_eq!(known.dumps()[0].requested_by, Some(Actor::Page));
    let before = known.ids();
    known.ask(vec![asked(Some(Actor::Api))], &before);
    assert_eq!(known.dumps()[0].requested_by, Some(Actor::Page));
}
