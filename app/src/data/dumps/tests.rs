//! What the list of dumps does with news; and dumps for the tests of its parts.

use memdeck_model::{
    ByteCount, CaptureMode, DumpId, DumpState, DumpStatus, EndReason, Guest, GuestName, GuestState, Timestamp,
};

use super::jobs::{Cancel, Change, Counts, Job, Jobs};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_micros(second * 1_000_000).unwrap()
}

fn status(id: &str, state: DumpState, progress: f64) -> DumpStatus {
    status_of_guest("web-01", id, state, progress)
}

fn status_of_guest(vm: &str, id: &str, state: DumpState, progress: f64) -> DumpStatus {
    let json = serde_json::json!({"dump_id": id, "vm": vm, "state": state, "progress": progress});
    serde_json::from_value(json).unwrap()
}

fn guest(name: &str, id: Option<u32>) -> Guest {
    Guest {
        host: None,
        id,
        name: GuestName(name.into()),
        uuid: format!("uuid-of-{name}"),
        state: GuestState::Running,
        vcpus: 1,
        memory_max: ByteCount(0),
        memory: ByteCount(0),
        cpu_time_ns: 0,
    }
}

/// A running dump of web-01, with further `fields` from the service.
pub fn job(fields: serde_json::Value) -> Job {
    let mut status =
        serde_json::json!({"dump_id": "a", "vm": "web-01", "state": "running", "progress": 50.0});
    let serde_json::Value::Object(fields) = fields else { panic!("fields are an object") };
    status.as_object_mut().unwrap().extend(fields);
    let mut jobs = Jobs::default();
    jobs.tell(serde_json::from_value(status).unwrap(), at(100));
    jobs.get(&"a".parse().unwrap()).unwrap().clone()
}

/// A dump in `state`, with what became of the wish to cancel it.
pub fn job_in(state: &str, cancel: Option<Cancel>) -> Job {
    Job { cancel, ..job(serde_json::json!({"state": state})) }
}

fn told(statuses: &[(&str, DumpState, f64)]) -> (Jobs, Vec<Change>) {
    let mut jobs = Jobs::default();
    let changes =
        statuses.iter().map(|&(id, state, progress)| jobs.tell(status(id, state, progress), at(0))).collect();
    (jobs, changes)
}

fn state_of(jobs: &Jobs, id: &str) -> Option<(DumpState, f64)> {
    let job = jobs.get(&id.parse().unwrap())?;
    Some((job.status.state, job.status.progress))
}

#[test]
fn the_end_of_a_dump_that_was_seen_running_calls_for_attention_once() {
    let (_, changes) = told(&[
        ("a", DumpState::Queued, 0.0),
        ("a", DumpState::Running, 40.0),
        ("a", DumpState::Completed, 100.0),
        ("a", DumpState::Completed, 100.0),
    ]);
    assert_eq!(changes, [Change::Ordinary, Change::Ordinary, Change::Ended, Change::Ordinary]);
}

#[test]
fn a_dump_that_had_ended_when_the_page_opened_calls_for_none() {
    let (_, changes) = told(&[("a", DumpState::Failed, 0.0)]);
    assert_eq!(changes, [Change::Ordinary]);
}

#[test]
fn a_dump_never_goes_backwards() {
    let (jobs, _) = told(&[("a", DumpState::Running, 40.0), ("a", DumpState::Running, 30.0)]);
    assert_eq!(state_of(&jobs, "a"), Some((DumpState::Running, 40.0)));
    let (jobs, _) = told(&[("a", DumpState::Failed, 10.0), ("a", DumpState::Running, 90.0)]);
    assert_eq!(state_of(&jobs, "a"), Some((DumpState::Failed, 10.0)));
}

