//! An authority stamps the manifests of a host, and nobody waits for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use memdeck::config::TimeStampConfig;
use memdeck::time_stamps::{Stamped, TimeStamps, Unstamped};
use memdeck_image::{ImageStore, time_stamp_beside};
use memdeck_model::TimeStampCheck;
use memdeck_signing::testing::{FOR_TIME_STAMPS, TestAuthority};
use memdeck_signing::{Authorities, StampFault};
use parking_lot::Mutex;

use crate::support::{TestApp, configuration};

const P_256: &str = "EC -pkeyopt ec_paramgen_curve:P-256";

/// How an authority answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

fn stamp_of(image: &Path) -> PathBuf {
    PathBuf::from(image.to_str().unwrap().replace(".elf.zst", ".json.tsr"))
}

#[test]
fn an_authority_without_certificates_that_vouch_for_it_stops_the_start_with_the_reason() {
    let url = ("TIMESTAMP_URL", "http://tsa.example/");
    for (set, reason) in [
        (vec![url], "TIMESTAMP_URL is set and TIMESTAMP_CA is not"),
        (vec![url, ("TIMESTAMP_CA", "/nowhere.pem")], "TIMESTAMP_CA is /nowhere.pem: it cannot be read"),
        (vec![url, ("TIMESTAMP_CA", "/etc/hostname")], "it holds no certificate in PEM"),
        (vec![("TIMESTAMP_URL", "ftp://tsa.example/")], "an http:// or https:// URL"),
    ] {
        let error = configuration(&set).unwrap_err().to_string();
        assert!(error.contains(reason), "{set:?}: {error}");
    }
    assert!(configuration(&[]).unwrap().time_stamps.url.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_authority_answers_is_kept_only_if_it_holds_and_it_is_asked_until_it_does() {
    let (served, url) = serve().await;
    let app = TestApp::start();
    let (_, first) = app.dumped("web-01").await;
    let authorities = Arc::new(Authorities::from_pem(served.authority.root_pem().as_bytes()).unwrap());
    let config = TimeStampConfig { url: Some(url.parse().unwrap()), authorities: Arc::clone(&authorities) };
    let store = ImageStore::open(first.parent().unwrap()).unwrap();
    let stamps = TimeStamps::new(store.clone(), config).unwrap().unwrap();
    for mood in [Mood::Refuses, Mood::Endless, Mood::Foreign, Mood::Again] {
        *served.mood.lock() = mood;
        let Stamped { count: 0, problem: Some(problem) } = stamps.stamp_all().await else {
            panic!("{mood:?}: something was stamped");
        };
        let is_as_expected = match (mood, &problem) {
            (Mood::Refuses, Unstamped::Status(status)) => *status == StatusCode::SERVICE_UNAVAILABLE,
            (Mood::Endless, Unstamped::TooLong) => true,
            (Mood::Foreign, Unstamped::Fault(fault)) => matches!(fault, StampFault::NotBelieved { .. }),
            (Mood::Again, Unstamped::Fault(fault)) => *fault == StampFault::OtherRequest,
            _ => false,
        };
        assert!(is_as_expected, "{mood:?}: {problem:?}");
        assert_eq!(time_stamp_beside(&first, &authorities), Some(TimeStampCheck::None));
    }
    // One that cannot be written keeps no other from its own.
    *served.mood.lock() = Mood::Right;
    let (_, second) = app.dumped("db-01").await;
    let hindrance = PathBuf::from(format!("{}.partial", stamp_of(&first).display()));
    std::fs::create_dir(&hindrance).unwrap();
    let Stamped { count, problem } = stamps.stamp_all().await;
    assert!(count == 1 && matches!(problem, Some(Unstamped::Store(_))), "{count}: {problem:?}");
    assert!(stamp_of(&second).exists() && !stamp_of(&first).exists());
    std::fs::remove_dir(hindrance).unwrap();
    let Stamped { count, problem } = stamps.stamp_all().await;
    assert!(count == 1 && problem.is_none(), "{count}: {problem:?}");
    let found = time_stamp_beside(&first, &authorities);
    assert!(
        matches!(&found, Some(TimeStampCheck::Valid { by, .. }) if by == "CN=tsa.example,O=memdeck tests"),
        "{found:?}"
    );
    assert!(store.unstamped().unwrap().is_empty());

    // Of another manifest, and changed by a bit.
    std::fs::copy(stamp_of(&first), stamp_of(&second)).unwrap();
    assert_eq!(time_stamp_beside(&second, &authorities), Some(TimeStampCheck::Wrong));
    let mut bytes = std::fs::read(stamp_of(&first)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(stamp_of(&first), bytes).unwrap();
    assert_eq!(time_stamp_beside(&first, &authorities), Some(TimeStampCheck::Wrong));
}
