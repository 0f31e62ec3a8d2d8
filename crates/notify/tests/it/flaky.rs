//! Receivers that fail half of the time, over kills of memdeck.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use memdeck_catalog::Catalog;
use memdeck_clock::{Clock, SystemClock};
use memdeck_model::notice::{DeliveryQuery, GuestOf, Happening, NewRule, NewTarget};
use memdeck_notify::NetworkCourier;
use memdeck_operations::{Courier, NoticePace, Notices};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "a secret of some length";
const PACE: NoticePace = NoticePace {
    gather: Duration::from_millis(20),
    first_wait: Duration::from_millis(5),
    longest_wait: Duration::from_millis(40),
    give_up_after: Duration::from_mins(10),
    refusals: 1_000,
};

/// What a receiver has taken, and how it fails.
#[derive(Default)]
struct Received {
    calls: usize,
    /// How often each message was taken, by its id.
    messages: BTreeMap<String, usize>,
    notices: BTreeSet<String>,
    bad_signatures: usize,
}

type Shared = Arc<Mutex<Received>>;

async fn receive(State(received): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let (id, timestamp, given) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(&body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut received = received.lock().unwrap();
    received.calls += 1;
    received.bad_signatures += usize::from(signature != given);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["id"], id.as_str());
    let take = |received: &mut Received| {
        *received.messages.entry(id.clone()).or_default() += 1;
        for notice in body["notices"].as_array().unwrap() {
            received.notices.insert(notice["event"]["dump_id"].as_str().unwrap().to_owned());
        }
    };
    match received.calls % 4 {
        0 => StatusCode::SERVICE_UNAVAILABLE,
        1 => {
            // It has it, and its answer is lost behind a gateway.
            take(&mut received);
            StatusCode::BAD_GATEWAY
        }
        _ => {
            take(&mut received);
            StatusCode::NO_CONTENT
        }
    }
}

async fn receiver() -> (SocketAddr, Shared) {
    let received = Shared::default();
    let routes = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&received));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, received)
}

fn failed(n: usize) -> Happening {
    Happening::DumpFailed {
        dump_id: format!("d{n}").parse().unwrap(),
        guest: GuestOf { name: format!("web-{n}"), uuid: None },
        reason: None,
        detail: "no room".into(),
    }
}

fn total(catalog: &Catalog, state: Option<&str>) -> u64 {
    let state = state.map(|state| state.parse().unwrap());
    catalog.deliveries(&DeliveryQuery { state, limit: 1, ..DeliveryQuery::default() }).unwrap().total
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(100), waited).await.expect("it does not come to an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_half_of_the_time_gets_everything_over_kills_of_memdeck() {
    const LIVES: usize = 3;
    const PER_LIFE: usize = 24;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = tempfile::tempdir().unwrap();
    let mut receivers = Vec::new();
    {
        let catalog = Catalog::open(dir.path()).unwrap();
        for name in ["first", "second"] {
            let (address, received) = receiver().await;
            receivers.push(received);
            let url = format!("http://{address}/hook");
            let address = serde_json::from_value(json!({"kind": "webhook", "url": url, "secret": SECRET}));
            let target = NewTarget { name: name.parse().unwrap(), address: address.unwrap() };
            assert!(catalog.add_notice_target(&target, SystemClock::new().now()).unwrap());
            catalog.add_notice_rule(&NewRule::everything(target.name)).unwrap().unwrap();
        }
    }
    for life in 0..LIVES {
        let catalog = Arc::new(Catalog::open(dir.path()).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (notices, raised) = Notices::new(clock);
        let courier: Arc<dyn Courier> = Arc::new(NetworkCourier::default());
        let carrying = tokio::spawn({
            let (notices, catalog) = (Arc::clone(&notices), Arc::clone(&catalog));
            async move { notices.carry(raised, &catalog, &courier, PACE).await }
        });
        for n in 0..PER_LIFE {
            let n = life * PER_LIFE + n;
            notices.raise_in_run(&format!("run {}", n / 2), None, failed(n));
        }
        let recorded = u64::try_from((life + 1) * PER_LIFE).unwrap();
        if life + 1 < LIVES {
            // Two notices are a message, to two targets. It ends while most of them wait or are on their way.
            until(|| total(&catalog, None) >= recorded).await;
            carrying.abort();
        } else {
            until(|| total(&catalog, Some("delivered")) == recorded).await;
            carrying.abort();
        }
        let _ = carrying.await;
        // What was sent and not noted: the next life sends it again.
        assert_eq!(total(&catalog, Some("dead")), 0);
    }
    for received in receivers {
        let received = received.lock().unwrap();
        let raised: BTreeSet<String> = (0..LIVES * PER_LIFE).map(|n| format!("d{n}")).collect();
        assert_eq!(received.notices, raised, "each arrives");
        assert_eq!(received.bad_signatures, 0);
        assert_eq!(received.messages.len(), LIVES * PER_LIFE / 2, "always under the same ids");
        assert!(received.messages.values().any(|times| *times > 1), "a lost answer is a second copy");
        assert!(received.calls > received.messages.len() * 5 / 4, "it failed often: {}", received.calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_answers_is_followed_nowhere_and_names_no_secret() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (trap, caught) = receiver().await;
    let elsewhere = format!("http://{trap}/hook");
    let redirect = move || {
        let elsewhere = elsewhere.clone();
        async move { (StatusCode::TEMPORARY_REDIRECT, [("location", elsewhere)], "s3cret") }
    };
    let routes = Router::new()
        .route("/s3cret", post(redirect))
        .route("/s3cret/slow", post(async || std::future::pending::<StatusCode>().await));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let message = serde_json::from_value(json!({"id": "m1", "at": "2026-11-14T08:58:23Z", "notices": []}));
    let message = message.unwrap();
    let courier = NetworkCourier::default();
    let deliver = async |path: &str| {
        let url = format!("http://{address}{path}");
        let target = serde_json::from_value(json!({"kind": "slack", "url": url})).unwrap();
        courier.deliver(&target, &message).await.unwrap_err()
    };
    let refused = deliver("/s3cret").await;
    assert!(refused.is_refusal && refused.detail.to_string().contains("307"), "{refused}");
    let unknown = deliver("/s3cret/none").await;
    for failure in [refused, unknown] {
        assert!(!failure.to_string().contains("s3cret"), "{failure}");
    }
    assert_eq!(caught.lock().unwrap().calls, 0);
}
