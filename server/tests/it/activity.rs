//! The activity log, as a page that was closed meanwhile finds it.

use memdeck_hypervisor::simulated::Fault;
use serde_json::Value;

use crate::support::{TestApp, answer, post};

/// What the log says: what happened to which guest, who asked, and why or with what result; newest first.
async fn log(app: &TestApp) -> Vec<[String; 4]> {
    let (_, lines) = answer(&app.dashboard, post("/api/ui/activity", "{}")).await;
    // Who asked is an object; its kind is enough here.
    let text = |value: &Value| value.as_str().or(value["kind"].as_str()).unwrap_or_default().to_owned();
    let lines = lines.as_array().unwrap_or_else(|| panic!("no list: {lines}"));
    lines.iter().map(|line| ["kind", "guest", "by", "detail"].map(|field| text(&line[field]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_is_told_from_the_request_to_the_end() {
    let app = TestApp::start();
    assert_eq!(log(&app).await, Vec::<[String; 4]>::new());
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vm_ids": ["web-01"]}"#)).await;
    app.ended(1).await;
    let told = log(&app).await;
    let kinds: Vec<&str> = told.iter().map(|line| line[0].as_str()).collect();
    assert_eq!(kinds, ["completed", "started", "queued"]);
    assert!(told[0][3].contains(" stored as "), "{told:?}");
    assert_eq!(told[2], ["queued", "web-01", "api", ""].map(str::to_owned));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_dump_says_by_whom() {
    let app = TestApp::start();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vm_ids": ["web-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("web-01");
    let (_, status) = answer(&app.dashboard, crate::support::get("/api/memory-dumps/status/web-01")).await;
    let dump_id = status["dump_id"].as_str().unwrap();
    answer(&app.dashboard, post(&format!("/api/memory-dumps/cancel/{dump_id}"), "{}")).await;
    app.ended(1).await;
    assert_eq!(
        log(&app).await[0],
        ["cancelled", "web-01", "", "cancelled by a call to the API"].map(str::to_owned)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_not_there_is_told_as_it_was_named() {
    let app = TestApp::start();
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vm_ids": ["gone-01"]}"#)).await;
    app.ended(1).await;
    let told = log(&app).await;
    assert_eq!((told[0][0].as_str(), told[0][1].as_str()), ("failed", "gone-01"));
}
