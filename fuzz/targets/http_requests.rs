//! Both services' HTTP: no request makes one fail, what must be refused is refused, and every refusal is a sentence.
#![no_main]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::Unstructured;
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use memdeck::archives::ArchiveDirectory;
use memdeck::config::{Config, HttpConfig, Places, Role, Sources};
use memdeck::http::{Access, AgentState, DashboardState, agent, dashboard};
use memdeck::metrics::{Metrics, MetricsParts};
use memdeck_catalog::{Catalog, NewJob};
use memdeck_clock::{Clock, ManualClock};
use memdeck_fuzz::{capture, damaged, provenance, scratch};
use memdeck_image::fuzzing::{elf_headers, noise};
use memdeck_image::{Effort, ExportFormat, ImageExport, ImageStore};
use memdeck_machine::StoredImages;
use memdeck_model::notice::{NoticeMessage, TargetAddress};
use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, GuestName,
    GuestState, HostId, Message, Millis, Problem, Record, RequestKey, Target, Timestamp, VmRef,
};
use memdeck_operations::{
    Accounts, Archives, Courier, Host, HostError, HostFacts, Hosts, ImageHost, Images, NoticeLimits,
    NoticePace, Notices, NotifyParts, Once, Operations, Parts, Readiness, ReadinessParts, Undelivered,
};
use memdeck_signing::KeyFiles;
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};
use tower::ServiceExt as _;

const HOST: &str = "127.0.0.1:8000";
const TOKEN: &str = "0123456789abcdef";
const BEARER: &str = "Bearer 0123456789abcdef";
/// The dump that has an image.
const STORED: &str = "stored-1";
const PATHS: [&str; 34] = [
    "/api/archives",
    "/api/archives/preview",
    "/readyz",
    "/api/dumps",
    "/api/dumps/web-01",
    "/api/dumps/a1/cancel",
    "/api/records?since=18446744073709551615&limit=4294967295",
    "/api/deletions?since=0",
    "/api/guests",
    "/api/frozen-pause",
    "/api/openapi.json",
    "/api/memory-dumps/trigger",
    "/api/memory-dumps/records?limit=-1&offset=9223372036854775807",
    "/api/memory-dumps/records?search=web&from=2025-11-14&to=2025-11-14T08:58:23Z&state=complete&host=kvm-a&mode=live",
    "/api/memory-dumps/records?sort=vmid&order=asc&limit=10",
    "/api/memory-dumps/export.csv?search=%25_&to=9998-12-31&sort=dom&order=desc",
    "/api/memory-dumps/status",
    "/api/memory-dumps/status/web-01",
    "/api/memory-dumps/cancel/a1",
    "/api/memory-dumps/stats",
    "/api/memory-dumps/stored-1",
    "/api/memory-dumps/stored-1/manifest",
    "/api/memory-dumps/stored-1/inspect",
    "/api/memory-dumps/stored-1/verify",
    "/api/memory-dumps/stored-1/image",
    "/api/memory-dumps/stored-1/image?format=raw",
    "/api/memory-dumps/stored-1/image?format=lime",
    "/api/memory-dumps/stored-1/image?format=stored",
    "/api/telemetry/live-vms",
    "/api/events?last_event_id=0123456789abcdef-7",
    "/api/ui/dumps",
    "/api/ui/records",
    "/memory-dumps?page=2",
    "/sign-in?next=/memory-dumps%3Fsearch=a",
];
const BODIES: [&str; 8] = [
    r#"{"vms": ["web-01", 7], "mode": "auto", "case": "IR-1"}"#,
    r#"{"vm_ids": ["all"]}"#,
    r#"{"by": "ada"}"#,
    r#"{"confirm": "web-02"}"#,
    r#"{"query": {"limit": 10, "offset": 0}}"#,
    r#"{"query": {"filter": {"search": "web", "from": "2025-11-14T08:58:23Z", "state": "failed"},
        "sort": {"by": "vmid", "order": "asc"}, "limit": 25, "offset": 50}}"#,
    r#"{"request": {"vms": ["web-01"]}}"#,
    "token=0123456789abcdef",
];
const HOSTS: [&str; 6] =
    [HOST, "LOCALHOST", "[::1]:80", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:8000:1"];
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];
/// Headers that are read, with a value of each.
const HEADERS: [(&str, &str); 13] = [
    ("range", "bytes=0-4095"),
    ("range", "bytes=-17"),
    ("range", "bytes=8000-"),
    ("if-none-match", "\"a\", W/\"b\""),
    ("if-range", "\"a\""),
    ("authorization", BEARER),
    ("cookie", "memdeck_session=0123456789012345678901234567890123456789012; a=b"),
    ("x-forwarded-for", "10.0.0.9, [::1]:80, 198.51.100.9:4711"),
    ("x-forwarded-proto", "https, http"),
    ("last-event-id", "0123456789abcdef-7"),
    ("sec-fetch-site", "cross-site"),
    ("accept-encoding", "br;q=0.1, gzip"),
    ("x-request-id", "abc"),
];
/// The services: a dump service, a dashboard, and a dashboard with a token behind a proxy.
const WITH_TOKEN: usize = 2;

