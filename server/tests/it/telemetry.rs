//! The dashboard's telemetry: every call of contract section 3, series over time, and live values in the event stream.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use memdeck_hypervisor::GuestStats as _;
use memdeck_influx::test_support::InfluxServer;
use memdeck_influx::{Influx, InfluxSettings, Login};
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
                let is_measured = [&MEASURED[..], &COUNTED, &VARYING].concat().contains(&key.as_str());
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

/// The simulated guests are not as busy from each collection to the next, and which one is the newest is not the test's to say.
const VARYING: [&str; 4] = ["disk_read_rate", "disk_write_rate", "network_rx_rate", "network_tx_rate"];

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
async fn what_is_older_than_the_own_store_comes_from_influxdb() {
    memdeck::commands::install_tls_provider();
    let mut server = InfluxServer::start();
    let _created = server.query("vmstats", "CREATE DATABASE vmstats");
    let settings = InfluxSettings {
        url: server.url(),
        database: "vmstats".to_owned(),
        org: None,
        bucket: None,
        login: Login::None,
        timeout: Duration::from_secs(10),
    };
    let influx = Arc::new(Influx::new(settings).unwrap());
    let (app, guests) = TestApp::measuring_beside(1, Some(influx)).await;
    let uuid = guests.collect().unwrap().guests.remove(0).uuid;
    let now = Timestamp::from(std::time::SystemTime::now()).unix_micros() / 1_000_000;
    // Ten days ago, a minute apart, with floats, as another tool has written them.
    let mut lines = String::new();
    for minute in 0..60 {
        let nanos = (now - 10 * 86_400 + minute * 60) * 1_000_000_000;
        let counted = minute * 6_000;
        writeln!(lines, "vm_totals,VMID=1,name=vm-0,uuid={uuid} memrss=5000,net_rxbytes={counted} {nanos}")
            .unwrap();
    }
    assert_eq!(server.write("vmstats", &lines), 204);

    let ask = async |metric: &str, days: i64, until: i64| {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let (from, to) = (at(now - days * 86_400), at(now - until * 86_400 + 60));
        let path = format!("{CALLS}/series/{uuid}?metric={metric}&from={from}&to={to}");
        let (status, body) = answer(&app.dashboard, get(&path)).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    };
    // The store takes collections in as they come.
    let both = loop {
        let body = ask("memrss", 12, 0).await;
        if body["source"] == "both" {
            break body;
        }
    };
    let buckets = both["buckets"].as_array().unwrap();
    let ends: Vec<_> =
        [buckets.first(), buckets.last()].map(|it| it.unwrap()["mean"].as_f64().unwrap()).into();
    assert!((ends[0] - 5000.0).abs() < 1e-6 && (ends[1] - 5000.0).abs() > 1.0, "{both}");
    let times: Vec<Timestamp> =
        buckets.iter().map(|it| it["at"].as_str().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");

    let older = ask("net_rxbytes", 11, 9).await;
    assert_eq!((&older["source"], &older["per_second"]), (&json!("influxdb"), &json!(true)));
    for bucket in older["buckets"].as_array().unwrap() {
        assert!((bucket["max"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{bucket}");
    }

    server.stop();
    let alone = ask("memrss", 12, 0).await;
    assert_eq!(alone["source"], json!("embedded"));
    assert!(alone["notice"].as_str().is_some_and(|notice| !notice.is_empty()), "{alone}");
    assert!(!alone["buckets"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_measured_the_calls_say_so() {
    let app = TestApp::start();
    for call in ["status", "vm-telemetry", "vm-stats/web-01", "monitored-vms"] {
        let (status, body) = answer(&app.dashboard, get(&format!("{CALLS}/{call}"))).await;
        let detail = "no guests are measured here: no host of this dashboard measures its guests for it";
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
