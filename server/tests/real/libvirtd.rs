//! libvirtd is restarted in the middle of a dump, as an update of the host does it.

use std::time::Duration;

use crate::held::Held;
use crate::lab::{LabGuest, lab, restart_libvirtd};
use crate::support::Home;

/// How soon a guest runs after libvirtd answers again.
const RESUME_LIMIT: Duration = Duration::from_secs(2);

fn restarted(mode: &'static str) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let held = Held::in_the_middle(Home::new(), mode, &db, &web);
    restart_libvirtd();
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
    for name in held.names() {
        let ended = held.serve.wait_for_end(name);
        assert_eq!(ended["job_state"], "failed", "{ended}");
        assert_eq!(ended["end_reason"]["kind"], "hypervisor_failed", "{ended}");
        let message = ended["message"].as_str().unwrap();
        assert!(message.contains(&format!("went away during the dump of VM '{name}'")), "{message}");
    }
    assert_eq!(held.home.dumps(), [""; 0], "no file is left");
    held.assert_guests_are_as_they_were(RESUME_LIMIT);

    // Nothing is left of the dump that would be in the way of the next one.
    held.release();
    held.serve.trigger_as(&[db.name], mode);
    let again = held.serve.wait_for_end(db.name);
    assert_eq!((&again["job_state"], &again["mode"]), (&"completed".into(), &mode.into()), "{again}");
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
}

#[test]
fn restarted_during_a_frozen_dump_the_guest_runs_as_soon_as_it_answers() {
    restarted("frozen");
}

#[test]
fn restarted_during_a_live_dump_the_guest_runs_on() {
    restarted("live");
}
