//! The dashboard's telemetry: every call of contract section 3, series over time, and live values in the event stream.

use std::fmt::Write as _;

use axum::http::StatusCode;
use memdeck_hypervisor::GuestStats as _;
use memdeck_model::Timestamp;
use serde_json::{Value, json};

use crate::support::program::Running;
use crate::support::{TestApp, answer, get, post};

const CALLS: &str = "/api/telemetry";

/// The answer without what no run repeats: instants, and how long things took.
fn repeatable(mut value: Value) -> Value {
    const MEASURED: [&str; 7] = [
        "total_collections",
        "last_duration_ms",
        "max_duration_ms",
        "missed_intervals",
        "store_bytes",
        "age_ms",
        "finding",
    ];
    match &mut value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                let is_measured = MEASURED.contains(&key.as_str()) || COUNTED.contains(&key.as_str());
                *field = if is_measured { "<measured>".into() } else { repeatable(field.take()) };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = repeatable(item.take())),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "<instant>".clone_into(text),
        _ => {}
    }
    value
}

/// What the simulated guests have counted, which grows with every collection.
const COUNTED: [&str; 32] = [
    "cputime",
    "timeusr",
    "timesys",
    "memactual",
    "memrss",
    "memavailable",
    "memusable",
    "memswap_in",
    "memswap_out",
    "memmajor_fault",
    "memminor_fault",
    "memdisk_cache",
    "net_rxbytes",
    "net_rxpackets",
    "net_rxerrors",
    "net_rxdrops",
    "net_txbytes",
    "net_txpackets",
    "net_txerrors",
    "net_txdrops",
    "disk_rd_req",
    "disk_rd_bytes",
    "disk_wr_reqs",
    "disk_wr_bytes",
    "disk_errors",
    "memory_used",
    "disk_read_bytes",
    "disk_write_bytes",
    "network_rx_bytes",
    "network_tx_bytes",
    "memory_usage_percent",
    "cpu_usage_percent",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_contract_answers_in_its_shape() {
    let (app, _) = TestApp::measuring(1).await;
    let mut said = String::new();
    let calls = [
        "status",
        "vms",
        "live-vms",
        "monitored-vms",
        "vm-stats/vm-0",
        "vm-telemetry",
        "config",
        "diagnostic",
    ];
    for call in calls {
        let (status, body) = answer(&app.dashboard, get(&format!("{CALLS}/{call}"))).await;
        let body = serde_json::to_string_pretty(&repeatable(body)).unwrap();
        writeln!(said, "> GET {CALLS}/{call}\n{}\n{body}\n", status.as_u16()).unwrap();
    }
    for call in ["start", "stop", "stop", "start"] {
        let (status, body) = answer(&app.dashboard, post(&format!("{CALLS}/{call}"), "")).await;
        let body = json!({"status": body["status"], "message": body["message"], "running": body["details"]["running"]});
        writeln!(said, "> POST {CALLS}/{call}\n{}\n{body}\n", status.as_u16()).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_found_by_uuid_id_and_name_and_nothing_else() {
    let (app, guests) = TestApp::measuring(2).await;
    let guest = guests.collect().unwrap().guests.remove(1);
    for name in [guest.uuid.clone(), guest.id.unwrap().to_string(), guest.name.0.clone()] {
        let (status, body) = answer(&app.dashboard, get(&format!("{CALLS}/vm-stats/{name}"))).await;
        assert_eq!((status, &body["vm_id"]), (StatusCode::OK, &json!(name)));
        assert_eq!(body["metrics"].as_object().unwrap().len(), 27, "every field of vm_totals");
    }
    let (status, body) = answer(&app.dashboard, get(&format!("{CALLS}/vm-stats/web-01"))).await;
    assert_eq!((status, &body["detail"]), (StatusCode::NOT_FOUND, &json!("no guest 'web-01' was measured")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_means_nothing_is_400_with_a_sentence() {
    let (app, _) = TestApp::measuring(1).await;
    for (query, detail) in [
        (
            "metric=weather",
            "no such metric: use a field of vm_totals or vm_devices, such as cputime or rd_bytes",
        ),
        (
            "metric=cputime&from=2025-01-02T00:00:00Z&to=2025-01-01T00:00:00Z",
            "`to` must be later than `from`, by ten years at most",
        ),
        ("metric=cputime&step=0", "a step must be longer than 0"),
    ] {
        let path = format!("{CALLS}/series/00000000-0000-4000-9000-000000000000?{query}");
        let (status, body) = answer(&app.dashboard, get(&path)).await;
        assert_eq!((status, &body["detail"]), (StatusCode::BAD_REQUEST, &json!(detail)), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_measured_is_told_over_time() {
    let (app, guests) = TestApp::measuring(1).await;
    let uuid = guests.collect().unwrap().guests.remove(0).uuid;
    // A rate needs two collections, which the store takes in as they come.
    let series = loop {
        let now = Timestamp::from(std::time::SystemTime::now());
        let path = format!("{CALLS}/series/{uuid}?metric=net_rxbytes&to={now}&step=1");
        let (status, body) = answer(&app.dashboard, get(&path)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        if !body["buckets"].as_array().unwrap().is_empty() {
            break body;
        }
    };
    assert_eq!((&series["per_second"], &series["source"]), (&json!(true), &json!("embedded")));
    let bucket = &series["buckets"][0];
    assert!(bucket["min"].as_f64() > Some(0.0) && bucket["raw"].as_u64() > Some(0), "{bucket}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_measured_the_calls_say_so() {
    let app = TestApp::start();
    for call in ["status", "vm-telemetry", "vm-stats/web-01", "monitored-vms"] {
        let (status, body) = answer(&app.dashboard, get(&format!("{CALLS}/{call}"))).await;
        let detail = "no guests are measured here: their host is another machine";
        assert_eq!((status, &body["detail"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(detail)), "{call}");
    }
}

/// Whether the collector of a running service runs.
async fn is_running(service: &Running) -> bool {
    let status = reqwest::get(format!("{}{CALLS}/status", service.url)).await.unwrap();
    serde_json::from_str::<Value>(&status.text().await.unwrap()).unwrap()["running"].as_bool().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_the_collector_runs_survives_a_restart() {
    memdeck::commands::install_tls_provider();
    let home = tempfile::tempdir().unwrap();
    let ask = async |service: &Running, call: &str| {
        let client = reqwest::Client::new();
        client
            .post(format!("{}{CALLS}/{call}", service.url))
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    };
    let first = Running::serve(home.path(), &[("OPEN_ACCESS", "loopback")]);
    assert!(is_running(&first).await, "it runs by default");
    ask(&first, "stop").await;
    first.stop();
    let second = Running::serve(home.path(), &[("OPEN_ACCESS", "loopback")]);
    assert!(!is_running(&second).await, "it stays stopped");
    ask(&second, "start").await;
    second.stop();
    let third = Running::serve(home.path(), &[("OPEN_ACCESS", "loopback")]);
    assert!(is_running(&third).await);
}
