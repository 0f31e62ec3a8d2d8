//! A dashboard in front of a dump service: `memdeck agent`, or one that has the three calls of the contract only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get as route_get;
use axum::{Json, Router};
use memdeck::config::{HttpConfig, OpenAccess, Role, ServiceConfig};
use memdeck::http::{Access, DashboardState};
use memdeck::metrics::{Metrics, MetricsParts};
use memdeck_agent::{AgentHost, NearbyGuests, ServiceClient};
use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_hypervisor::simulated::Fault;
use memdeck_machine::HypervisorGuests;
use memdeck_model::ActivityKind::{Completed, Queued, Started};
use memdeck_model::{Actor, EndReason, Event, Millis};
use memdeck_operations::{Host as _, Hosts, ImageHost, Images, Operations, Parts, Readiness, ReadinessParts};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::support::{self, HOST, TIME_LIMIT, TestApp, answer, get, post};

/// A service that listens on loopback until it is dropped.
pub struct Listening {
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Listening {
    pub async fn with(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// Ends it; its address refuses connections afterwards.
    pub async fn stop(self) {
        self.server.abort();
        let _ = self.server.await;
    }
}

/// A dashboard that forwards.
pub struct Front {
    pub state: tempfile::TempDir,
    _closing: watch::Sender<bool>,
    pub router: Router,
    pub operations: Arc<Operations>,
    pub catalog: Arc<Catalog>,
    pub images: Arc<Images>,
    /// Where the images of the service are.
    pub kept: Arc<dyn ImageHost>,
    events: broadcast::Receiver<Event>,
}

impl Front {
    pub fn of(app: &TestApp, service: SocketAddr) -> Self {
        Self::on(tempfile::tempdir().unwrap(), app, service)
    }

    pub fn on(state: tempfile::TempDir, app: &TestApp, service: SocketAddr) -> Self {
        memdeck::commands::install_tls_provider();
        let catalog = Arc::new(Catalog::open(state.path()).unwrap());
        let config = ServiceConfig {
            url: format!("http://{service}/").parse().unwrap(),
            timeout: Duration::from_secs(5),
            token: None,
            ca: None,
        };
        let client = ServiceClient::new(&config).unwrap();
        let nearby = NearbyGuests {
            list: Arc::new(HypervisorGuests::new(Arc::new(app.libvirt.clone()), Duration::ZERO)),
            are_the_same: true,
            are_preferred: false,
        };
        let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
        let agent = Arc::new(AgentHost::new(
            client,
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Some(nearby),
            Duration::ZERO,
        ));
        let events = agent.subscribe();
        tokio::spawn({
            let agent = Arc::clone(&agent);
            async move { agent.follow().await }
        });
        let kept = agent.images();
        let here = support::stored(&catalog, &app.clock);
        let hosts = Arc::new(Hosts::one("hv2".parse().unwrap(), agent));
        let images = Arc::new(Images::new(
            Arc::clone(&catalog),
            support::audit(&catalog),
            here,
            Some(Arc::clone(&hosts)),
        ));
        let readiness = Readiness::new(ReadinessParts {
            catalog: Arc::clone(&catalog),
            dump_dir: None,
            hosts: Arc::clone(&hosts),
            clock: Arc::clone(&clock),
        });
        let metrics = Metrics::new(MetricsParts {
            role: Role::Serve,
            catalog: Arc::clone(&catalog),
            hosts: Arc::clone(&hosts),
            readiness: Arc::clone(&readiness),
            telemetry: None,
            clock: Arc::clone(&clock),
            volumes: Vec::new(),
        });
        let operations = support::operations(Parts {
            catalog: Arc::clone(&catalog),
            hosts,
            images: Arc::clone(&images),
            readiness,
            telemetry: None,
            import: None,
            clock,
            dump_timeout: Millis::from(TIME_LIMIT),
            notify: support::notify(&app.clock),
        });
        let (closing, closed) = watch::channel(false);
        let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
        let open = HttpConfig { open_access: OpenAccess::loopback(), ..HttpConfig::default() };
        let access = Arc::new(Access::new(HOST.parse().unwrap(), &open, &clock));
        let router = memdeck::http::dashboard(
            DashboardState {
                operations: Arc::clone(&operations),
                accounts: Arc::new(memdeck_operations::Accounts::none(&clock)),
                metrics,
                closing: closed,
            },
            access,
            None,
        );
        Self { state, _closing: closing, router, operations, catalog, images, kept, events }
    }

    pub async fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = match self.events.recv().await {
                Ok(event) => event,
                // Of thousands of records the newest events are kept.
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => panic!("the dashboard ended"),
            };
            if wanted(&event) {
                return event;
            }
        }
    }

