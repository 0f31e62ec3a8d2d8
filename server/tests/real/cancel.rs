//! Dumps that are cancelled while they run.

use std::process::Stdio;
use std::time::Duration;

use memdeck_model::Timestamp;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::{Home, PATIENCE, Service};

/// How soon the guest of a cancelled dump runs.
const RESUME_LIMIT: Duration = Duration::from_secs(1);
/// Dumps that are cancelled around the moment at which their guest is stopped.
const CANCELLATIONS: u32 = 40;

fn cancelled(mode: &'static str) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let held = Held::in_the_middle(Home::new(), mode, &db, &web);
    for name in held.names() {
        let status = held.serve.get(&format!("/api/memory-dumps/status/{name}"));
        held.serve.cancel(status["dump_id"].as_str().unwrap());
    }
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
    for name in held.names() {
        let ended = held.serve.wait_for_end(name);
        assert_eq!(
            (&ended["state"], &ended["job_state"]),
            (&"failed".into(), &"cancelled".into()),
            "{ended}"
        );
        assert_eq!(ended["end_reason"]["kind"], "cancelled");
        assert!(ended["end_reason"]["by"]["kind"].is_string(), "it says by whom: {ended}");
    }
    assert_eq!(held.home.dumps(), [""; 0], "no file is left");
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
}

#[test]
fn a_cancelled_frozen_dump_lets_its_guest_run_at_once_and_leaves_nothing() {
    cancelled("frozen");
}

#[test]
fn a_cancelled_live_dump_leaves_its_guest_running_and_no_file() {
    cancelled("live");
}

/// A signal to `memdeck dump`, in whose process the dumps run, as soon as both are under way.
fn interrupted(mode: &str, signal: Signal) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let suspended = web.suspend();
    let home = Home::new();
    let mut command = home.memdeck(&["dump", db.name, web.name, "--mode", mode, "--json"]);
    command.env("FAILPOINTS", "capture::half-read=return;capture::half-live=return");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for guest in [&db, &web] {
        guest.wait_until_dumped(PATIENCE);
    }
    rustix::process::kill_process(Pid::from_child(&child), signal).unwrap();
    let took = db.wait_until_running(RESUME_LIMIT);
    eprintln!("{mode}: the guest ran after {took:?}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let serve = Service::start(&home, "serve", &[]);
    for guest in [&db, &web] {
        let dump = serve.get(&format!("/api/memory-dumps/status/{}", guest.name));
        let ended = (dump["job_state"].as_str(), dump["end_reason"]["by"]["kind"].as_str());
        assert_eq!(ended, (Some("cancelled"), Some("command_line")), "{dump}");
    }
    assert_eq!(home.dumps(), [""; 0], "no file is left");
    assert_eq!((db.state(), web.state()), ("running".to_owned(), "paused".to_owned()));
    drop(suspended);
}

#[test]
fn ctrl_c_ends_a_frozen_dump_of_the_command_line_and_its_guest_runs_at_once() {
    interrupted("frozen", Signal::INT);
}

#[test]
fn ctrl_c_ends_a_live_dump_of_the_command_line_and_its_guest_runs_on() {
    interrupted("live", Signal::INT);
}

#[test]
fn a_terminal_that_goes_ends_a_dump_of_the_command_line_and_its_guest_runs_at_once() {
    interrupted("frozen", Signal::HUP);
}

#[test]
fn a_guest_outlives_live_dumps_that_are_cancelled_around_their_last_pass() {
    let _turn = lab();
    let db = LabGuest::running("db-01");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[]);
    let path = format!("/api/memory-dumps/status/{}", db.name);
    let moment =
        |status: &Value, field: &str| -> Timestamp { status[field].as_str().unwrap().parse().unwrap() };
    serve.trigger_as(&[db.name], "live");
    let whole = serve.wait_for_end(db.name);
    assert_eq!((&whole["job_state"], &whole["mode"]), (&"completed".into(), &"live".into()), "{whole}");
    let until_stopped = moment(&whole["record"], "point_in_time").since(moment(&whole, "queued_at"));
    let until_stopped = Duration::from_millis(until_stopped.0);
    let mut cancelled = 0;
    for number in 0..CANCELLATIONS {
        serve.trigger_as(&[db.name], "live");
        let dump_id = serve.get(&path)["dump_id"].as_str().unwrap().to_owned();
        // From half of the way to a quarter beyond it.
        std::thread::sleep(until_stopped * (2 * CANCELLATIONS + 3 * number) / (4 * CANCELLATIONS));
        // Where it comes too late, the dump is complete.
        let _answer = serve.send("POST", &format!("/api/memory-dumps/cancel/{dump_id}"), &json!({}));
        let ended = serve.wait_for_end(db.name);
        assert!(matches!(ended["job_state"].as_str(), Some("cancelled" | "completed")), "{ended}");
        cancelled += u32::from(ended["job_state"] == "cancelled");
        // A guest that lost its disks ends with its next write.
        assert_eq!(db.state(), "running", "after {number} dumps");
    }
    eprintln!("{cancelled} of {CANCELLATIONS} were cancelled, the guest is stopped after {until_stopped:?}");
    assert!(cancelled > 0);
    serve.trigger_as(&[db.name], "live");
    assert_eq!(serve.wait_for_end(db.name)["job_state"], "completed", "its disks are there");
}
