//! Live dumps with a limit of bandwidth.

use std::time::Duration;

use serde_json::json;

use crate::lab::{LabGuest, lab};
use crate::support::{GENEROUS_PAUSE_MS, Home, Service};

const LIMIT_MIBPS: u64 = 32;

/// At the limit, what the guest writes during one pass fits into it twice. With a longer one QEMU would stop the guest, for
/// which the limit is lifted, as soon as less than half of its memory is left.
const PAUSE_BUDGET_MS: u64 = 2000;

#[test]
fn a_limited_live_dump_takes_its_time() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[("LIVE_BANDWIDTH_MIBPS", &*LIMIT_MIBPS.to_string())]);
    let took = |body: serde_json::Value| {
        serve.ask(&body);
        let status = serve.wait_for_end(guest.name);
        assert_eq!(
            (&status["job_state"], &status["mode"]),
            (&"completed".into(), &"live".into()),
            "{status}"
        );
        eprintln!("{} s, paused {} ms", status["duration_sec"], status["pause_ms"]);
        Duration::from_secs_f64(status["duration_sec"].as_f64().unwrap())
    };
    // Half of the guest's memory is never zero, so at least 128 MiB pass.
    let limited = took(json!({"vms": [guest.name], "mode": "live", "pause_budget_ms": PAUSE_BUDGET_MS}));
    assert!(limited >= Duration::from_secs(128 / LIMIT_MIBPS), "{limited:?}");
    // What a request says goes before the setting.
    let unlimited = took(
        json!({"vms": [guest.name], "mode": "live", "bandwidth_mibps": 0, "pause_budget_ms": GENEROUS_PAUSE_MS}),
    );
    assert!(unlimited < limited, "{unlimited:?}, with the limit {limited:?}");
}
