//! A dump service of an earlier version, and one that answers badly at first: both work with this dashboard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{get as route_get, post as route_post};
use axum::{Json, Router};
use memdeck_model::Event;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::support::front::{Front, Listening};
use crate::support::{TestApp, answer, get, post};

/// Much longer than between two questions.
const PATIENCE: Duration = Duration::from_mins(1);

fn status(state: &str) -> Value {
    json!({
        "dump_id": "id-of-db-01", "vm": "db-01", "state": state, "progress": 10.0, "message": "as it is",
        "started_at": "2025-11-14T08:58:23.550273Z",
    })
}

/// Who asks, as services took it before actors were objects.
fn refusal(who: &Value) -> Option<axum::response::Response> {
    let is_read = who.is_null() || who.is_string();
    let refused = || (StatusCode::BAD_REQUEST, Json(json!({"detail": "who asks is text"}))).into_response();
    (!is_read).then(refused)
}

/// An agent of before actors were objects; what it was sent.
fn older(sent: Arc<Mutex<Vec<Value>>>) -> Router {
    let capabilities = json!({
        "uuids": true, "options": true, "cancel": true, "images": true, "guests": true, "records": true,
    });
    let trigger = {
        let sent = Arc::clone(&sent);
        async move |Json(body): Json<Value>| {
            sent.lock().push(body.clone());
            let dumps = || Json(json!({body["vms"][0].as_str().unwrap(): status("running")})).into_response();
            refusal(&body["requested_by"]).unwrap_or_else(dumps)
        }
    };
    let cancel = async move |Json(body): Json<Value>| {
        sent.lock().push(body.clone());
        let accepted = || {
            let reply = json!({"status": "cancelling", "message": "", "dump_id": "id-of-db-01"});
            (StatusCode::ACCEPTED, Json(reply)).into_response()
        };
        refusal(&body["by"]).unwrap_or_else(accepted)
    };
    Router::new()
        .route("/api/capabilities", route_get(async || Json(capabilities)))
        .route("/api/dumps", route_get(async || Json(json!({"db-01": status("running")}))).post(trigger))
        .route("/api/dumps/{id}/cancel", route_post(cancel))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_takes_no_actor_is_sent_none_and_dumps_and_cancels() {
    let app = TestApp::start();
    let sent = Arc::default();
    let service = Listening::with(older(Arc::clone(&sent))).await;
    let mut front = Front::of(&app, service.address);
    // Whatever it can do is known then.
    tokio::time::timeout(PATIENCE, front.event(|event| matches!(event, Event::Dump(_)))).await.unwrap();
    let (code, reply) = front.trigger("db-01").await;
    assert_eq!(code, StatusCode::OK, "{reply}");
    let cancel = post("/api/memory-dumps/cancel/id-of-db-01", r#"{"by": "ada"}"#);
    let (code, reply) = answer(&front.router, cancel).await;
    assert_eq!(code, StatusCode::ACCEPTED, "{reply}");
    let sent = sent.lock();
    assert_eq!((sent.len(), &sent[0]["requested_by"], &sent[1]), (2, &Value::Null, &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_answers_badly_or_not_yet_is_asked_for_again() {
    let app = TestApp::start();
    let asked = [const { AtomicU32::new(0) }; 2].map(Arc::new);
    let is_first = |place: usize| {
        let asked = Arc::clone(&asked[place]);
        move || asked.fetch_add(1, Ordering::Relaxed) == 0
    };
    let (first_ready, first_pause) = (is_first(0), is_first(1));
    let ready = async move || {
        if first_ready() {
            return (StatusCode::SERVICE_UNAVAILABLE, "<html>").into_response();
        }
        let failed = json!([{"check": "dump_dir", "detail": "DUMP_DIR is full."}]);
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "failed": failed}))).into_response()
    };
    let limits = json!({"limit_ms": 30_000, "bytes_per_s": 7, "measured_from": 1});
    let pause = async move || Json(if first_pause() { Value::Null } else { limits.clone() });
    let routes = Router::new()
        .route("/api/dumps", route_get(async || Json(json!({}))))
        .route("/readyz", route_get(ready))
        .route("/api/frozen-pause", route_get(pause));
    let service = Listening::with(routes).await;
    let mut front = Front::of(&app, service.address);
    let warned = |event: &Event| matches!(event, Event::Service(health) if health.warning.is_some());
    tokio::time::timeout(PATIENCE, front.event(warned)).await.expect("the second answer is believed");
    let told = async {
        while answer(&front.router, get("/api/frozen-pause")).await.1["bytes_per_s"] != 7 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the second answer is believed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_store_is_warned_of_while_it_dumps_too() {
    let app = TestApp::start();
    let failed = json!([{"check": "state_dir", "detail": "STATE_DIR is full."}]);
    let ready = async move || {
        (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "failed": failed.clone()})))
    };
    let routes = Router::new()
        .route("/api/dumps", route_get(async || Json(json!({"db-01": status("running")}))))
        .route("/readyz", route_get(ready));
    let service = Listening::with(routes).await;
    let mut front = Front::of(&app, service.address);
    let warned = |event: &Event| matches!(event, Event::Service(health) if health.warning.is_some());
    tokio::time::timeout(PATIENCE, front.event(warned)).await.expect("it dumps, and the page is told");
}
