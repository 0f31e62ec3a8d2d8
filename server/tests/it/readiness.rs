//! Whether memdeck can do what it is for, as it says itself.

use std::time::Duration;

use axum::http::StatusCode;
use memdeck_model::Event;
use serde_json::{Value, json};

use crate::support::front::{Front, Listening};
use crate::support::{TestApp, answer, get, http, trusted};

/// Longer than an answer is given again.
const LATER: Duration = Duration::from_secs(5);

/// Which checks fail, as the dashboard says; the agent says the same.
async fn failed(app: &TestApp) -> Vec<String> {
    app.clock.advance(LATER);
    let (status, readiness) = answer(&app.dashboard, get("/readyz")).await;
    assert_eq!(answer(&app.agent, get("/readyz")).await, (status, readiness.clone()));
    let failed: Vec<String> = readiness["failed"].as_array().unwrap().iter().map(check).collect();
    assert_eq!(readiness["ready"], json!(failed.is_empty()));
    assert_eq!(status == StatusCode::OK, failed.is_empty(), "{readiness}");
    assert!(status == StatusCode::OK || status == StatusCode::SERVICE_UNAVAILABLE);
    failed
}

fn check(failed: &Value) -> String {
    assert!(failed["detail"].as_str().unwrap().ends_with('.'), "a sentence: {failed}");
    failed["check"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_fails_while_what_it_tries_is_away_and_memdeck_is_alive_all_the_same() {
    let app = TestApp::start();
    assert_eq!(failed(&app).await, [""; 0]);

    app.hypervisor.set_available(false);
    assert_eq!(failed(&app).await, ["hypervisor"]);
    app.hypervisor.set_available(true);
    assert_eq!(failed(&app).await, [""; 0]);

    std::fs::remove_dir(app.dir.path().join("dumps")).unwrap();
    assert_eq!(failed(&app).await, ["dump_dir"]);
    assert_eq!(answer(&app.dashboard, get("/healthz")).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_given_again_for_a_moment() {
    let app = TestApp::start();
    let is_ready = async || answer(&app.dashboard, get("/readyz")).await.0 == StatusCode::OK;
    assert!(is_ready().await);
    app.hypervisor.set_available(false);
    assert!(is_ready().await, "whoever asks often does not have everything tried as often");
    app.clock.advance(LATER);
    assert!(!is_ready().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_told_and_learn_no_path_and_no_address() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", "a token of some length")]).unwrap());
    std::fs::remove_dir(app.dir.path().join("dumps")).unwrap();
    app.hypervisor.set_available(false);
    for router in [&app.dashboard, &app.agent] {
        let (status, readiness) = answer(router, get("/readyz")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let text = readiness.to_string();
        assert!(!text.contains(app.dir.path().to_str().unwrap()) && !text.contains("://"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_what_keeps_dumps_from_being_stored() {
    let app = TestApp::start();
    let notice = async || {
        app.clock.advance(LATER);
        app.operations.present_state(&trusted()).await.into_iter().find_map(|event| match event {
            Event::Storage(notice) => Some(notice),
            _ => None,
        })
    };
    assert_eq!(notice().await, Some(None));
    // That one has a notice of its own.
    app.hypervisor.set_available(false);
    assert_eq!(notice().await, Some(None));
    std::fs::remove_dir(app.dir.path().join("dumps")).unwrap();
    let told = notice().await.flatten().unwrap();
    assert!(told.to_string().contains("DUMP_DIR"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_says_that_its_dump_service_cannot_store_images() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    std::fs::remove_dir(agent.dir.path().join("dumps")).unwrap();
    let mut front = Front::of(&agent, service.address);
    let warned = |event: &Event| matches!(event, Event::Service(health) if health.warning.is_some());
    let Event::Service(health) = front.event(warned).await else { unreachable!() };
    assert!(health.warning.unwrap().to_string().contains("DUMP_DIR"));
}
