//! Requests for dumps that are repeated under their `Idempotency-Key`: one effect, one answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode};
use memdeck_model::{DumpState, RequestKey};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::front::{ContractOnly, Front, Listening};
use crate::support::{TestApp, answer, post};

const DASHBOARD: &str = "/api/memory-dumps/trigger";
const AGENT: &str = "/api/dumps";

fn under(key: &str, path: &str, body: &Value) -> Request<Body> {
    let mut request = post(path, &body.to_string());
    request.headers_mut().insert(RequestKey::HEADER, HeaderValue::from_str(key).unwrap());
    request
}

fn jobs(app: &TestApp) -> usize {
    app.catalog.latest_jobs(100).unwrap().len()
}

/// A way to a service on which the answers to the first requests for dumps are lost: they arrive there, and the connection
/// breaks.
async fn losing(answers: usize, to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let left = Arc::new(AtomicUsize::new(answers));
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            tokio::spawn(pass_on(near, to, Arc::clone(&left)));
        }
    });
    address
}

async fn pass_on(mut near: TcpStream, to: SocketAddr, left: Arc<AtomicUsize>) {
    let mut far = TcpStream::connect(to).await.unwrap();
    let (mut asked, mut told) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut is_lost = false;
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                is_lost |= asked[..length].starts_with(b"POST /api/dumps ")
                    && left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
                far.write_all(&asked[..length]).await.unwrap();
            }
            read = far.read(&mut told) => {
                let Ok(length @ 1..) = read else { return };
                if is_lost {
                    return;
                }
                if near.write_all(&told[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What both faces of memdeck have in common.
async fn is_answered_once(app: &TestApp, router: &Router, path: &str) {
    let body = json!({"vms": ["web-01"]});
    let (status, first) = answer(router, under("k-1", path, &body)).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    app.ended(1).await;
    let again = answer(router, under("k-1", path, &body)).await;
    assert_eq!(again, (StatusCode::OK, first), "the first answer, not the present state");
    assert_eq!(jobs(app), 1);

    let (status, refusal) = answer(router, under("k-1", path, &json!({"vms": ["db-01"]}))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().contains("nothing was dumped"), "{refusal}");
    for no_key in ["", "a b", &"x".repeat(201)] {
        let (status, refusal) = answer(router, under(no_key, path, &body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{no_key:?}: {refusal}");
    }
    assert_eq!(jobs(app), 1);

    assert_eq!(answer(router, under("k-2", path, &body)).await.0, StatusCode::OK);
    app.ended(1).await;
    app.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    assert_eq!(answer(router, under("k-1", path, &json!({"vms": ["db-01"]}))).await.0, StatusCode::OK);
    app.ended(1).await;
    assert_eq!(jobs(app), 3, "a key is known for a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_dumps_once_per_key() {
    let app = TestApp::start();
    is_answered_once(&app, &app.dashboard, DASHBOARD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_dumps_once_per_key() {
    let app = TestApp::start();
    is_answered_once(&app, &app.agent, AGENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_under_one_key_at_once_get_one_dump_and_one_answer() {
    let app = TestApp::start();
    let asked = (0..20).map(|_| answer(&app.dashboard, under("k", DASHBOARD, &json!({"vms": ["web-01"]}))));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|told| *told == answers[0] && told.0 == StatusCode::OK), "{answers:?}");
    assert_eq!(jobs(&app), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_between_dashboard_and_agent_is_asked_for_again_and_one_dump_is_taken() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let front = Front::of(&agent, losing(1, service.address).await);
    let (status, told) = front.trigger("web-01").await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let ended = agent.ended(1).await;
    assert_eq!((jobs(&agent), ended[0].state), (1, DumpState::Completed));
    assert_eq!(told["dumps"][0]["dump_id"], json!(ended[0].dump_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_failed_on_the_way_goes_on_when_it_is_repeated_after_a_restart() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    // The answer is lost twice: the dashboard gives up.
    let front = Front::of(&agent, losing(2, service.address).await);
    let all = json!({"vms": ["all"]});
    let (status, refusal) = answer(&front.router, under("k", DASHBOARD, &all)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    let count = agent.ended(2).await.len();

    // Nobody knows the answer; what was asked for is known, though other guests would be dumped now.
    drop(agent.hypervisor.add_guest("new-01", memdeck_model::ByteCount::from_mib(1)));
    let again = Front::on(front.state, &agent, service.address);
    let (status, told) = answer(&again.router, under("k", DASHBOARD, &all)).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(told["vm_ids"], json!(["db-01", "web-01"]));
    assert_eq!(jobs(&agent), count, "nothing was dumped twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_the_three_calls_only_is_never_asked_again() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let front = Front::of(&app, losing(1, service.address).await);
    let (status, refusal) = front.trigger("7").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    assert_eq!(foreign.asked().len(), 1);
}
