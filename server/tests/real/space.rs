//! Volumes without room.

use std::time::Duration;

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

/// How soon the guest of a dump that failed runs.
const RESUME_LIMIT: Duration = Duration::from_secs(1);

/// Admission asks for the guest's memory twice and 64 MiB: 1088 MiB for `db-01`.
const ENOUGH_MIB: u64 = 1200;
const TOO_LITTLE_MIB: u64 = 1087;

fn fills_up(mode: &'static str) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    // One after the other: a dump that has failed makes room for the next.
    for (ran, others) in [(Some(&db), None), (None, Some(&web))] {
        let held = Held::these(Home::on_volume_of(ENOUGH_MIB), mode, ran, others);
        held.home.fill_volume();
        held.release();
        for name in held.names() {
            let ended = held.serve.wait_for_end(name);
            assert_eq!(ended["job_state"], "failed", "{ended}");
            let message = ended["message"].as_str().unwrap();
            assert!(message.contains("No space left on device"), "{message}");
        }
        held.assert_guests_are_as_they_were(RESUME_LIMIT);
        assert_eq!(held.home.dumps(), ["filler"], "no file is left of the dump");

        held.home.empty_volume();
        if let Some(guest) = ran {
            held.serve.ask(&serde_json::json!({"vms": [guest.name], "mode": mode}));
            assert_eq!(held.serve.wait_for_end(guest.name)["job_state"], "completed", "there is room again");
        }
    }
}

#[test]
fn a_volume_that_fills_up_during_a_frozen_dump_fails_it_cleanly() {
    fills_up("frozen");
}

#[test]
fn a_volume_that_fills_up_during_a_live_dump_fails_it_cleanly() {
    fills_up("live");
}

#[test]
fn a_dump_that_the_volume_may_not_hold_is_refused_before_the_guest_is_touched() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::on_volume_of(TOO_LITTLE_MIB);
    let serve = Service::start(&home, "serve", &[]);
    let events = guest.watch_lifecycle();
    serve.trigger(&[guest.name]);
    let refused = serve.wait_for_end(guest.name);
    assert_eq!((&refused["job_state"], refused["mode"].is_null()), (&"failed".into(), true), "{refused}");
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("not enough space in ") && message.contains("1.06 GiB"), "{message}");
    assert_eq!(events.seen(), "", "the guest was not even stopped for a moment");
    assert_eq!(home.dumps(), [""; 0]);
}
