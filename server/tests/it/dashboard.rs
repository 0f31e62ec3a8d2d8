//! The dashboard's REST calls: contract sections 2 and 3.

use axum::http::StatusCode;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::GuestState;
use serde_json::json;

use crate::support::{TestApp, Transcript, answer, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_from_the_trigger_to_the_statistics() {
    let app = TestApp::start();
    let mut said = Transcript::with_dashboard(&app);
    said.get("/api/memory-dumps/status").await;
    said.get("/api/memory-dumps/stats").await;
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    said.post("/api/memory-dumps/trigger", r#"{"vm_ids": ["web-01", 2]}"#).await;
    app.hypervisor.wait_until_stalled("web-01");
    app.ended(1).await;
    said.get("/api/memory-dumps/status").await;
    said.get("/api/memory-dumps/status/web-01").await;
    app.hypervisor.release("web-01");
    app.ended(1).await;
    said.get("/api/memory-dumps/status/web-01").await;
    said.get("/api/memory-dumps/records").await;
    said.get("/api/memory-dumps/stats").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_all_means_every_running_vm() {
    let app = TestApp::start();
    app.hypervisor.set_state("db-01", GuestState::Shutoff);
    let (status, reply) =
        answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["all"]}"#)).await;
    assert_eq!((status, &reply["vm_ids"]), (StatusCode::OK, &json!(["web-01"])));
    assert_eq!(reply["message"], "Memory dump scheduled for 1 VM(s)");
    app.ended(1).await;

    app.hypervisor.set_state("web-01", GuestState::Shutoff);
    let (status, reply) =
        answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["all"]}"#)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(reply["detail"], "no VM is running on simulated:///host; start one, or name a paused one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_names_no_vm_is_400() {
    let app = TestApp::start();
    for body in ["{}", r#"{"vm_ids": []}"#, r#"{"vms": null}"#, r#"{"vm_ids": [""]}"#, "[]", "null", ""] {
        let (status, reply) = answer(&app.dashboard, post("/api/memory-dumps/trigger", body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(reply["detail"].is_string(), "{body}: {reply}");
    }
    assert_eq!(app.hypervisor.calls(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_newest_first_in_pages_and_odd_numbers_are_forgiven() {
    let app = TestApp::start();
    for vm in ["web-01", "db-01", "web-01"] {
        app.clock.advance(std::time::Duration::from_secs(1));
        answer(&app.dashboard, post("/api/memory-dumps/trigger", &json!({"vms": [vm]}).to_string())).await;
        app.ended(1).await;
    }
    let names = async |query: &str| {
        let page = answer(&app.dashboard, get(&format!("/api/memory-dumps/records{query}"))).await.1;
        let doms: Vec<_> =
            page["records"].as_array().unwrap().iter().map(|record| record["dom"].clone()).collect();
        (doms, page["count"].clone(), page["limit"].clone(), page["offset"].clone(), page["total"].clone())
    };
    let all = vec![json!("web-01"), json!("db-01"), json!("web-01")];
    assert_eq!(names("").await, (all.clone(), json!(3), json!(1000), json!(0), json!(3)));
    assert_eq!(names("?limit=0&offset=-4").await, (all, json!(3), json!(1000), json!(0), json!(3)));
    assert_eq!(
        names("?limit=1&offset=1").await,
        (vec![json!("db-01")], json!(1), json!(1), json!(1), json!(3))
    );
    assert_eq!(names("?limit=5&offset=9").await, (vec![], json!(0), json!(5), json!(9), json!(3)));
    let (status, _) = answer(&app.dashboard, get("/api/memory-dumps/records?limit=many")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_trigger_says_how_its_dumps_ended() {
    let app = TestApp::start();
    let last =
        async || answer(&app.dashboard, get("/api/memory-dumps/status")).await.1["last_trigger"].clone();
    assert_eq!(last().await, json!(null));

    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["web-01", "db-01", "web-09"]}"#))
        .await;
    app.hypervisor.wait_until_stalled("db-01");
    app.ended(2).await;
    assert_eq!(last().await["status"], "in_progress");
    app.clock.advance(std::time::Duration::from_millis(1500));
    app.hypervisor.release("db-01");
    app.ended(1).await;
    let ended = last().await;
    assert_eq!((&ended["status"], &ended["duration"]), (&json!("failed"), &json!(1.5)));
    assert_eq!(ended["error"], "no VM 'web-09' on simulated:///host");

    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["db-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("db-01");
    app.clock.advance(std::time::Duration::from_mins(1));
    app.ended(1).await;
    assert_eq!(last().await["status"], "timeout");

    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["db-01"]}"#)).await;
    app.ended(1).await;
    assert_eq!(last().await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_vms_are_those_that_run() {
    let app = TestApp::start();
    let mut said = Transcript::with_dashboard(&app);
    app.hypervisor.set_state("db-01", GuestState::Paused);
    said.get("/api/telemetry/live-vms").await;
    app.hypervisor.set_state("db-01", GuestState::Shutoff);
    said.get("/api/telemetry/live-vms").await;
    app.hypervisor.set_available(false);
    said.get("/api/telemetry/live-vms").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_calls_are_json_404_and_wrong_methods_405() {
    let app = TestApp::start();
    let mut said = Transcript::with_dashboard(&app);
    said.get("/api/nothing").await;
    said.get("/api").await;
    said.get("/api/memory-dumps/nothing").await;
    said.get("/api/memory-dumps/trigger").await;
    said.post("/api/memory-dumps/stats", "{}").await;
    said.get("/api/memory-dumps/status/web-01").await;
    said.get("/healthz").await;
    insta::assert_snapshot!(said.text());
}
