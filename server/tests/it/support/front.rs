//! A dashboard in front of a dump service, and a service that has the three calls of the contract only.

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
use memdeck_machine::HypervisorGuests;
use memdeck_model::{Event, Millis};
use memdeck_operations::{Host as _, Hosts, ImageHost, Images, Operations, Parts, Readiness, ReadinessParts};
use memdeck_signing::KeyFiles;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use super::{HOST, TIME_LIMIT, TestApp, answer, post};

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
        let here = super::stored(&catalog, &app.clock);
        let hosts = Arc::new(Hosts::one("hv2".parse().unwrap(), agent));
        let images = Arc::new(Images::new(
            Arc::clone(&catalog),
            super::audit(&catalog),
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
        let operations = super::operations(Parts {
            catalog: Arc::clone(&catalog),
            hosts,
            host_book: None,
            images: Arc::clone(&images),
            readiness,
            telemetry: None,
            import: None,
            clock,
            dump_timeout: Millis::from(TIME_LIMIT),
            notify: super::notify(&app.clock),
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
                keys: KeyFiles::of(state.path()),
                archives: super::archives(state.path(), &catalog, &clock),
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
