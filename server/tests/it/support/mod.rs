//! memdeck in this process, on a simulated hypervisor with a clock that stands still.

pub mod front;
pub mod influx;
pub mod program;
mod transcript;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::archives::ArchiveDirectory;
use memdeck::config::{Config, ConfigError, HostConfig, HttpConfig, OpenAccess, Places, Role, Sources};
use memdeck::host_book::NamedHosts;
use memdeck::http::{Access, AgentState, DashboardState, Tell};
use memdeck::metrics::{Metrics, MetricsParts, Volume};
use memdeck::services::Services;
use memdeck_catalog::Catalog;
use memdeck_clock::{Clock, ManualClock, SystemClock};
use memdeck_engine::{Engine, EngineParts, EngineSettings, NoGuardian};
use memdeck_hypervisor::GuestStats;
use memdeck_hypervisor::simulated::{Simulated, SimulatedStats};
use memdeck_image::ImageStore;
use memdeck_influx::Influx;
use memdeck_machine::{HypervisorGuests, Machine, MeasuredGuests, StoredImages, try_directory};
use memdeck_model::telemetry::SettingInUse;
use memdeck_model::{Actor, ByteCount, DumpStatus, Event, HostId, Millis, Timestamp};
use memdeck_notify::NetworkCourier;
use memdeck_operations::audit::Audit;
use memdeck_operations::{
    Accounts, Archives, Caller, Host, Hosts, Images, NoticeLimits, NoticePace, Notices, NotifyParts, Once,
    Operations, Parts, Readiness, ReadinessParts, Telemetry,
};
use memdeck_signing::{HostSigner, KeyFiles};
use memdeck_telemetry::{Collector, CollectorOptions, Store, Switch};
use serde_json::Value;
use tokio::sync::{broadcast, watch};
use tower::ServiceExt as _;

pub use transcript::Transcript;

/// What a browser or script on this machine sends as `Host`.
pub const HOST: &str = "127.0.0.1:8000";
/// `DUMP_TIMEOUT`.
pub const TIME_LIMIT: Duration = Duration::from_mins(1);

/// One memdeck with a state directory and an engine of its own.
pub struct TestApp {
    pub dir: tempfile::TempDir,
    pub hypervisor: Simulated,
    /// What a dashboard in front of this one is told by its own libvirt: no guests, at first.
    pub libvirt: Simulated,
    pub clock: ManualClock,
    pub catalog: Arc<Catalog>,
    pub engine: Arc<Engine>,
    /// Where its images are.
    pub stored: Arc<StoredImages>,
    pub images: Arc<Images>,
    pub operations: Arc<Operations>,
    pub accounts: Arc<Accounts>,
    pub dashboard: Router,
    pub agent: Router,
    /// Set to true to end open streams.
    pub closing: watch::Sender<bool>,
    events: tokio::sync::Mutex<broadcast::Receiver<Event>>,
}

impl TestApp {
    /// With the running guests `web-01` (id 1) and `db-01` (id 2).
    pub fn start() -> Self {
        Self::start_with(HttpConfig::default())
    }

    /// With a collector that has measured `guests` guests twice (`vm-0` and up, a network interface and two disks each), and
    /// what it measures.
    pub async fn measuring(guests: usize) -> (Self, Arc<SimulatedStats>) {
        Self::measuring_beside(guests, None).await
    }

    /// The same, with points of an InfluxDB that may know more.
    pub async fn measuring_beside(guests: usize, influx: Option<Arc<Influx>>) -> (Self, Arc<SimulatedStats>) {
        Self::measuring_with(guests, influx, HttpConfig::default()).await
    }

