//! memdeck is killed in the middle of a dump.

use std::io::Write as _;
use std::time::Duration;

use crate::lab::{LabGuest, lab, virsh};
use crate::support::{Home, Service, holds_at_points};

/// How soon a guest runs again after the process that dumped it was killed, without a restart of memdeck.
const RESUME_LIMIT: Duration = Duration::from_secs(1);

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
    // It is held there: a dump that goes on would be over by now, or further on.
    assert_eq!(serve.get("/api/memory-dumps/status/db-01")["bytes"], status["bytes"]);
    assert_eq!(reading.state(), "paused", "the guest is stopped while it is read");
    assert_eq!(home.dumps().len(), 3);
    serve.kill();
    let took = reading.wait_until_running(RESUME_LIMIT);
    eprintln!("killed at {progress} %; the guest ran again after {took:?}");

    let serve = Service::start(&home, "serve", &[]);
    let failed = serve.get("/api/memory-dumps/status/db-01");
    assert_eq!(failed["state"], "failed");
    let message = failed["message"].as_str().unwrap();
    assert!(message.starts_with("memdeck ended while this dump was running"), "{message}");
    let queued = serve.wait_for_end(waiting.name);
    assert_eq!(queued["state"], "completed", "what was queued runs after the restart: {queued}");
    let files = home.dumps();
    assert!(
        files.iter().all(|name| name.starts_with("web-01_")),
        "left by the dump that was killed: {files:?}"
    );
    assert_eq!(files.len(), 5, "{files:?}");
    assert_eq!(serve.get("/api/memory-dumps/stats")["total_dumps"], 1);
    assert_eq!(serve.terminate(), Some(0));
}

/// Starts a dump that holds at the named point, and kills memdeck there. Gives what the guest was doing until then.
fn kill_at(
    point: &str,
    mode: &str,
    guest: &LabGuest,
    home: &Home,
    until: impl Fn(&serde_json::Value) -> bool,
) -> String {
    assert!(holds_at_points(), "this test needs points to hold at: build with --features memdeck/failpoints");
    let hold = format!("{point}=sleep(600000)");
    let serve = Service::start(home, "serve", &[("FAILPOINTS", &hold), ("PAUSE_BUDGET_MS", "10")]);
    serve.ask(&serde_json::json!({"vms": [guest.name], "mode": mode}));
    serve.wait(&format!("/api/memory-dumps/status/{}", guest.name), point, |status| {
        until(status).then_some(())
    });
    let state = guest.state();
    serve.kill();
    state
}

/// After the kill: the guest runs for good, and the next start knows that the dump failed.
fn assert_recovered(guest: &LabGuest, home: &Home) {
    let took = guest.wait_until_running(RESUME_LIMIT);
    eprintln!("the guest ran again after {took:?}");
    let serve = Service::start(home, "serve", &[]);
    let failed = serve.get(&format!("/api/memory-dumps/status/{}", guest.name));
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(home.dumps(), [""; 0]);
    assert_eq!(guest.state(), "running");
    assert_eq!(serve.terminate(), Some(0));
}

#[test]
fn killed_in_the_middle_of_a_live_dump_the_guest_runs_on() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::new();
    let half =
        |status: &serde_json::Value| status["progress"].as_f64().is_some_and(|progress| progress >= 25.0);
    let state = kill_at("capture::half-live", "live", &guest, &home, half);
    assert_eq!(state, "running", "a live dump does not stop the guest at half");
    assert_recovered(&guest, &home);
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
fn the_guardian_resumes_the_guest_of_a_dead_engine_and_no_other() {
    let _turn = lab();
    let home = Home::new();
    let watch = |dump: &str, guest: &LabGuest, was_running: bool| {
        let uuid = virsh(&["domuuid", guest.name]).unwrap();
        serde_json::json!({"watch": {"dump_id": dump, "guest_uuid": uuid.trim(), "was_running": was_running}})
    };
    let ran = LabGuest::running("web-01");
    let operators = LabGuest::running("db-01");
    let left_paused = ran.suspend();
    let paused_before = operators.suspend();
    let release = serde_json::json!({"release": {"dump_id": "c"}});
    let told = [watch("a", &ran, true), watch("b", &operators, false), watch("c", &operators, true), release];
    let mut guardian = engine_that_dies(&home, &told);
    let took = ran.wait_until_running(RESUME_LIMIT);
    eprintln!("the guardian had the guest running after {took:?}");
    assert!(guardian.wait().unwrap().success());
    assert_eq!(
        operators.state(),
        "paused",
        "neither a guest that was paused before nor one that was released"
    );
    left_paused.forget();
    drop(paused_before);
}
