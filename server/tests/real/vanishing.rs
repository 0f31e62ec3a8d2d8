//! Guests that end while they are dumped.

use serde_json::json;

use crate::lab::{LabGuest, OwnGuest, lab, virsh};
use crate::support::{Home, Service};

/// Slow enough that a dump of any guest is still at its beginning when the guest ends.
const CRAWL_MIBPS: u64 = 1;

/// Starts a dump of the guest, waits until it is read, does `meanwhile`, and checks what the dump says in the end. The
/// engine goes on working: the next dump is one of another guest, which an operator paused and which stays paused.
fn ends_during_its_dump(mode: &str, guest: &OwnGuest, meanwhile: impl FnOnce(), expected: &str) {
    let home = Home::new();
    let other = LabGuest::running("web-01");
    let suspended = other.suspend();
    let release = home.path().join("release");
    let hold = format!("capture::half-read=return({})", release.display());
    let serve = Service::start(&home, "serve", &[("FAILPOINTS", &hold)]);
    serve.ask(&json!({"vms": [guest.name], "mode": mode, "bandwidth_mibps": CRAWL_MIBPS}));
    serve.wait(&format!("/api/memory-dumps/status/{}", guest.name), "memory of the guest", |status| {
        let state = status["job_state"].as_str()?;
        assert!(matches!(state, "queued" | "running"), "{status}");
        (status["bytes"]["bytes_done"].as_u64()? > 0).then_some(())
    });
    meanwhile();
    // libvirt waits for the pipe to be read, also when there is no guest any more.
    std::fs::write(release, "").unwrap();
    let ended = serve.wait_for_end(guest.name);
    assert_eq!(ended["job_state"], "failed", "{ended}");
    assert_eq!(ended["end_reason"]["kind"], "guest_ended", "{ended}");
    let message = ended["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("VM '{}' {expected} during its dump", guest.name)), "{message}");
    assert_eq!(home.dumps(), [""; 0], "no file is left");

    serve.trigger_as(&[other.name], mode);
    let next = serve.wait_for_end(other.name);
    assert_eq!(next["job_state"], "completed", "{next}");
    assert_eq!(other.state(), "paused", "an operator's guest stays paused");
    drop(suspended);
}

#[test]
fn a_guest_that_is_destroyed_while_it_stands_still_for_its_dump_is_named_so() {
    let _turn = lab();
    let guest = OwnGuest::start("memdeck-vanishing", &["sleep", "600"]);
    let destroy = || drop(virsh(&["destroy", guest.name]).unwrap());
    ends_during_its_dump("frozen", &guest, destroy, "was destroyed");
}

#[test]
fn a_guest_that_is_destroyed_during_its_live_dump_is_named_so() {
    let _turn = lab();
    let guest = OwnGuest::start("memdeck-vanishing", &["sleep", "600"]);
    let destroy = || drop(virsh(&["destroy", guest.name]).unwrap());
    ends_during_its_dump("live", &guest, destroy, "was destroyed");
}

#[test]
fn a_guest_that_shuts_down_during_its_live_dump_is_named_so() {
    let _turn = lab();
    // After so many seconds, in which the dump begins and does not come far.
    let guest = OwnGuest::start("memdeck-vanishing", &["poweroff", "-d", "5", "-f"]);
    ends_during_its_dump("live", &guest, || {}, "shut down");
}
