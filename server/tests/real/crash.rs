//! memdeck is killed in the middle of a dump.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::held::Held;
use crate::lab::{LabGuest, lab, restart_libvirtd, virsh, virsh_answers};
use crate::support::{Home, PATIENCE, Service, holds_at_points};

/// How soon a guest runs again after the process that dumped it was killed, without a restart of memdeck.
const RESUME_LIMIT: Duration = Duration::from_secs(1);
/// How soon a guest has its own settings again.
const LIMIT_LIMIT: Duration = Duration::from_secs(5);

#[test]
fn killed_while_reading_the_guest_runs_and_the_next_start_cleans_up() {
    let _turn = lab();
    assert!(
        holds_at_points(),
        "this test needs a point to hold at: build with --features memdeck/failpoints"
    );
    let reading = LabGuest::running("db-01");
    let waiting = LabGuest::running("web-01");
    let home = Home::new();
    let hold = [("FAILPOINTS", "capture::half-read=sleep(600000)"), ("MAX_PARALLEL_DUMPS", "1")];
    let serve = Service::start(&home, "serve", &hold);
    serve.trigger_frozen(&[reading.name]);
    serve.trigger(&[waiting.name]);
    let status = serve.wait("/api/memory-dumps/status/db-01", "half of the bytes", |status| {
        let half = status["bytes"]["bytes_expected"].as_u64()? / 2;
        (half > 0 && status["bytes"]["bytes_done"].as_u64()? >= half).then(|| status.clone())
    });
    let progress = status["progress"].as_f64().unwrap();
    assert!((10.0..=90.0).contains(&progress), "killed at {progress} %");
    assert_eq!(reading.state(), "paused", "the guest is stopped while it is read");
    // It is held there: what was read beyond the half and is still to be stored is a few MiB.
    let bytes = &serve.get("/api/memory-dumps/status/db-01")["bytes"];
    let done = |name: &str| bytes[name].as_u64().unwrap();
    assert!(done("bytes_done") < done("bytes_expected") / 2 + (16 << 20), "{bytes}");
    assert_eq!(home.dumps().len(), 3);
    serve.kill();
    let took = reading.wait_until_running(RESUME_LIMIT);
    eprintln!("killed at {progress} %; the guest ran again after {took:?}");

    let serve = Service::start(&home, "serve", &[]);
    let failed = serve.get("/api/memory-dumps/status/db-01");
    assert_eq!(failed["state"], "failed");
    assert_eq!(failed["end_reason"]["kind"], "lost_in_restart");
    let queued = serve.wait_for_end(waiting.name);
    assert_eq!(queued["state"], "completed", "what was queued runs after the restart: {queued}");
    let files = home.dumps();
    assert!(
        files.iter().all(|name| name.starts_with("web-01_")),
        "left by the dump that was killed: {files:?}"
    );
    assert_eq!(files.len(), 6, "{files:?}");
    assert_eq!(serve.get("/api/memory-dumps/stats")["total_dumps"], 1);
    assert_eq!(serve.terminate(), Some(0));
}

/// After the kill: the next start knows that the dumps failed, and nothing is left of them.
fn assert_cleaned_up(home: &Home, names: &[&str]) {
    let serve = Service::start(home, "serve", &[]);
    for name in names {
        let failed = serve.get(&format!("/api/memory-dumps/status/{name}"));
        assert_eq!(failed["state"], "failed", "{failed}");
    }
    assert_eq!(home.dumps(), [""; 0]);
    assert_eq!(serve.terminate(), Some(0));
}

fn killed_in_the_middle(mode: &'static str) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let (home, operators) = Held::in_the_middle(Home::new(), mode, &db, &web).kill();
    let took = db.wait_until_running(RESUME_LIMIT);
    eprintln!("{mode}: the guest ran again after {took:?}");
    assert_eq!(web.state(), "paused", "an operator's guest stays paused");
    assert_cleaned_up(&home, &[db.name, web.name]);
    assert_eq!((db.state(), web.state()), ("running".to_owned(), "paused".to_owned()));
    drop(operators);
}

#[test]
fn killed_in_the_middle_of_a_live_dump_the_guest_runs_on() {
    killed_in_the_middle("live");
}

#[test]
fn killed_in_the_middle_of_a_frozen_dump_only_guests_that_ran_run() {
    killed_in_the_middle("frozen");
}

/// An operator's own limit, until dropped.
struct OwnDowntime<'a>(&'a LabGuest);

impl<'a> OwnDowntime<'a> {
    const MS: u64 = 251;

    fn set(guest: &'a LabGuest) -> Self {
        guest.set_max_downtime_ms(Self::MS);
        Self(guest)
    }
}

impl Drop for OwnDowntime<'_> {
    fn drop(&mut self) {
        self.0.set_max_downtime_ms(300);
    }
}

#[test]
fn killed_in_the_middle_of_a_live_dump_the_guests_own_limits_are_back_without_a_restart() {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let _own = [OwnDowntime::set(&db), OwnDowntime::set(&web)];
    let held = Held::in_the_middle(Home::new(), "live", &db, &web);
    assert_eq!(db.max_downtime_ms(), 60, "the limit of the dump");
    let (_home, operators) = held.kill();
    let killed = Instant::now();
    for guest in [&db, &web] {
        while guest.max_downtime_ms() != OwnDowntime::MS {
            assert!(killed.elapsed() < LIMIT_LIMIT, "{} has {} ms", guest.name, guest.max_downtime_ms());
        }
    }
    eprintln!("the limits were back after {:?}", killed.elapsed());
    drop(operators);
}