#[test]
fn a_dump_that_begins_anew_as_a_frozen_one_begins_at_zero() {
    let of_mode = |mode, progress| {
        let mut status = status("a", DumpState::Running, progress);
        status.mode = Some(mode);
        status
    };
    let mut jobs = Jobs::default();
    for status in [
        status("a", DumpState::Running, 0.0),
        of_mode(CaptureMode::Live, 40.0),
        of_mode(CaptureMode::Frozen, 0.0),
        of_mode(CaptureMode::Live, 41.0),
    ] {
        jobs.tell(status, at(0));
    }
    let known = &jobs.get(&"a".parse().unwrap()).unwrap().status;
    assert_eq!((known.mode, known.progress.to_string()), (Some(CaptureMode::Frozen), "0".to_owned()));
}

#[test]
fn a_dump_is_cancelled_once_and_again_only_after_a_refusal() {
    let (mut jobs, _) = told(&[("a", DumpState::Running, 1.0)]);
    let id = "a".parse().unwrap();
    assert_eq!([jobs.ask_cancel(&id), jobs.ask_cancel(&id)], [true, false]);
    jobs.refuse_cancel(&id, "no answer".into());
    assert_eq!(jobs.get(&id).unwrap().cancel, Some(Cancel::Refused("no answer".into())));
    assert!(jobs.ask_cancel(&id));
}

#[test]
fn a_dump_that_has_ended_is_not_cancelled() {
    let (mut jobs, _) = told(&[("a", DumpState::Running, 1.0), ("a", DumpState::Completed, 100.0)]);
    let id = "a".parse().unwrap();
    assert!(!jobs.ask_cancel(&id));
    jobs.refuse_cancel(&id, "too late".into());
    assert_eq!(jobs.get(&id).unwrap().cancel, None);
    assert!(!jobs.ask_cancel(&"unknown".parse().unwrap()));
}

#[test]
fn a_full_list_removes_what_vanished_but_not_what_began_since() {
    let (mut jobs, _) = told(&[("gone", DumpState::Running, 1.0), ("stays", DumpState::Running, 1.0)]);
    let before = jobs.active_ids();
    jobs.tell(status("new", DumpState::Queued, 0.0), at(0));
    jobs.reconcile(vec![status("stays", DumpState::Running, 2.0)], &before, at(0));
    assert_eq!(state_of(&jobs, "gone"), None);
    assert_eq!(state_of(&jobs, "stays"), Some((DumpState::Running, 2.0)));
    assert_eq!(state_of(&jobs, "new"), Some((DumpState::Queued, 0.0)));
}

#[test]
fn an_ended_dump_stays_for_ten_minutes_or_until_dismissed() {
    let (mut jobs, _) = told(&[("a", DumpState::Completed, 100.0)]);
    jobs.tell(status_of_guest("db-01", "b", DumpState::Failed, 5.0), at(0));
    jobs.dismiss(&"b".parse().unwrap());
    jobs.tell(status("b", DumpState::Failed, 5.0), at(1));
    assert_eq!(state_of(&jobs, "b"), None);
    jobs.reconcile(Vec::new(), &[], at(599));
    assert!(state_of(&jobs, "a").is_some());
    jobs.reconcile(Vec::new(), &[], at(600));
    assert_eq!(state_of(&jobs, "a"), None);
}

fn at_second(vm: &str, id: &str, second: i64, state: DumpState) -> DumpStatus {
    DumpStatus { queued_at: Some(at(second)), ..status_of_guest(vm, id, state, 0.0) }
}

fn shown(jobs: &Jobs) -> Vec<String> {
    shown_with(jobs, &[])
}

fn shown_with(jobs: &Jobs, held: &[&str]) -> Vec<String> {
    let held: Vec<DumpId> = held.iter().map(|id| id.parse().unwrap()).collect();
    jobs.shown(&held).iter().map(ToString::to_string).collect()
}

/// Two that run, of which the second began first, one that waits, and two that ended, the second later.
fn of_every_state() -> Jobs {
    let mut jobs = Jobs::default();
    for (id, state, second) in [
        ("ended-first", DumpState::Completed, 1),
        ("ended-last", DumpState::Failed, 2),
        ("waits", DumpState::Queued, 3),
        ("runs", DumpState::Running, 4),
        ("runs-too", DumpState::Running, 5),
    ] {
        jobs.tell(at_second(id, id, second, state), at(second));
    }
    jobs
}