    pub async fn trigger(&self, vm: &str) -> (StatusCode, Value) {
        answer(&self.router, post("/api/memory-dumps/trigger", &json!({"vms": [vm]}).to_string())).await
    }
}

pub fn is_record(event: &Event) -> bool {
    matches!(event, Event::Record(_))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_by_an_agent_looks_like_one_of_ones_own() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);

    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    assert_eq!(front.trigger("db-01").await.0, StatusCode::OK);
    agent.hypervisor.wait_until_stalled("db-01");
    let running = answer(&front.router, get("/api/memory-dumps/status/db-01")).await.1;
    assert_eq!(running["state"], "running");
    agent.hypervisor.release("db-01");
    front.event(is_record).await;

    let page = answer(&front.router, get("/api/memory-dumps/records")).await.1;
    let own = answer(&agent.dashboard, get("/api/memory-dumps/records")).await.1;
    assert_eq!(page["records"], own["records"]);
    assert_eq!((&page["total"], front.catalog.outbox_len().unwrap()), (&json!(1), 0));
    let status = answer(&front.router, get("/api/memory-dumps/status")).await.1;
    assert_eq!(
        (&status["status"], &status["service"]),
        (&json!("ok"), &json!(format!("http://{}", service.address)))
    );
    assert_eq!(front.operations.list_guests().await.unwrap().len(), 2);
    let log = front.operations.list_activity().await.unwrap();
    let told: Vec<_> = log.iter().map(|line| (line.kind, line.guest.as_str())).collect();
    assert_eq!(told, [(Completed, "db-01"), (Started, "db-01"), (Queued, "db-01")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_from_before_the_dashboard_was_there_are_imported_once() {
    let agent = TestApp::start();
    for vm in ["db-01", "web-01"] {
        answer(&agent.agent, post("/api/dumps", &json!({"vms": [vm]}).to_string())).await;
        agent.ended(1).await;
    }
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.event(is_record).await;
    front.event(is_record).await;
    assert_eq!(front.catalog.stats().unwrap().total_dumps, 2);

    let state = front.state;
    let mut again = Front::on(state, &agent, service.address);
    assert_eq!(again.trigger("db-01").await.0, StatusCode::OK);
    again.event(is_record).await;
    assert_eq!(again.catalog.stats().unwrap().total_dumps, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_told_and_stops_nothing_else() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.trigger("db-01").await;
    front.event(is_record).await;
    service.stop().await;

    let away = front.event(|event| matches!(event, Event::Service(health) if health.error.is_some())).await;
    assert!(matches!(away, Event::Service(_)));
    let (status, reply) = front.trigger("db-01").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply["detail"].as_str().unwrap().contains("does not answer"), "{reply}");
    assert_eq!(
        answer(&front.router, get("/api/memory-dumps/status/db-01")).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let (status, state) = answer(&front.router, get("/api/memory-dumps/status")).await;
    assert_eq!((status, &state["status"]), (StatusCode::OK, &json!("unavailable")));
    assert_eq!((&state["last_trigger"]["status"], &state["active_dumps"]), (&json!("error"), &json!({})));
    let records = answer(&front.router, get("/api/memory-dumps/records")).await;
    assert_eq!((records.0, &records.1["total"]), (StatusCode::OK, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_by_an_agent_is_cancelled_through_the_dashboard() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let front = Front::of(&agent, service.address);
    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    front.trigger("db-01").await;
    agent.hypervisor.wait_until_stalled("db-01");
    let running = answer(&front.router, get("/api/memory-dumps/status/db-01")).await.1;
    let call = format!("/api/memory-dumps/cancel/{}", running["dump_id"].as_str().unwrap());
    assert_eq!(answer(&front.router, post(&call, r#"{"by": "ada"}"#)).await.0, StatusCode::ACCEPTED);
    let by = Actor::named("ada").by_way_of(&rustix::system::uname().nodename().to_string_lossy());
    let expected = Some(EndReason::Cancelled { by, before_start: false });
    assert_eq!(agent.ended(1).await[0].end_reason, expected, "the agent is told who asked");
    let unknown = answer(&front.router, post("/api/memory-dumps/cancel/no-such-dump", "{}")).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND, "{}", unknown.1);
}

/// A service that has the three calls of the contract and nothing else: a double of the customer's Python service.
#[derive(Clone, Default)]
pub struct ContractOnly(Arc<Mutex<BTreeMap<String, Value>>>, Arc<Mutex<Vec<Value>>>);

impl ContractOnly {
    pub fn routes(&self) -> Router {
        Router::new()
            .route("/api/dumps", route_get(Self::statuses).post(Self::trigger))
            .route("/api/dumps/{vm}", route_get(Self::status))
            .with_state(self.clone())
    }

    #[expect(clippy::unused_async, reason = "a handler")]
    async fn trigger(State(service): State<Self>, Json(body): Json<Value>) -> Json<Value> {
        service.1.lock().push(body.clone());
        let mut dumps = service.0.lock();
        for vm in body["vms"].as_array().unwrap() {
            let vm = vm.as_str().unwrap();
            dumps.insert(vm.to_owned(), contract_status(vm, "running", 10.0));
        }
        Json(json!(*dumps))
    }

    #[expect(clippy::unused_async, reason = "a handler")]
    async fn statuses(State(service): State<Self>) -> Json<Value> {
        Json(json!(*service.0.lock()))
    }

    #[expect(clippy::unused_async, reason = "a handler")]
    async fn status(State(service): State<Self>, Path(vm): Path<String>) -> axum::response::Response {
        match service.0.lock().get(&vm) {
            Some(status) => Json(status.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, Json(json!({"detail": "no such dump"}))).into_response(),
        }
    }

    pub fn complete(&self, vm: &str) {
        self.0.lock().insert(vm.to_owned(), contract_status(vm, "completed", 100.0));
    }

    pub fn fail(&self, vm: &str) {
        self.0.lock().insert(vm.to_owned(), contract_status(vm, "failed", 10.0));
    }

    /// As if it had been killed and started again.
    pub fn forget(&self) {
        self.0.lock().clear();
    }

    /// What it was asked for, oldest first.
    pub fn asked(&self) -> Vec<Value> {
        self.1.lock().clone()
    }
}

fn contract_status(vm: &str, state: &str, progress: f64) -> Value {
    let done = state == "completed";
    let ended = state != "running";
    json!({
        "dump_id": format!("id-of-{vm}"), "vm": vm, "state": state, "progress": progress, "message": "as it is",
        "started_at": "2025-11-14T08:58:23.550273Z",
        "finished_at": ended.then_some("2025-11-14T08:58:25.550273Z"),
        "dump_path": done.then(|| format!("/dumps/{vm}.mem")),
        "duration_sec": done.then_some(2.0),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_only_the_contract_is_followed_and_its_hash_is_unknown() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    assert_eq!(front.trigger("7").await.0, StatusCode::OK);
    let running = answer(&front.router, get("/api/memory-dumps/status/7")).await.1;
    assert_eq!((&running["state"], &running["progress"]), (&json!("running"), &json!(10.0)));
    assert_eq!(answer(&front.router, get("/api/memory-dumps/status/8")).await.0, StatusCode::NOT_FOUND);

    let cancel = answer(&front.router, post("/api/memory-dumps/cancel/id-of-7", "{}")).await;
    assert_eq!(cancel.0, StatusCode::NOT_FOUND, "such a service cannot cancel: {}", cancel.1);

    foreign.complete("7");
    front.event(is_record).await;
    let page = answer(&front.router, get("/api/memory-dumps/records")).await.1;
    let record = &page["records"][0];
    assert_eq!(
        (&record["vmid"], &record["sha256"], &record["dump_path"]),
        (&json!("7"), &json!(""), &json!("/dumps/7.mem"))
    );
    assert_eq!(page["total"], 1);
    let status = answer(&front.router, get("/api/memory-dumps/status")).await.1;
    assert_eq!(
        (&status["last_trigger"]["status"], &status["last_trigger"]["error"]),
        (&json!("completed"), &json!(null))
    );
    // It tells no guests, so they come from the libvirt that the dashboard was given: here, one without guests.
    assert!(front.operations.list_guests().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_known_behind_an_agent_in_job_record_manifest_and_log() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // With every dump: the agent's job, record and manifest, and the dashboard's copy of the record, name the same actor.
    let check = async |front: &mut Front, expected: Actor| {
        let status = agent.ended(1).await.remove(0);
        let job = agent.catalog.job(&status.dump_id).unwrap().unwrap();
        let record = job.record.unwrap();
        let path = record.dump_path.clone().unwrap();
        let manifest = memdeck_image::read_manifest(std::path::Path::new(&path)).unwrap().unwrap().manifest;
        let is_copy = |event: &Event| matches!(event, Event::Record(copy) if copy.dump_id == record.dump_id);
        let Event::Record(copy) = front.event(is_copy).await else { unreachable!() };
        let named =
            [Some(job.requested_by), record.requested_by, Some(manifest.asked_by()), copy.requested_by];
        assert_eq!(named, std::array::from_fn(|_| Some(expected.clone())));
        assert_eq!(manifest.requested_by, expected.to_string(), "in words, too");
    };

    front.trigger("db-01").await;
    check(&mut front, Actor::Api.by_way_of(&here)).await;

    let guests = front.operations.list_guests().await.unwrap();
    let body = json!({"request": {"vms": [guests[0].uuid]}}).to_string();
    answer(&front.router, post("/api/ui/trigger", &body)).await;
    check(&mut front, Actor::Page.by_way_of(&here)).await;

    let body = r#"{"vms": ["db-01"], "requested_by": "the night shift"}"#;
    answer(&front.router, post("/api/memory-dumps/trigger", body)).await;
    check(&mut front, Actor::named("the night shift").by_way_of(&here)).await;

    let url = format!("http://{}", service.address);
    let output = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().unwrap();
        let mut command = crate::support::program::memdeck(home.path());
        command.args(["dump", "db-01"]).env("MEMDUMP_SERVICE_URL", url).env("USER", "ada").output().unwrap()
    });
    assert!(output.await.unwrap().status.success());
    check(&mut front, Actor::CommandLine { user: Some("ada".to_owned()) }).await;

    let log = front.operations.list_activity().await.unwrap();
    let queued = log.into_iter().filter(|line| line.kind == Queued);
    let asked_here: Vec<Actor> = queued.filter_map(|line| line.by).collect();
    assert_eq!(asked_here, [Actor::named("the night shift"), Actor::Page, Actor::Api]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_and_who_deletes_is_known_behind_an_agent() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();

    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let triggered = front.trigger("db-01").await.1;
    let dump_id = triggered["dumps"][0]["dump_id"].as_str().unwrap();
    agent.hypervisor.wait_until_stalled("db-01");
    answer(&front.router, post("/api/ui/cancel", &json!({"dump_id": dump_id}).to_string())).await;
    let by = Actor::Page.by_way_of(&here);
    let expected = Some(EndReason::Cancelled { by: by.clone(), before_start: false });
    assert_eq!(agent.ended(1).await[0].end_reason, expected);

    front.trigger("db-01").await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!() };
    let dump_id = record.dump_id.unwrap();
    let request = json!({"dump_id": dump_id, "confirm": "db-01"}).to_string();
    let deleted = answer(&front.router, post("/api/ui/delete-image", &request)).await;
    assert_eq!(deleted.0, StatusCode::OK, "{}", deleted.1);
    for catalog in [&agent.catalog, &front.catalog] {
        assert_eq!(catalog.record_of(&dump_id).unwrap().unwrap().deleted_by.as_ref(), Some(&by));
    }
}
