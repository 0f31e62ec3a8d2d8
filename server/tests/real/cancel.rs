//! Dumps that are cancelled while they run.

use std::time::Duration;

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::Home;

/// How soon the guest of a cancelled dump runs.
const RESUME_LIMIT: Duration = Duration::from_secs(1);

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
        let message = ended["message"].as_str().unwrap();
        assert!(message.starts_with("cancelled by "), "it says by whom: {message}");
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