/// Starts a live dump of a guest, and one of another guest that an operator paused, and waits until QEMU has finished the
/// first and libvirt has not, because the last 2 MB lie in pipes: whoever dies now leaves the guest stopped, and libvirt
/// does not let it run. A moment that may be missed.
fn held_at_the_dangerous_end(ran: &LabGuest, operators: &LabGuest, home: &Home) -> Option<Service> {
    let hold = home.path().join("hold");
    let point = format!("capture::live-end=return({})", hold.display());
    let serve = Service::start(home, "serve", &[("FAILPOINTS", &point)]);
    // Slow enough to be in its middle all the time.
    serve.ask(&serde_json::json!({"vms": [operators.name], "mode": "live", "bandwidth_mibps": 1}));
    serve.wait(&format!("/api/memory-dumps/status/{}", operators.name), "memory of the guest", |status| {
        (status["bytes"]["bytes_done"].as_u64()? > 0).then_some(())
    });
    serve.trigger_as(&[ran.name], "live");
    serve.wait(&format!("/api/memory-dumps/status/{}", ran.name), "stop of the guest", |status| {
        let is_over = !matches!(status["job_state"].as_str()?, "queued" | "running");
        (is_over || ran.state() == "paused").then_some(())
    });
    // While QEMU writes the end of its stream it answers nobody: the answer comes when it has written all of it.
    let qemu_is_done = virsh_answers(&["domjobinfo", ran.name], PATIENCE);
    std::fs::write(hold, "").unwrap();
    (qemu_is_done && ran.state() == "paused").then_some(serve)
}

#[test]
fn killed_at_the_dangerous_end_of_a_live_dump_the_guest_runs_within_a_second() {
    let _turn = lab();
    assert!(holds_at_points(), "this test needs points to hold at: build with --features memdeck/failpoints");
    let (ran, operators) = (LabGuest::running("web-01"), LabGuest::running("db-01"));
    let suspended = operators.suspend();
    let caught = (0..5).find_map(|_| {
        let home = Home::new();
        held_at_the_dangerous_end(&ran, &operators, &home).map(|serve| (home, serve))
    });
    let (home, serve) = caught.expect("the moment was missed five times");
    serve.kill();
    let took = ran.wait_until_running(RESUME_LIMIT);
    eprintln!("the guest ran again after {took:?}");
    assert_eq!(operators.state(), "paused", "an operator's guest stays paused");
    assert_cleaned_up(&home, &[ran.name, operators.name]);
    assert_eq!((ran.state(), operators.state()), ("running".to_owned(), "paused".to_owned()));
    drop(suspended);
}

/// Runs the guardian's process, tells it what an engine would and "dies".
fn engine_that_dies(home: &Home, messages: &[serde_json::Value]) -> std::process::Child {
    let mut guardian = home.memdeck(&["guard"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut pipe = guardian.stdin.take().unwrap();
    for message in messages {
        writeln!(pipe, "{message}").unwrap();
    }
    guardian
}

#[test]
fn the_guardian_leaves_guests_alone_that_an_operator_paused_even_if_libvirtd_is_restarted() {
    let _turn = lab();
    let home = Home::new();
    let watch = |dump: &str, guest: &LabGuest, was_running: bool| {
        let uuid = virsh(&["domuuid", guest.name]).unwrap();
        serde_json::json!({"watch": {"dump_id": dump, "guest_uuid": uuid.trim(), "was_running": was_running}})
    };
    let (before, since) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let suspended = [before.suspend(), since.suspend()];
    let release = serde_json::json!({"release": {"dump_id": "c"}});
    let told = [watch("a", &since, true), watch("b", &before, false), watch("c", &before, true), release];
    // It looks again and again, for as long as a dump may still stop a guest.
    let mut guardian = engine_that_dies(&home, &told);
    // libvirt knows whose pause it is after a restart, too.
    restart_libvirtd();
    assert!(guardian.wait().unwrap().success());
    assert_eq!([before.state(), since.state()], ["paused", "paused"]);
    drop(suspended);
}

/// A pause behind libvirt's back, as an operator makes it in QEMU's monitor; ended when it is dropped.
struct StoppedByMonitor<'a>(&'a LabGuest);

impl<'a> StoppedByMonitor<'a> {
    fn stop(guest: &'a LabGuest) -> Self {
        virsh(&["qemu-monitor-command", guest.name, "--hmp", "stop"]).unwrap();
        let stopped = Self(guest);
        assert_eq!(virsh(&["domstate", guest.name, "--reason"]).unwrap().trim(), "paused (unknown)");
        stopped
    }
}

impl Drop for StoppedByMonitor<'_> {
    fn drop(&mut self) {
        if self.0.state() == "paused" {
            virsh(&["resume", self.0.name]).unwrap();
        }
    }
}

/// libvirt knows no reason for either pause, as after a live dump that failed at its end.
#[test]
fn a_pause_without_a_reason_is_ended_for_a_live_dump_that_the_guardian_watched_and_for_nobody_else() {
    let _turn = lab();
    let home = Home::new();
    let (of_frozen, of_live) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    let stopped = [StoppedByMonitor::stop(&of_frozen), StoppedByMonitor::stop(&of_live)];
    let watch = |dump: &str, guest: &LabGuest, is_live: bool| {
        let uuid = virsh(&["domuuid", guest.name]).unwrap();
        let told = serde_json::json!({
            "dump_id": dump, "guest_uuid": uuid.trim(), "was_running": true, "owns_unexplained_pause": is_live,
        });
        serde_json::json!({"watch": told})
    };
    let told = [watch("a", &of_frozen, false), watch("b", &of_live, true)];
    let mut guardian = engine_that_dies(&home, &told);
    of_live.wait_until_running(PATIENCE);
    assert!(guardian.wait().unwrap().success());
    assert_eq!([of_frozen.state(), of_live.state()], ["paused", "running"]);
    drop(stopped);
}
