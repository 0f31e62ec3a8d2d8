//! Both services' HTTP: no request makes one fail, what must be refused is refused, and every refusal is a sentence.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arbitrary::Unstructured;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use memdeck::desk::{Desk, DeskParts, GuestSource};
use memdeck::http::{AgentState, DashboardState, Guard, agent, dashboard};
use memdeck_capture::{BackendError, DumpBackend, ManualClock};
use memdeck_catalog::Catalog;
use memdeck_fuzz::{damaged, scratch};
use memdeck_model::{
    ByteCount, DumpId, DumpOptions, DumpStatus, Event, Guest, GuestName, GuestState, Millis, Problem,
    Timestamp, VmRef,
};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};
use tower::ServiceExt as _;

const HOST: &str = "127.0.0.1:8000";
const PATHS: [&str; 16] = [
    "/api/dumps",
    "/api/dumps/web-01",
    "/api/dumps/a1/cancel",
    "/api/records?since=18446744073709551615&limit=4294967295",
    "/api/guests",
    "/api/memory-dumps/trigger",
    "/api/memory-dumps/records?limit=-1&offset=9223372036854775807",
    "/api/memory-dumps/status",
    "/api/memory-dumps/status/web-01",
    "/api/memory-dumps/cancel/a1",
    "/api/memory-dumps/stats",
    "/api/telemetry/live-vms",
    "/api/ui/dumps",
    "/api/ui/records",
    "/memory-dumps?page=2",
    "/pkg/%2e%2e/secret",
];
const BODIES: [&str; 5] = [
    r#"{"vms": ["web-01", 7], "mode": "auto", "case": "IR-1"}"#,
    r#"{"vm_ids": ["all"]}"#,
    r#"{"by": "ada"}"#,
    r#"{"query": {"limit": 10, "offset": 0}}"#,
    r#"{"request": {"vms": ["web-01"]}}"#,
];
const HOSTS: [&str; 6] =
    [HOST, "LOCALHOST", "[::1]:80", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:8000:1"];
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];

/// Takes every request and does nothing.
struct Nobody(broadcast::Sender<Event>);

#[async_trait]
impl DumpBackend for Nobody {
    fn service(&self) -> &str {
        "local"
    }

    async fn trigger(
        &self,
        targets: Vec<VmRef>,
        options: DumpOptions,
        _requested_by: &str,
    ) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        assert!((1..=1000).contains(&targets.len()));
        assert!(options.note.is_none_or(|note| note.as_str().chars().count() <= 500));
        Ok(BTreeMap::new())
    }

    async fn cancel(&self, _dump_id: DumpId, by: &str) -> Result<bool, BackendError> {
        assert!(by.chars().count() <= 500 && !by.chars().any(char::is_control), "{by:?}");
        Ok(true)
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        Ok(BTreeMap::new())
    }

    async fn status(&self, _vm: &str) -> Result<Option<DumpStatus>, BackendError> {
        Ok(None)
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

#[async_trait]
impl GuestSource for Nobody {
    fn uri(&self) -> String {
        "test:///".to_owned()
    }

    async fn list(&self) -> Result<Vec<Guest>, Problem> {
        Ok(vec![Guest {
            id: Some(7),
            name: GuestName("web-01".to_owned()),
            uuid: "u".to_owned(),
            state: GuestState::Running,
            vcpus: 1,
            memory_max: ByteCount(1),
            memory: ByteCount(1),
            cpu_time_ns: 1,
        }])
    }
}

struct Services {
    runtime: Runtime,
    routers: [Router; 2],
}

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    any_spawner::Executor::init_tokio().expect("an executor");
    let _entered = runtime.enter();
    let catalog = Arc::new(Catalog::open(scratch()).expect("a catalog"));
    let nobody = Arc::new(Nobody(broadcast::channel(16).0));
    let now: Timestamp = "2025-11-14T08:58:23Z".parse().expect("an instant");
    let desk = Arc::new(Desk::new(DeskParts {
        catalog: Arc::clone(&catalog),
        backend: Arc::clone(&nobody) as _,
        guests: Arc::clone(&nobody) as _,
        clock: Arc::new(ManualClock::starting_at(now)),
        dump_timeout: Millis(1000),
    }));
    let guard = Arc::new(Guard::new(HOST.parse().expect("an address"), &[], None));
    let closing = watch::channel(false).1;
    let state = AgentState {
        backend: Arc::clone(&nobody) as _,
        catalog,
        catalog_id: "the-catalog".to_owned(),
        guests: nobody,
    };
    let routers =
        [agent(state, Arc::clone(&guard)), dashboard(DashboardState { desk, closing }, guard, None)];
    drop(_entered);
    Services { runtime, routers }
});

async fn answer(router: Router, request: Request<Body>) -> (Response<()>, Option<Bytes>) {
    let (parts, body) = router.oneshot(request).await.expect("a router answers").into_parts();
    let is_endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if is_endless { None } else { body.collect().await.ok().map(|body| body.to_bytes()) };
    (Response::from_parts(parts, ()), body)
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let method = *data.choose(&METHODS).unwrap_or(&"GET");
    let host = *data.choose(&HOSTS).unwrap_or(&HOST);
    let is_json = data.ratio(7, 8).unwrap_or(true);
    let is_foreign = data.ratio(1, 8).unwrap_or(false);
    let which = usize::from(data.arbitrary::<bool>().unwrap_or_default());
    let half = data.bytes(data.len() / 2).unwrap_or_default();
    let path = damaged(&mut Unstructured::new(half), &PATHS.map(str::as_bytes));
    let body = damaged(&mut data, &BODIES.map(str::as_bytes));
    let Ok(path) = std::str::from_utf8(&path) else { return };
    let mut request = Request::builder().method(method).uri(path).header("host", host);
    if is_json {
        request = request.header("content-type", "application/json");
    }
    if is_foreign {
        request = request.header("origin", "https://evil.example");
    }
    let Ok(request) = request.body(Body::from(body)) else { return };
    if !request.uri().path().starts_with('/') {
        return;
    }
    let path = request.uri().path().to_owned();

    let Services { runtime, routers } = &*SERVICES;
    let (response, body) = runtime.block_on(answer(routers[which].clone(), request));
    let status = response.status();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}: {body:?}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let is_change = !matches!(method, "GET" | "HEAD");
    if HOSTS[3..].contains(&host) {
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    } else if is_change && is_foreign {
        assert_eq!(status, StatusCode::FORBIDDEN);
    } else if is_change && !is_json {
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    if path.starts_with("/api/") && status.is_client_error() && method != "HEAD" {
        let refusal: serde_json::Value = serde_json::from_slice(&body.unwrap_or_default())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(refusal["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{refusal}");
    }
});