#[test]
fn running_dumps_stand_above_waiting_ones_and_those_above_ended_ones_the_latest_first() {
    assert_eq!(shown(&of_every_state()), ["runs", "runs-too", "waits", "ended-last", "ended-first"]);
}

#[test]
fn rows_that_are_in_use_hold_their_places_and_new_ones_follow() {
    let mut jobs = of_every_state();
    let before = shown(&jobs);
    let held: Vec<&str> = before.iter().map(String::as_str).collect();
    for (id, state) in
        [("runs", DumpState::Completed), ("waits", DumpState::Running), ("new", DumpState::Running)]
    {
        jobs.tell(at_second(id, id, 6, state), at(6));
    }
    assert_eq!(shown_with(&jobs, &held), ["runs", "runs-too", "waits", "ended-last", "ended-first", "new"]);
    assert_eq!(shown(&jobs), ["waits", "runs-too", "new", "runs", "ended-last", "ended-first"]);
}

#[test]
fn a_later_dump_of_the_guest_takes_the_place_of_a_result() {
    let mut jobs = Jobs::default();
    jobs.tell(at_second("web-01", "a", 1, DumpState::Failed), at(2));
    jobs.tell(at_second("db-01", "b", 2, DumpState::Running), at(2));
    jobs.tell(at_second("web-01", "c", 3, DumpState::Running), at(3));
    assert_eq!((shown(&jobs), jobs.active_count()), (vec!["c".to_owned(), "b".to_owned()], 2));
    // Late news about the dump before changes nothing.
    jobs.tell(at_second("web-01", "c", 3, DumpState::Completed), at(4));
    jobs.tell(at_second("web-01", "a", 1, DumpState::Failed), at(5));
    assert_eq!(shown(&jobs), ["b", "c"]);
}

#[test]
fn those_that_wait_and_those_that_run_are_counted() {
    let mut jobs = Jobs::default();
    for (vm, state) in [
        ("a", DumpState::Queued),
        ("b", DumpState::Queued),
        ("c", DumpState::Running),
        ("d", DumpState::Failed),
    ] {
        jobs.tell(status_of_guest(vm, vm, state, 0.0), at(0));
    }
    assert_eq!(jobs.counts(), Counts { queued: 2, running: 1 });
}

#[test]
fn a_refusal_of_encrypted_memory_is_known_by_its_reason_and_not_by_its_words() {
    let mut refused = status("a", DumpState::Failed, 0.0);
    refused.end_reason = Some(EndReason::Encrypted { guest: "web-01".into(), encryption: "sev".into() });
    let mut jobs = Jobs::default();
    jobs.tell(refused, at(0));
    let mut other = status_of_guest("db-01", "b", DumpState::Failed, 0.0);
    other.message = "ask with accept_encrypted".into();
    jobs.tell(other, at(0));
    assert!(jobs.was_refused_as_encrypted(&guest("web-01", None)));
    assert!(!jobs.was_refused_as_encrypted(&guest("db-01", None)));
}

#[test]
fn a_guest_is_found_by_its_name_or_by_the_id_it_was_asked_for() {
    let mut by_id = status("a", DumpState::Queued, 0.0);
    by_id.vm = "7".into();
    let mut jobs = Jobs::default();
    jobs.tell(by_id.clone(), at(0));
    assert!(jobs.active_of(&guest("web-01", Some(7))).is_some());
    assert!(jobs.active_of(&guest("web-01", Some(8))).is_none());
    // Once the service has resolved the reference, only the name counts.
    by_id.guest = Some(GuestName("db-01".into()));
    jobs.tell(by_id, at(0));
    assert!(jobs.active_of(&guest("db-01", None)).is_some());
    assert!(jobs.active_of(&guest("web-01", Some(7))).is_none());
    assert_eq!(jobs.active_count(), 1);
}
