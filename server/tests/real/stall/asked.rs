//! The volume of the state hangs while a guest stands still, and somebody asks for something that is to be written there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Dump, LIMIT_S, LONGEST_PAUSE, Point, STALL, STATE_MIB, start};
use crate::lab::{LabGuest, lab};
use crate::support::{Home, PATIENCE};

/// How long a call takes until it waits for the volume.
const UNDER_WAY: Duration = Duration::from_millis(300);

/// What operators and pages ask meanwhile: a cancel of the dump that waits, another dump, how things stand.
fn ask_for_everything(url: &str, waiting: &str, queued: &str) {
    let ask = |method: &str, path: String, body: Value| {
        let http = reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let request = http.request(method.parse().unwrap(), format!("{url}{path}")).json(&body);
        // What is answered shows in the end.
        let _answered = request.send().and_then(reqwest::blocking::Response::bytes);
    };
    std::thread::scope(|scope| {
        let cancel = format!("/api/memory-dumps/cancel/{waiting}");
        let another = json!({"vms": [queued], "mode": "frozen"});
        scope.spawn(|| ask("POST", cancel, json!({})));
        scope.spawn(|| ask("POST", "/api/memory-dumps/trigger".to_owned(), another));
        scope.spawn(|| ask("POST", "/api/ui/overview".to_owned(), json!({})));
        for path in ["status", "status/db-01", "records"] {
            scope.spawn(move || ask("GET", format!("/api/memory-dumps/{path}"), Value::Null));
        }
    });
}

/// A frozen dump of `db-01` that is held in its middle, and one of `web-01` that waits for its turn; the second's id.
fn one_paused_one_queued<'a>(
    guest: &'a LabGuest,
    queued: &LabGuest,
    variables: &[(&str, &str)],
) -> (Dump<'a>, String) {
    let variables = [&[("MAX_PARALLEL_DUMPS", "1")], variables].concat();
    let started = start(Home::with_state_on_disk_of(STATE_MIB), Point::Half, &variables);
    let dump = Dump::begin(guest, "frozen", Point::Half, started);
    let waiting = dump.serve.trigger_frozen(&[queued.name]);
    let dump_id = waiting["dumps"][0]["dump_id"].as_str().unwrap_or_else(|| panic!("{waiting}"));
    (dump, dump_id.to_owned())
}

#[test]
fn a_queued_dump_that_is_cancelled_while_the_volume_of_the_state_hangs_keeps_no_guest_stopped() {
    let _turn = lab();
    let (guest, queued) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let (dump, waiting) = one_paused_one_queued(&guest, &queued, &[]);
    let volume = dump.home.hang_state();
    assert!(dump.watch.is_stopped(), "the volume hangs while the guest stands still");
    let begun = Instant::now();
    let url = dump.serve.url.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| ask_for_everything(&url, &waiting, queued.name));
        std::thread::sleep(UNDER_WAY);
        dump.release();
        std::thread::sleep(STALL.saturating_sub(begun.elapsed()));
        assert!(!dump.watch.is_stopped(), "the guest stands still at the end of the stall");
        drop(volume);
    });
    let ended = dump.serve.wait_for_end(guest.name);
    // On a busy machine the limit is reached meanwhile, by what comes before and after the stall. What counts is the pause.
    let is_at_the_limit = ended["end_reason"]["kind"] == "pause_limit";
    assert!(ended["job_state"] == "completed" || is_at_the_limit, "{ended}");
    dump.assert_pause();
    let path = format!("/api/memory-dumps/status/{waiting}");
    let cancelled = dump.serve.wait(&path, "end of the dump that waited", is_over);
    assert_eq!(cancelled["job_state"], "cancelled", "{cancelled}");
    // What was asked for meanwhile may be another dump of it.
    dump.serve.wait_for_end(queued.name);
}

#[test]
fn the_time_limit_of_a_dump_ends_its_pause_while_the_volume_of_the_state_hangs() {
    let _turn = lab();
    let (guest, queued) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let time_limit = LIMIT_S.to_string();
    // Its pause alone might be far longer.
    let limits = [("FROZEN_PAUSE_LIMIT", "60"), ("DUMP_TIMEOUT", time_limit.as_str())];
    let (dump, waiting) = one_paused_one_queued(&guest, &queued, &limits);
    let volume = dump.home.hang_state();
    let url = dump.serve.url.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| ask_for_everything(&url, &waiting, queued.name));
        // Nobody lets the dump go on.
        std::thread::sleep(STALL);
        assert!(!dump.watch.is_stopped(), "the guest stands still at the end of the stall");
        drop(volume);
    });
    let ended = dump.serve.wait_for_end(guest.name);
    let expected = json!({"kind": "time_limit", "limit_ms": LIMIT_S * 1000});
    assert_eq!((&ended["job_state"], &ended["end_reason"]), (&json!("cancelled"), &expected), "{ended}");
    let longest = dump.watch.longest();
    assert!(!longest.is_zero() && longest <= LONGEST_PAUSE, "the guest stood still for {longest:?}");
    assert_eq!(guest.state(), "running");
    dump.serve.wait_for_end(queued.name);
}

fn is_over(status: &Value) -> Option<Value> {
    let state = status["job_state"].as_str()?;
    matches!(state, "completed" | "failed" | "cancelled").then(|| status.clone())
}
