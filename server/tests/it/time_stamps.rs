//! An authority stamps the manifests of a host, and nobody waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use memdeck::config::TimeStampConfig;
use memdeck::time_stamps;
use memdeck_image::{ImageStore, time_stamp_beside};
use memdeck_model::TimeStampCheck;
use memdeck_signing::Authorities;
use memdeck_signing::testing::{FOR_TIME_STAMPS, TestAuthority};
use parking_lot::Mutex;

use crate::support::TestApp;

const P_256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";

/// How an authority answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Right,
    /// As it answered the request before.
    Again,
    Refuses,
    Endless,
    /// By another authority.
    Foreign,
}

struct Served {
    authority: TestAuthority,
    other: TestAuthority,
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Vec<u8>>>,
}

/// An authority on loopback.
async fn serve() -> (Arc<Served>, String) {
    let served = Arc::new(Served {
        authority: TestAuthority::new(P_256, FOR_TIME_STAMPS, 0),
        other: TestAuthority::new(P_256, FOR_TIME_STAMPS, 0),
        mood: Mutex::new(Mood::Right),
        asked: Mutex::default(),
    });
    let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&served));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (served, url)
}

async fn answer(State(served): State<Arc<Served>>, request: Bytes) -> (StatusCode, Body) {
    let before = served.asked.lock().last().cloned();
    served.asked.lock().push(request.to_vec());
    let mood = *served.mood.lock();
    match (mood, before) {
        (Mood::Refuses, _) => (StatusCode::SERVICE_UNAVAILABLE, Body::empty()),
        (Mood::Endless, _) => (StatusCode::OK, Body::from(vec![0; 1 << 20])),
        (Mood::Foreign, _) => (StatusCode::OK, Body::from(served.other.answer(&request))),
        (Mood::Again, Some(before)) => (StatusCode::OK, Body::from(served.authority.answer(&before))),
        (Mood::Right | Mood::Again, _) => (StatusCode::OK, Body::from(served.authority.answer(&request))),
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: not within 30 s");
}

fn stamp_of(image: &Path) -> PathBuf {
    PathBuf::from(image.to_str().unwrap().replace(".elf.zst", ".json.tsr"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authority_answers_is_kept_only_if_it_holds_and_it_is_asked_until_it_does() {
    let (served, url) = serve().await;
    let app = TestApp::start();
    let (_, first) = app.dumped("web-01").await;
    let authorities = Arc::new(Authorities::from_pem(served.authority.root_pem().as_bytes()).unwrap());
    let config = TimeStampConfig { url: Some(url.parse().unwrap()), authorities: Arc::clone(&authorities) };
    let store = ImageStore::open(first.parent().unwrap()).unwrap();
    for mood in [Mood::Refuses, Mood::Endless, Mood::Foreign, Mood::Again] {
        *served.mood.lock() = mood;
        let before = served.asked.lock().len();
        // What it did before it failed is done again from the beginning, as after a restart.
        let task = tokio::spawn(time_stamps::keep(Some(store.clone()), config.clone()));
        until("the authority is asked", || served.asked.lock().len() > before).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!stamp_of(&first).exists());
        assert_eq!(time_stamp_beside(&first, &authorities), Some(TimeStampCheck::None));
        task.abort();
    }
    *served.mood.lock() = Mood::Right;
    let task = tokio::spawn(time_stamps::keep(Some(store.clone()), config));
    until("the first is stamped", || stamp_of(&first).exists()).await;
    let found = time_stamp_beside(&first, &authorities);
    assert!(
        matches!(&found, Some(TimeStampCheck::Valid { by, .. }) if by == "CN=tsa.example,O=memdeck tests"),
        "{found:?}"
    );
    let (_, second) = app.dumped("db-01").await;
    until("the second is stamped", || stamp_of(&second).exists()).await;
    assert!(store.unstamped().unwrap().is_empty());
    task.abort();

    // Of another manifest, and changed by a bit.
    std::fs::copy(stamp_of(&first), stamp_of(&second)).unwrap();
    assert_eq!(time_stamp_beside(&second, &authorities), Some(TimeStampCheck::Wrong));
    let mut bytes = std::fs::read(stamp_of(&first)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stamp_of(&first), bytes).unwrap();
    assert_eq!(time_stamp_beside(&first, &authorities), Some(TimeStampCheck::Wrong));
}