    /// The same, by these settings of HTTP.
    pub async fn measuring_with(
        guests: usize,
        influx: Option<Arc<Influx>>,
        http: HttpConfig,
    ) -> (Self, Arc<SimulatedStats>) {
        let stats = Arc::new(SimulatedStats::new(guests, 3).with_step(Duration::from_secs(1)));
        let options = CollectorOptions {
            interval: Duration::from_millis(20),
            time_limit: Duration::from_secs(5),
            host: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&dir.path().join(Store::FILE_NAME), Store::DEFAULT_LIMIT).unwrap());
        let measured = Arc::clone(&stats) as Arc<dyn GuestStats>;
        let kept = Some(Arc::clone(&store));
        let collector = Arc::new(Collector::new(measured, None, kept, Arc::new(AlwaysOn), options));
        let mut snapshots = collector.subscribe();
        while stats.collections() < 2 {
            snapshots.changed().await.unwrap();
        }
        let settings = vec![SettingInUse { name: "POLL_INTERVAL".to_owned(), value: "1.0".to_owned() }];
        let uri = "simulated:///host".to_owned();
        let telemetry = Arc::new(MeasuredGuests::new(collector, Some(store), influx, uri, settings));
        (Self::build(dir, http, Some(telemetry), memdeck_program()), stats)
    }

    /// Open to everybody on loopback where no token is set: what signing in is not about need not sign in.
    pub fn start_with(http: HttpConfig) -> Self {
        Self::build(tempfile::tempdir().unwrap(), http, None, memdeck_program())
    }

    /// Images are read by this program when somebody asks what is inside.
    pub fn reading_by(reader: PathBuf) -> Self {
        Self::build(tempfile::tempdir().unwrap(), HttpConfig::default(), None, reader)
    }

    fn build(
        dir: tempfile::TempDir,
        mut http: HttpConfig,
        telemetry: Option<Arc<dyn Telemetry>>,
        reader: PathBuf,
    ) -> Self {
        if http.token.is_none() {
            http.open_access = OpenAccess::loopback();
        }
        let hypervisor = Simulated::new();
        drop(hypervisor.add_guest("web-01", ByteCount::from_mib(1)));
        drop(hypervisor.add_guest("db-01", ByteCount::from_mib(2)));
        let clock = ManualClock::starting_at("2025-11-14T08:58:23.550273Z".parse::<Timestamp>().unwrap());
        let catalog = Arc::new(Catalog::open(dir.path()).unwrap());
        let engine = engine(dir.path(), &catalog, &hypervisor, &clock);
        let events = tokio::sync::Mutex::new(engine.subscribe());
        let guests = Arc::new(HypervisorGuests::new(Arc::new(hypervisor.clone()), Duration::ZERO));
        let stored = StoredImages::with_reader(Arc::clone(&catalog), Arc::new(clock.clone()), reader);
        let stored = Arc::new(stored.with_keys(KeyFiles::of(dir.path())));
        let host: Arc<dyn Host> = Arc::new(Machine::new(Arc::clone(&engine), guests, Arc::clone(&stored)));
        let images = Arc::new(Images::new(Arc::clone(&catalog), audit(&catalog), host.images(), None));
        let hosts = Arc::new(Hosts::one(HostId::local(), Arc::clone(&host)));
        let store = ImageStore::open(&dir.path().join("dumps")).unwrap();
        let readiness = Readiness::new(ReadinessParts {
            catalog: Arc::clone(&catalog),
            dump_dir: Some(try_directory(store)),
            hosts: Arc::clone(&hosts),
            clock: Arc::new(clock.clone()),
        });
        let metrics = |role| {
            Metrics::new(MetricsParts {
                role,
                catalog: Arc::clone(&catalog),
                hosts: Arc::clone(&hosts),
                readiness: Arc::clone(&readiness),
                telemetry: telemetry.clone(),
                clock: Arc::new(clock.clone()),
                volumes: vec![Volume { name: "state", dir: dir.path().to_owned() }],
            })
        };
        let (metrics, metrics_of_agent) = (metrics(Role::Serve), metrics(Role::Agent));
        memdeck::commands::install_tls_provider();
        let services = Services::new(Arc::clone(&hosts), Arc::clone(&catalog), Vec::new());
        let book = NamedHosts::new(Arc::new(services), vec![HostConfig::here()], Vec::new());
        let measures = telemetry.clone();
        let operations = operations(Parts {
            catalog: Arc::clone(&catalog),
            hosts,
            host_book: Some(Arc::new(book)),
            images: Arc::clone(&images),
            readiness: Arc::clone(&readiness),
            telemetry,
            import: None,
            clock: Arc::new(clock.clone()),
            dump_timeout: Millis::from(TIME_LIMIT),
            notify: notify(&clock),
        });
        let (closing, closed) = watch::channel(false);
        let access_clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let accounts = Arc::new(Accounts::load(&catalog, &access_clock).unwrap());
        let access = Access::new(HOST.parse().unwrap(), &http, &access_clock);
        let told = Arc::clone(&operations);
        let tell: Arc<Tell> = Arc::new(move |event| told.raise_here(event));
        let access = access.beside_accounts(Arc::clone(&accounts)).with_audit(audit(&catalog)).telling(tell);
        let access = Arc::new(access);
        let dashboard = memdeck::http::dashboard(
            DashboardState {
                operations: Arc::clone(&operations),
                accounts: Arc::clone(&accounts),
                metrics,
                keys: KeyFiles::of(dir.path()),
                archives: archives(dir.path(), &catalog, &access_clock),
                closing: closed,
            },
            Arc::clone(&access),
            http.site_dir,
        );
        let state = AgentState {
            host,
            catalog: Arc::clone(&catalog),
            catalog_id: "the-catalog".to_owned(),
            images: Arc::clone(&images),
            telemetry: measures,
            once: Arc::new(Once::new(Arc::clone(&catalog), Arc::new(clock.clone()))),
            readiness,
            metrics: metrics_of_agent,
            keys: KeyFiles::of(dir.path()),
            archives: archives(dir.path(), &catalog, &access_clock),
        };
        let agent = memdeck::http::agent(state, access);
        Self {
            dir,
            hypervisor,
            libvirt: Simulated::new(),
            clock,
            catalog,
            engine,
            stored,
            images,
            operations,
            accounts,
            dashboard,
            agent,
            closing,
            events,
        }
    }

    /// A finished dump of a running guest: its id, and where its image is.
    pub async fn dumped(&self, vm: &str) -> (String, PathBuf) {
        answer(&self.agent, post("/api/dumps", &serde_json::json!({"vms": [vm]}).to_string())).await;
        let record = self.ended(1).await.remove(0).record.expect("the dump succeeds");
        (record.dump_id.unwrap().to_string(), record.dump_path.unwrap().into())
    }

    /// Waits until `count` more dumps have ended, and gives how they ended.
    pub async fn ended(&self, count: usize) -> Vec<DumpStatus> {
        let mut events = self.events.lock().await;
        let mut ended = Vec::new();
        while ended.len() < count {
            if let Event::Dump(status) = events.recv().await.unwrap()
                && status.exact_state().is_final()
            {
                ended.push(*status);
            }
        }
        ended
    }
}

