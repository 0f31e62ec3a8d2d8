//! Live dumps with a limit of bandwidth.

use std::time::Duration;

use serde_json::json;

use crate::lab::{OwnGuest, lab};
use crate::support::{GENEROUS_PAUSE_MS, Home, Service};

const LIMIT_MIBPS: u64 = 8;

/// An idle guest with less than this in use is not of the lab's making: kernel, initramfs and what they unpack.
const LEAST_IN_USE_MIB: u64 = 32;

/// At the limit, what an idle guest writes during one pass fits into it many times. QEMU stops the guest, for which the
/// limit is lifted, as soon as no more than so much is left of it.
const PAUSE_BUDGET_MS: u64 = 1000;

#[test]
fn a_limited_live_dump_takes_its_time() {
    let _turn = lab();
    let guest = OwnGuest::start("memdeck-idle", &["sleep", "600"]);
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
    let limited = took(json!({"vms": [guest.name], "mode": "live", "pause_budget_ms": PAUSE_BUDGET_MS}));
    let least_s = LEAST_IN_USE_MIB / LIMIT_MIBPS - PAUSE_BUDGET_MS / 1000;
    assert!(limited >= Duration::from_secs(least_s), "{limited:?}");
    // What a request says goes before the setting.
    let unlimited = took(
        json!({"vms": [guest.name], "mode": "live", "bandwidth_mibps": 0, "pause_budget_ms": GENEROUS_PAUSE_MS}),
    );
    assert!(unlimited < limited, "{unlimited:?}, with the limit {limited:?}");
}
