//! The collectors of agents as a dashboard asks them: switched, tried, and asked no more than they can bear.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get as route_get;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::fleet::Fleet;
use super::measured::{CALLS, Measuring};
use crate::support::front::Listening;
use crate::support::{TestApp, answer, get};

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_of_a_host_is_started_and_stopped_and_both_audits_say_so() {
    let all = Measuring::start().await;
    let (status, refusal) = all.fleet.post(&format!("{CALLS}/stop"), json!({})).await;
    assert_eq!(
        (status, &refusal["candidates"]),
        (StatusCode::CONFLICT, &json!(["kvm-a", "kvm-b"])),
        "{refusal}"
    );
    for (call, said) in
        [("stop", "stopped"), ("stop", "not_running"), ("start", "started"), ("start", "already_running")]
    {
        let (status, told) = all.fleet.post(&format!("{CALLS}/{call}?host=kvm-b"), json!({})).await;
        assert_eq!((status, &told["status"]), (StatusCode::OK, &json!(said)), "{told}");
        let running = all.get("status?host=kvm-b").await.1["running"].clone();
        assert_eq!(running, json!(call == "start"));
        assert_eq!(all.get("status?host=kvm-a").await.1["running"], true, "the other goes on");
    }
    let (_, noted) = all.fleet.get("/api/audit?action=collector_stopped").await;
    let objects: BTreeSet<String> =
        noted["entries"].as_array().unwrap().iter().map(|entry| entry["object"].to_string()).collect();
    assert_eq!(objects, [r#"{"kind":"host","name":"kvm-b"}"#.to_owned()].into(), "{noted}");
    let (_, noted) = answer(&all.b.agent, get("/api/audit?action=collector_stopped")).await;
    let results: Vec<&str> =
        noted["entries"].as_array().unwrap().iter().map(|entry| entry["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["unchanged", "begun", "succeeded", "begun"], "{noted}");
    let (_, noted) = answer(&all.a.agent, get("/api/audit?action=collector_stopped")).await;
    assert_eq!(noted["entries"], json!([]), "the other agent was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_agent_is_asked_without_a_name() {
    let (app, _) = TestApp::measuring(1).await;
    let service = Listening::with(app.agent.clone()).await;
    let fleet = Fleet::of(&app, &[("kvm-a", service.address)]);
    fleet.until_up("kvm-a").await;
    let (status, told) = fleet.get(&format!("{CALLS}/vm-stats/vm-0")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(fleet.get(&format!("{CALLS}/vm-telemetry")).await.1["vms"][0]["host"], json!(null));
    assert_eq!(fleet.get(&format!("{CALLS}/status")).await.1["vms_monitored"], 1);
    let (_, checked) = fleet.get(&format!("{CALLS}/diagnostic")).await;
    assert_eq!(checked["collector"], json!({"running": true, "vms_monitored": 1}), "{checked}");
    let (_, by_name) = fleet.get(&format!("{CALLS}/diagnostic?host=kvm-a")).await;
    assert_eq!(by_name["kvm"], checked["kvm"]);
    assert!(checked["kvm"]["live_vms"].as_u64() > Some(0), "{checked}");
    assert_eq!(fleet.post(&format!("{CALLS}/stop"), json!({})).await.1["status"], "stopped");
    assert_eq!(answer(&app.agent, get(&format!("{CALLS}/report"))).await.1["status"]["running"], false);
    assert_eq!(fleet.post("/api/ui/collectors", json!({})).await.1, json!([]), "there is only one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_of_a_host_counts_the_guests_of_that_host() {
    let all = Measuring::start().await;
    let live = async |host: &str| {
        let (status, told) = all.get(&format!("diagnostic?host={host}")).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told["kvm"]["live_vms"].as_u64().unwrap()
    };
    let (_, guests) = all.fleet.get("/api/guests").await;
    let of = |host: &str| {
        let runs = |guest: &&Value| guest["host"] == host && !guest["id"].is_null();
        guests.as_array().unwrap().iter().filter(runs).count() as u64
    };
    assert!(of("kvm-a") > 0 && of("kvm-b") > 0, "{guests}");
    for host in ["kvm-a", "kvm-b"] {
        assert_eq!(live(host).await, of(host), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_gives_no_list_is_asked_once_for_all_who_wait_for_it() {
    let (app, _) = TestApp::measuring(1).await;
    let asked: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&asked);
    let hangs = route_get(move || {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<StatusCode>()
    });
    let service = Router::new().route("/api/telemetry/guests", hangs).fallback_service(app.agent.clone());
    let service = Listening::with(service).await;
    let fleet = Fleet::of(&app, &[("kvm-a", service.address)]);
    fleet.until_up("kvm-a").await;
    let call = format!("{CALLS}/vm-telemetry");
    for (status, refusal) in join_all((0..10).map(|_| fleet.get(&call))).await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
