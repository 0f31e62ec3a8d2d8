//! A dashboard over several hosts, and two agents for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use memdeck::config::{HttpConfig, OpenAccess, Role, Secret, ServiceConfig};
use memdeck::http::{Access, DashboardState};
use memdeck::metrics::{Metrics, MetricsParts};
use memdeck::services::{Service, Services};
use memdeck_agent::{AgentHost, ServiceClient};
use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_model::{ByteCount, HostId, Millis};
use memdeck_operations::{Host, Hosts, Images, Operations, Parts, Readiness, ReadinessParts};
use memdeck_signing::KeyFiles;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::front::Listening;
use crate::support::{self, HOST, TIME_LIMIT, TestApp, answer, get, post};

/// The longest that something is waited for that comes by itself.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A dashboard over these hosts.
pub struct Fleet {
    pub state: tempfile::TempDir,
    _closing: watch::Sender<bool>,
    pub router: Router,
    pub operations: Arc<Operations>,
    pub catalog: Arc<Catalog>,
    /// Ends with it.
    _following: JoinSet<()>,
}

/// How a service at `url` is called.
pub fn service(url: &str, token: Option<&str>) -> ServiceConfig {
    ServiceConfig {
        url: url.parse().unwrap(),
        timeout: Duration::from_secs(5),
        token: token.map(Secret::new),
        ca: None,
    }
}

impl Fleet {
    pub fn of(app: &TestApp, hosts: &[(&str, SocketAddr)]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), app, hosts)
    }

    pub fn on(state: tempfile::TempDir, app: &TestApp, hosts: &[(&str, SocketAddr)]) -> Self {
        let services =
            hosts.iter().map(|(name, address)| (*name, service(&format!("http://{address}/"), None)));
        Self::over(state, app, services.collect())
    }

    /// Over services that are called so.
    pub fn over(state: tempfile::TempDir, app: &TestApp, services: Vec<(&str, ServiceConfig)>) -> Self {
        memdeck::commands::install_tls_provider();
        let catalog = Arc::new(Catalog::open(state.path()).unwrap());
        let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
        let (named, followed): (Vec<_>, Vec<_>) = services
            .into_iter()
            .map(|(name, service)| {
                let (name, client) = (name.parse::<HostId>().unwrap(), ServiceClient::new(&service).unwrap());
                let (catalog, clock) = (Arc::clone(&catalog), Arc::clone(&clock));
                let host = Arc::new(AgentHost::new(client, catalog, clock, None, Duration::ZERO));
                ((name.clone(), Arc::clone(&host) as Arc<dyn Host>), Service::new(name, Some(service), host))
            })
            .unzip();
        let mut named = named.into_iter();
        let hosts = Arc::new(Hosts::new(named.next().unwrap(), named.collect()).unwrap());
        let services = Arc::new(Services::new(Arc::clone(&hosts), Arc::clone(&catalog), followed));
        let mut following = JoinSet::new();
        following.spawn({
            let services = Arc::clone(&services);
            async move { services.follow().await }
        });
        let here = support::stored(&catalog, &app.clock);
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
            host_book: None,
            images,
            readiness,
            telemetry: None,
            import: None,
            clock: Arc::clone(&clock),
            dump_timeout: Millis::from(TIME_LIMIT),
            notify: support::notify(&app.clock),
        });
        let (closing, closed) = watch::channel(false);
        let open = HttpConfig { open_access: OpenAccess::loopback(), ..HttpConfig::default() };
        let access = Access::new(HOST.parse().unwrap(), &open, &clock);
        let access = Arc::new(access.with_lines(Arc::new(move |token| services.line_of(token))));
        let state_of_routes = DashboardState {
            operations: Arc::clone(&operations),
            accounts: Arc::new(memdeck_operations::Accounts::none(&clock)),
            metrics,
            keys: KeyFiles::of(state.path()),
            archives: support::archives(state.path(), &catalog, &clock),
            closing: closed,
        };
        let router = memdeck::http::dashboard(state_of_routes, access, None);
        Self { state, _closing: closing, router, operations, catalog, _following: following }
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        answer(&self.router, get(path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        answer(&self.router, post(path, &body.to_string())).await
    }

    pub async fn trigger(&self, body: Value) -> (StatusCode, Value) {
        self.post("/api/memory-dumps/trigger", body).await
    }

    /// The host of this name, once it is as `wanted` says.
    pub async fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let hosts = self.get("/api/hosts").await.1;
            let host =
                hosts["hosts"].as_array().unwrap().iter().find(|host| host["name"] == name).unwrap().clone();
            if wanted(&host) {
                return host;
            }
            assert!(begun.elapsed() < PATIENCE, "{host}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn until_up(&self, name: &str) -> Value {
        self.until(name, |host| host["condition"] == "up").await
    }

    pub async fn records(&self, count: u64) -> Value {
        let begun = Instant::now();
        loop {
            let page = self.get("/api/memory-dumps/records").await.1;
            if page["total"] == count {
                return page["records"].clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Two agents whose guests have the same names and UUIDs, but for `only-a` on the first.
pub struct Pair {
    pub a: TestApp,
    pub b: TestApp,
    pub services: [Listening; 2],
}

impl Pair {
    pub async fn start() -> Self {
        let (a, b) = (TestApp::start(), TestApp::start());
        drop(a.hypervisor.add_guest("only-a", ByteCount::from_mib(1)));
        let services = [Listening::with(a.agent.clone()).await, Listening::with(b.agent.clone()).await];
        Self { a, b, services }
    }

    pub fn named(&self) -> [(&'static str, SocketAddr); 2] {
        [("kvm-a", self.services[0].address), ("kvm-b", self.services[1].address)]
    }

    pub async fn fleet(&self) -> Fleet {
        let fleet = Fleet::of(&self.a, &self.named());
        fleet.until_up("kvm-a").await;
        fleet.until_up("kvm-b").await;
        fleet
    }
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let service = Listening::with(Router::new()).await;
    let address = service.address;
    service.stop().await;
    address
}