/// Takes every request and does nothing.
struct Nobody(broadcast::Sender<Event>, Arc<StoredImages>);

/// Sends nothing: what a request makes it send must not leave the target.
struct NoCourier;

#[async_trait]
impl Courier for NoCourier {
    fn check(&self, _address: &TargetAddress) -> Result<(), Message> {
        Ok(())
    }

    async fn deliver(&self, _address: &TargetAddress, _message: &NoticeMessage) -> Result<(), Undelivered> {
        Ok(())
    }
}

#[async_trait]
impl Host for Nobody {
    fn address(&self) -> &str {
        "local"
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        _requested_by: &Actor,
        _key: &RequestKey,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        assert!((1..=1000).contains(&targets.len()));
        assert!(options.note.is_none_or(|note| note.as_str().chars().count() <= 500));
        Ok(BTreeMap::new())
    }

    async fn cancel(&self, _dump_id: DumpId, by: &Actor) -> Result<bool, HostError> {
        assert!(!by.to_string().chars().any(char::is_control), "{by:?}");
        Ok(true)
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        Ok(BTreeMap::new())
    }

    async fn status(&self, _vm: &str) -> Result<Option<DumpStatus>, HostError> {
        Ok(None)
    }

    async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        Ok(None)
    }

    async fn facts(&self) -> HostFacts {
        HostFacts::default()
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }

    fn images(&self) -> Arc<dyn ImageHost> {
        Arc::clone(&self.1) as _
    }

    fn guests_of(&self) -> String {
        "test:///".to_owned()
    }

    fn name(&self) -> Option<String> {
        Some("kvm-a".to_owned())
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        Ok(vec![Guest {
            host: None,
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
    routers: [Router; 3],
    clock: ManualClock,
    /// The image in every form whose length is known, by the ending of its file.
    forms: BTreeMap<String, Vec<u8>>,
}

/// Stores an image and records it, as the engine does.
fn store_image(catalog: &Catalog, now: Timestamp) -> PathBuf {
    let store = ImageStore::open(&scratch().join("dumps")).expect("a directory for dumps");
    let memory = [noise(1, 5000), vec![0; 4000]].concat();
    let image = [elf_headers(&[(0, memory.len() as u64)]), memory].concat();
    let provenance = provenance(CaptureMode::Frozen);
    let name = provenance.guest.name.clone();
    let id: DumpId = STORED.parse().expect("a dump id");
    let mut partial = store.create(&name, &id).expect("a new image");
    let captured = capture(&store, &mut partial, image.as_slice()).expect("a captured image");
    let path = partial.seal(provenance).expect("a sealed image").image;
    let record = Record {
        dump_id: Some(id.clone()),
        sha256: Some(captured.sha256),
        raw_size_bytes: Some(captured.raw_size),
        gzip_size_bytes: Some(captured.stored_size),
        dump_path: path.to_str().map(str::to_owned),
        ..Record::unknown(name, "7".to_owned(), now)
    };
    let job = NewJob {
        dump_id: id.clone(),
        vm: VmRef::new("web-01").expect("a name"),
        asked_by_text: true,
        guest: None,
        requested_by: Actor::Page,
        queued_at: now,
        options: DumpOptions::default(),
    };
    catalog.enqueue(job).expect("a job");
    catalog.start_next(1, now).expect("a job that runs");
    catalog.complete(&id, now, "", &record).expect("a record");
    path
}

fn forms(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let formats = [ExportFormat::Elf, ExportFormat::Raw, ExportFormat::Lime];
    let exported = formats.into_iter().map(|format| {
        let mut bytes = Vec::new();
        let export = ImageExport::open(path, format).expect("an image that is sound");
        export.write_from(0, Effort::Shared, &mut bytes).expect("an image that is sound");
        (format!(".{format}\""), bytes)
    });
    exported.chain([(".elf.zst\"".to_owned(), std::fs::read(path).expect("a file"))]).collect()
}

/// The settings of HTTP as these environment variables make them.
fn http(variables: &[(&str, &str)]) -> HttpConfig {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources::gather(&HashMap::new(), &variables, &BTreeMap::new(), None).expect("settings");
    Config::from_sources(&sources, &Places::of_this_user(&variables)).expect("settings that are valid").http
}

static SERVICES: LazyLock<Services> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    any_spawner::Executor::init_tokio().expect("an executor");
    let _entered = runtime.enter();
    let now: Timestamp = "2025-11-14T08:58:23Z".parse().expect("an instant");
    let clock = ManualClock::starting_at(now);
    let catalog = Arc::new(Catalog::open(scratch()).expect("a catalog"));
    let path = store_image(&catalog, now);
    let stored = Arc::new(StoredImages::new(Arc::clone(&catalog), Arc::new(clock.clone())));
    let nobody: Arc<dyn Host> = Arc::new(Nobody(broadcast::channel(16).0, stored));
    let audit = memdeck_operations::audit::Audit::new(Arc::clone(&catalog), Arc::new(clock.clone()));
    let images = Arc::new(Images::new(Arc::clone(&catalog), audit, nobody.images(), None));
    let hosts = Arc::new(Hosts::one(HostId::local(), Arc::clone(&nobody)));
    let readiness = Readiness::new(ReadinessParts {
        catalog: Arc::clone(&catalog),
        dump_dir: None,
        hosts: Arc::clone(&hosts),
        clock: Arc::new(clock.clone()),
    });
    let metrics = Metrics::new(MetricsParts {
        role: Role::Serve,
        catalog: Arc::clone(&catalog),
        hosts: Arc::clone(&hosts),
        readiness: Arc::clone(&readiness),
        telemetry: None,
        clock: Arc::new(clock.clone()),
        volumes: Vec::new(),
    });
    let (notices, raised) = Notices::new(Arc::new(clock.clone()));
    let notify = NotifyParts {
        notices,
        raised,
        courier: Arc::new(NoCourier),
        limits: NoticeLimits::default(),
        pace: NoticePace::default(),
    };
    let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let once = Arc::new(Once::new(Arc::clone(&catalog), Arc::clone(&shared_clock)));
    let accounts = Arc::new(Accounts::load(&catalog, &shared_clock).expect("accounts"));
    let operations = Arc::new(Operations::new(Parts {
        catalog: Arc::clone(&catalog),
        hosts,
        host_book: None,
        images: Arc::clone(&images),
        readiness: Arc::clone(&readiness),
        telemetry: None,
        import: None,
        clock: Arc::new(clock.clone()),
        dump_timeout: Millis(1000),
        notify,
    }));
    let access = |http: HttpConfig| {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        Arc::new(Access::new(HOST.parse().expect("an address"), &http, &clock))
    };
    let closing = watch::channel(false).1;
    let keys = KeyFiles::of(scratch());
    let files = Arc::new(ArchiveDirectory::of(scratch(), Arc::clone(&catalog)));
    let (kept, audit) = (Arc::clone(&catalog), images.audit().clone());
    let archives = Arc::new(Archives::new(kept, audit, Arc::clone(&shared_clock), files, false));
    let state = AgentState {
        host: nobody,
        catalog,
        catalog_id: "the-catalog".to_owned(),
        images,
        telemetry: None,
        readiness,
        metrics: Arc::clone(&metrics),
        keys: keys.clone(),
        archives: Arc::clone(&archives),
        once,
    };
    let state_of_dashboard = DashboardState { operations, accounts, metrics, keys, archives, closing };
    let open = access(http(&[("OPEN_ACCESS", "loopback")]));
    let closed = access(http(&[("MEMDECK_TOKEN", TOKEN), ("MEMDECK_BEHIND_PROXY", "127.0.0.1")]));
    let routers = [
        agent(state, Arc::clone(&open)),
        dashboard(state_of_dashboard.clone(), open, None),
        dashboard(state_of_dashboard, closed, None),
    ];
    drop(_entered);
    Services { runtime, routers, clock, forms: forms(&path) }
});

async fn answer(router: Router, request: Request<Body>) -> (Response<()>, Option<Bytes>) {
    let (parts, body) = router.oneshot(request).await.expect("a router answers").into_parts();
    let is_endless = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if is_endless { None } else { body.collect().await.ok().map(|body| body.to_bytes()) };
    (Response::from_parts(parts, ()), body)
}

/// What of an image was sent is what was asked for.
fn check_part(response: &Response<()>, body: &[u8], forms: &BTreeMap<String, Vec<u8>>) {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let Some(name) = header("content-disposition") else { return };
    let ending = name.find('.').map_or("", |at| &name[at..]);
    // An AVML image has no known length.
    let Some(whole) = forms.get(ending) else { return };
    let told = header("content-length").expect("a length that is known");
    assert_eq!(told, body.len().to_string());
    match response.status() {
        StatusCode::OK => assert!(body == whole, "{name}"),
        StatusCode::PARTIAL_CONTENT => {
            let range = header("content-range").expect("a range");
            let place =
                range.strip_prefix("bytes ").and_then(|range| range.split_once('/')).expect("a range");
            assert_eq!(place.1, whole.len().to_string());
            let (first, last) = place.0.split_once('-').expect("a range");
            let [first, last] = [first, last].map(|at| at.parse::<usize>().expect("a place"));
            assert!(body == &whole[first..=last], "{name} {range}");
        }
        status => panic!("{status} with a file name"),
    }
}

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let method = *data.choose(&METHODS).unwrap_or(&"GET");
    let host = *data.choose(&HOSTS).unwrap_or(&HOST);
    let is_json = data.ratio(7, 8).unwrap_or(true);
    let is_foreign = data.ratio(1, 8).unwrap_or(false);
    let which = usize::from(data.arbitrary::<u8>().unwrap_or_default()) % 3;
    let mut request = Request::builder().method(method).header("host", host);
    let mut has_token = false;
    for _ in 0..data.int_in_range(0..=2).unwrap_or_default() {
        let (name, value) = *data.choose(&HEADERS).unwrap_or(&HEADERS[0]);
        let part = data.bytes(data.len() / 4).unwrap_or_default();
        let value = damaged(&mut Unstructured::new(part), &[value.as_bytes()]);
        has_token |= name == "authorization" && value.eq_ignore_ascii_case(BEARER.as_bytes());
        request = request.header(name, value);
    }
    let half = data.bytes(data.len() / 2).unwrap_or_default();
    let path = damaged(&mut Unstructured::new(half), &PATHS.map(str::as_bytes));
    let body = damaged(&mut data, &BODIES.map(str::as_bytes));
    let Ok(path) = std::str::from_utf8(&path) else { return };
    let is_form = path.starts_with("/sign-");
    request = request.uri(path);
    if is_json {
        let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        request = request.header("content-type", kind);
    }
    if is_foreign {
        request = request.header("origin", "https://evil.example");
    }
    let Ok(request) = request.body(Body::from(body)) else { return };
    // The image is needed again.
    if !request.uri().path().starts_with('/') || method == "DELETE" && path.contains(STORED) {
        return;
    }
    let path = request.uri().path().to_owned();
    let site = request.headers().get("sec-fetch-site");
    let is_cross_site = site.is_some_and(|site| site != "same-origin" && site != "none");

    let Services { runtime, routers, clock, forms } = &*SERVICES;
    // Long enough for another attempt with a wrong token.
    clock.advance(Duration::from_mins(5));
    let (response, body) = runtime.block_on(answer(routers[which].clone(), request));
    let status = response.status();
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{method} {path}: {body:?}");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    let is_change = !matches!(method, "GET" | "HEAD");
    if HOSTS[3..].contains(&host) {
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    } else if is_change && (is_foreign || is_cross_site) {
        assert_eq!(status, StatusCode::FORBIDDEN);
    } else if is_change && !is_json {
        // What has no body, or takes none, may say what it likes.
        let is_bodiless = path.ends_with("/verify") || path.contains("/cancel");
        assert!(!status.is_success() || is_bodiless, "{method} {path}");
    }
    let is_api = path.starts_with("/api/");
    if is_api && which == WITH_TOKEN {
        assert!(
            has_token || !(status.is_success() || status.is_redirection()),
            "{method} {path} without the token"
        );
    }
    if let Some(location) = response.headers().get("location") {
        let location = location.to_str().expect("a path");
        let is_own = location.strip_prefix('/').is_some_and(|rest| !rest.starts_with(['/', '\\']));
        assert!(is_own, "{location}");
    }
    if is_api && status.is_client_error() && method != "HEAD" {
        let refusal: serde_json::Value = serde_json::from_slice(&body.unwrap_or_default())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert!(refusal["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{refusal}");
    } else if method == "GET" && status.is_success() {
        check_part(&response, &body.unwrap_or_default(), forms);
    }
});
