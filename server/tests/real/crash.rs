//! memdeck is killed in the middle of a dump.

use std::time::Duration;

use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service, holds_at_points};

/// How soon a guest runs again after the process that dumped it was killed.
const RESUME_LIMIT: Duration = Duration::from_secs(5);

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
    serve.trigger(&[reading.name]);
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
    assert_eq!(home.dumps().len(), 1);
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
    assert_eq!(files.len(), 3, "{files:?}");
    assert_eq!(serve.get("/api/memory-dumps/stats")["total_dumps"], 1);
    assert_eq!(serve.terminate(), Some(0));
}
