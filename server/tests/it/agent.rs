//! The dump service of one hypervisor: contract section 1.

use axum::http::StatusCode;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::{Actor, EndReason, JobState};

use crate::support::{TestApp, Transcript, answer, get, post};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_from_the_request_to_the_record() {
    let app = TestApp::start();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    let mut said = Transcript::with_agent(&app);
    said.post("/api/dumps", r#"{"vms": ["web-01"]}"#).await;
    app.hypervisor.wait_until_stalled("web-01");
    said.get("/api/dumps/web-01").await;
    app.hypervisor.release("web-01");
    app.ended(1).await;
    said.get("/api/dumps").await;
    said.get("/api/records").await;
    said.get("/api/records?since=1").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_is_named_by_id_or_by_name_and_an_unknown_one_ends_failed() {
    let app = TestApp::start();
    let mut said = Transcript::with_agent(&app);
    said.post("/api/dumps", r#"{"vms": [2, "web-09"]}"#).await;
    app.ended(2).await;
    said.get("/api/dumps/2").await;
    said.get("/api/dumps/db-01").await;
    said.get("/api/dumps/web-09").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_is_being_dumped_is_not_started_again() {
    let app = TestApp::start();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    let first = answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01"]}"#)).await.1;
    app.hypervisor.wait_until_stalled("web-01");
    let again = answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01", "1"]}"#)).await.1;
    app.hypervisor.release("web-01");
    app.ended(1).await;
    assert_eq!(again["web-01"]["state"], "running");
    assert_eq!(again["web-01"]["dump_id"], first["web-01"]["dump_id"]);
    assert_eq!(again["1"]["dump_id"], first["web-01"]["dump_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_dump_is_failed_to_old_clients_and_exact_to_ours() {
    let app = TestApp::start();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("web-01");
    app.clock.advance(std::time::Duration::from_mins(1));
    app.ended(1).await;
    let status = answer(&app.agent, get("/api/dumps/web-01")).await.1;
    assert_eq!((&status["state"], &status["job_state"]), (&"failed".into(), &"cancelled".into()));
    assert_eq!(status["message"], "cancelled: it took longer than the limit of 1 min 00 s (DUMP_TIMEOUT)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_a_sentence() {
    let app = TestApp::start();
    let mut said = Transcript::with_agent(&app);
    said.get("/api/dumps").await;
    said.get("/api/dumps/web-01").await;
    said.post("/api/dumps", r#"{"vms": []}"#).await;
    said.post("/api/dumps", r#"{"vms": ["#).await;
    said.post("/api/dumps", r#"{"vms": [{"name": "web-01"}]}"#).await;
    said.get("/api/records?since=yesterday").await;
    said.get("/api/nothing").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guests_of_the_hypervisor_are_told_and_its_absence_too() {
    let app = TestApp::start();
    let mut said = Transcript::with_agent(&app);
    said.get("/api/guests").await;
    app.hypervisor.set_available(false);
    said.get("/api/guests").await;
    insta::assert_snapshot!(said.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused() {
    let app = TestApp::start();
    let body = format!(r#"{{"vms": ["{}"]}}"#, "x".repeat(2 << 20));
    let (status, _) = answer(&app.agent, post("/api/dumps", &body)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_dump_is_cancelled_by_its_id() {
    let app = TestApp::start();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    let status = answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01"]}"#)).await.1;
    app.hypervisor.wait_until_stalled("web-01");
    let dump_id = status["web-01"]["dump_id"].as_str().unwrap();
    let (code, reply) = answer(&app.agent, post(&format!("/api/dumps/{dump_id}/cancel"), "{}")).await;
    assert_eq!((code, &reply["status"]), (StatusCode::ACCEPTED, &"cancelling".into()));
    let ended = app.ended(1).await.remove(0);
    let reason = EndReason::Cancelled { by: Actor::Api, before_start: false };
    assert_eq!((ended.exact_state(), ended.end_reason), (JobState::Cancelled, Some(reason)));

    let again = answer(&app.agent, post(&format!("/api/dumps/{dump_id}/cancel"), "")).await.0;
    assert_eq!(again, StatusCode::ACCEPTED, "what has ended stays as it ended, and asking again is no error");
    for bad in ["{", "7", r#"{"by": "\u0000"}"#, r#"{"by": 7}"#] {
        let (code, reply) = answer(&app.agent, post(&format!("/api/dumps/{dump_id}/cancel"), bad)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{bad}: {reply}");
    }
    for unknown in ["web-01", "no-such-dump", "%2e%2e"] {
        let (code, reply) = answer(&app.agent, post(&format!("/api/dumps/{unknown}/cancel"), "{}")).await;
        assert_eq!(code, StatusCode::NOT_FOUND, "{unknown}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_dump_is_taken_is_part_of_the_request() {
    let app = TestApp::start();
    let body = r#"{"vms": ["web-01"], "mode": "frozen", "case": "IR-7", "note": "at night"}"#;
    answer(&app.agent, post("/api/dumps", body)).await;
    let record = app.ended(1).await.remove(0).record.unwrap();
    let text = |remark: Option<memdeck_model::Remark>| remark.map(String::from);
    assert_eq!(record.mode.unwrap().as_str(), "frozen");
    assert_eq!((text(record.case), text(record.note)), (Some("IR-7".into()), Some("at night".into())));
    for (wrong, reason) in [
        (r#"{"vms": ["web-01"], "mode": "hot"}"#, "unknown variant `hot`"),
        (r#"{"vms": ["web-01"], "case": ""}"#, "a case number or note has 1 to 500 characters"),
        (r#"{"vms": ["web-01"], "pause_budget_ms": -1}"#, "invalid value"),
    ] {
        let (code, reply) = answer(&app.agent, post("/api/dumps", wrong)).await;
        assert_eq!(code, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(reply["detail"].as_str().unwrap().contains(reason), "{reply}");
    }
}