/// The archives of a state directory, without a time-series store.
pub fn archives(dir: &Path, catalog: &Arc<Catalog>, clock: &Arc<dyn Clock>) -> Arc<Archives> {
    let files = Arc::new(ArchiveDirectory::of(dir, Arc::clone(catalog)));
    Arc::new(Archives::new(Arc::clone(catalog), audit(catalog), Arc::clone(clock), files, false))
}

fn engine(dir: &Path, catalog: &Arc<Catalog>, hypervisor: &Simulated, clock: &ManualClock) -> Arc<Engine> {
    let settings = EngineSettings {
        max_parallel: NonZeroU32::new(2).unwrap(),
        time_limit: TIME_LIMIT,
        pause_budget: Duration::from_millis(60),
        frozen_pause_limit: Duration::from_secs(30),
        full_every: NonZeroU32::new(3).unwrap(),
        live_time_budget: Duration::from_mins(10),
        live_bandwidth_mibps: 0,
        shutdown_grace: Duration::ZERO,
    };
    let store = ImageStore::open(&dir.join("dumps")).unwrap();
    KeyFiles::of(dir).read_or_make(clock.now()).unwrap();
    let parts = EngineParts {
        catalog: Arc::clone(catalog),
        hypervisor: Arc::new(hypervisor.clone()),
        lookup: Arc::new(hypervisor.clone()),
        volume: Arc::new(store.clone()),
        store,
        signer: Arc::new(HostSigner::of(dir)),
        clock: Arc::new(clock.clone()),
        guardian: Arc::new(NoGuardian),
        settings,
    };
    Arc::new(Engine::start(parts).unwrap())
}

/// The program itself: these tests are another one.
fn memdeck_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_memdeck"))
}

/// A collector that runs whenever it is made.
struct AlwaysOn;

impl Switch for AlwaysOn {
    fn load(&self) -> Option<bool> {
        None
    }

    fn store(&self, _runs: bool) {}
}

/// The images of a catalog that this machine keeps.
pub fn stored(catalog: &Arc<Catalog>, clock: &ManualClock) -> Arc<StoredImages> {
    Arc::new(StoredImages::new(Arc::clone(catalog), Arc::new(clock.clone())))
}

/// Notifications that are sent as soon as they are raised.
pub fn notify(clock: &ManualClock) -> NotifyParts {
    memdeck::commands::install_tls_provider();
    let (notices, raised) = Notices::new(Arc::new(clock.clone()));
    let courier = Arc::new(NetworkCourier::default());
    let pace = NoticePace { gather: Duration::ZERO, ..NoticePace::default() };
    NotifyParts { notices, raised, courier, limits: NoticeLimits::default(), pace }
}

/// Somebody who may do everything.
pub fn trusted() -> Caller {
    Caller::trusted(Actor::Api)
}

/// The audit in `catalog`.
pub fn audit(catalog: &Arc<Catalog>) -> Audit {
    Audit::new(Arc::clone(catalog), Arc::new(SystemClock::new()))
}

/// Use cases whose events flow, as long as the test's runtime lives.
pub fn operations(parts: Parts) -> Arc<Operations> {
    // Leptos may be told about its executor once per process only.
    let _ = any_spawner::Executor::init_tokio();
    let operations = Arc::new(Operations::new(parts));
    tokio::spawn({
        let operations = Arc::clone(&operations);
        async move { operations.run().await }
    });
    operations
}

/// The settings of HTTP as these environment variables make them.
pub fn http(variables: &[(&str, &str)]) -> Result<HttpConfig, ConfigError> {
    Ok(configuration(variables)?.http)
}

/// The whole configuration that these variables make.
pub fn configuration(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources = Sources::gather(&HashMap::new(), &environment, &BTreeMap::new(), None)?;
    Config::from_sources(&sources, &Places::of_this_user(&environment))
}

/// A request as a script sends it.
pub fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", HOST).body(Body::empty()).unwrap()
}

/// A request with a JSON body as a script sends it.
pub fn post(path: &str, body: &str) -> Request<Body> {
    let request = Request::post(path).header("host", HOST).header("content-type", "application/json");
    request.body(Body::from(body.to_owned())).unwrap()
}

/// The paths of all routes of a router, as it tells them to whoever debugs it: it has no other way.
pub fn routed_paths(router: &Router) -> Vec<String> {
    let told = format!("{router:?}");
    let mut paths: Vec<String> = told
        .split("RouteId(")
        .filter_map(|part| part.split_once("): \"")?.1.split_once('"'))
        .map(|(path, _)| path.to_owned())
        .filter(|path| !path.contains("__private__axum"))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

pub async fn send(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

/// A deletion as a script sends it.
pub fn delete(path: &str, body: &str) -> Request<Body> {
    let request = Request::delete(path).header("host", HOST).header("content-type", "application/json");
    request.body(Body::from(body.to_owned())).unwrap()
}

/// Status and JSON body of an answer.
pub async fn answer(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let (status, text) = text(router, request).await;
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("no JSON ({error}): {text}")))
}

/// Status and body of an answer.
pub async fn text(router: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = send(router, request).await;
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}
