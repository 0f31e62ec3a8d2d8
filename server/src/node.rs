//! The parts of one memdeck process, wired together: state directory, catalog, hypervisor, engine, InfluxDB.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memdeck_agent::{AgentHost, NearbyGuests, ServiceClient};
use memdeck_catalog::{Catalog, CatalogError, LockError, LockHolder, LockRole, StateLock};
use memdeck_clock::{Clock, SystemClock};
use memdeck_engine::{Engine, EngineError, EngineParts, EngineSettings};
use memdeck_hypervisor::{Hypervisor, Libvirt};
use memdeck_image::{ImageStore, StoreError};
use memdeck_influx::{FeedError, Influx, InfluxSettings, Login};
use memdeck_machine::{HypervisorGuests, Machine, StoredImages, try_directory};
use memdeck_model::DumpId;
use memdeck_operations::{Host, Images, Readiness, ReadinessParts, blocking};

use crate::catalog_care;
use crate::config::{Config, DumpConfig, InfluxConfig, InfluxLogin, LibvirtConfig};
use crate::guardian::GuardProcess;
use crate::ownership::{self, OwnershipError};

/// How old a list of guests may be to be handed out again: a thousand readers cost the hypervisor one call a second.
const GUEST_LIST_AGE: Duration = Duration::from_secs(1);

/// Why the parts cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the state directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The catalog cannot be opened.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The dump directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine cannot start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The state directory or the directory of the images is not trusted.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
    /// InfluxDB's settings cannot be used.
    #[error(transparent)]
    Influx(#[from] FeedError),
}

impl StartError {
    /// Whether the volume of the state directory has no room for it. That may pass.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Catalog(error) => error.is_full(),
            Self::Lock(error) => error.is_full(),
            _ => false,
        }
    }
}

/// The state directory, taken by this process.
pub struct State {
    pub lock: StateLock,
    pub catalog: Arc<Catalog>,
}

impl State {
    /// Takes the state directory and opens its catalog.
    pub fn take(config: &Config, role: LockRole) -> Result<Self, StartError> {
        private_directory(&config.state_dir)?;
        let lock = StateLock::acquire(&config.state_dir, &holder(role, None))?;
        let (dump_dir, now) = (&config.dumps.dir, clock().now());
        let (catalog, restoration) =
            Catalog::open_or_restore(&config.state_dir, now, || catalog_care::has_images(dump_dir))?;
        if let Some(restoration) = restoration {
            catalog_care::after_restoration(&catalog, &config.state_dir, dump_dir, &restoration);
        }
        // On a full volume memdeck serves without it, and says so.
        if let Err(error) = catalog.renew_reserve() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "no room is kept for ends and deletions"
            );
        }
        Ok(Self { lock, catalog: Arc::new(catalog) })
    }

    /// The identity of the catalog: sequence numbers of its records mean nothing in another one.
    pub fn catalog_id(&self) -> Result<String, CatalogError> {
        if let Some(id) = self.catalog.setting(Catalog::ID_SETTING)? {
            return Ok(id);
        }
        let id = DumpId::from_uuid_bits(uuid::Uuid::new_v4().as_u128()).to_string();
        self.catalog.set_setting(Catalog::ID_SETTING, &id)?;
        Ok(id)
    }
}

/// Makes the state directory where it is missing. One that somebody else can change is not used: whoever plants a lock
/// file or a catalog there would be believed.
fn private_directory(state_dir: &Path) -> Result<(), StartError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
    made.map_err(|source| LockError::Io { dir: state_dir.to_owned(), source })?;
    Ok(ownership::check_directory(state_dir)?)
}

/// Who this process is to others that want its state directory.
pub fn holder(role: LockRole, url: Option<String>) -> LockHolder {
    LockHolder { pid: std::process::id(), role, url, token_in_state_dir: false }
}

/// The hypervisor of this host, over a connection with waiting places of its own.
pub fn hypervisor(libvirt: &LibvirtConfig, dumps: &DumpConfig) -> Arc<dyn Hypervisor> {
    let hypervisor: Arc<dyn Hypervisor> =
        Arc::new(Libvirt::connect(&libvirt.uri, libvirt.timeout).with_fifo_dir(&dumps.dir));
    // libvirt may take seconds to tell QEMU's version the first time: asked now, the first dump need not wait for it.
    std::thread::spawn({
        let hypervisor = Arc::clone(&hypervisor);
        move || drop(hypervisor.host())
    });
    hypervisor
}

/// The directory of images.
fn store(dumps: &DumpConfig) -> Result<ImageStore, StartError> {
    let store = ImageStore::open(&dumps.dir)?;
    ownership::check_directory(&dumps.dir)?;
    Ok(store)
}

/// The engine of this process on its state. It has a hypervisor for itself, so that however many pages and callers ask
/// `lookup` something, its dumps do not wait for them.
fn engine(
    config: &Config,
    state: &State,
    store: ImageStore,
    lookup: Arc<dyn Hypervisor>,
    shutdown_grace: Duration,
) -> Result<Arc<Engine>, StartError> {
    Ok(Arc::new(Engine::start(EngineParts {
        catalog: Arc::clone(&state.catalog),
        hypervisor: hypervisor(&config.libvirt, &config.dumps),
        lookup,
        volume: Arc::new(store.clone()),
        store,
        clock: clock(),
        guardian: Arc::new(GuardProcess::start(&config.libvirt)),
        settings: EngineSettings {
            max_parallel: config.dumps.max_parallel,
            time_limit: config.dumps.timeout,
            pause_budget: config.dumps.pause_budget,
            frozen_pause_limit: config.dumps.frozen_pause_limit,
            live_time_budget: config.dumps.live_time_budget,
            live_bandwidth_mibps: config.dumps.live_bandwidth_mibps,
            shutdown_grace,
        },
    })?))
}

/// One memdeck put together: who takes the dumps and lists the guests, and where the images are.
pub struct Node {
    /// Who takes the dumps.
    pub host: Arc<dyn Host>,
    /// The stored images.
    pub images: Arc<Images>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<Readiness>,
    engine: Option<Arc<Engine>>,
    service: Option<Arc<AgentHost>>,
}

impl Node {
    /// This machine takes the dumps. When it stops, running ones have `shutdown_grace` to end.
    pub async fn here(config: &Config, state: &State, shutdown_grace: Duration) -> Result<Self, StartError> {
        let hypervisor = hypervisor(&config.libvirt, &config.dumps);
        let store = store(&config.dumps)?;
        let engine = engine(config, state, store.clone(), Arc::clone(&hypervisor), shutdown_grace)?;
        let stored = stored_images(state).await;
        let guests = Arc::new(HypervisorGuests::new(hypervisor, GUEST_LIST_AGE));
        let host: Arc<dyn Host> = Arc::new(Machine::new(Arc::clone(&engine), guests, stored));
        let images = Images::new(Arc::clone(&state.catalog), host.images(), None);
        Ok(Self::of(state, host, images, Some(store), Some(engine), None))
    }

    /// The service that `client` calls takes the dumps. Images of dumps that this machine took earlier stay here.
    pub async fn with_service(config: &Config, state: &State, client: ServiceClient) -> Self {
        let hypervisor = hypervisor(&config.libvirt, &config.dumps);
        let nearby = NearbyGuests {
            list: Arc::new(HypervisorGuests::new(hypervisor, GUEST_LIST_AGE)),
            // Guests of another machine may have the same ids and names.
            are_the_same: config.libvirt.uri_given || is_loopback(client.url()),
            // A hypervisor that somebody named is the one they want to see; else the service knows best.
            are_preferred: config.libvirt.uri_given,
        };
        let service =
            Arc::new(AgentHost::new(client, Arc::clone(&state.catalog), clock(), nearby, GUEST_LIST_AGE));
        let host: Arc<dyn Host> = Arc::clone(&service) as _;
        let here = stored_images(state).await;
        let images = Images::new(Arc::clone(&state.catalog), here, Some(host.images()));
        Self::of(state, host, images, None, None, Some(service))
    }

    fn of(
        state: &State,
        host: Arc<dyn Host>,
        images: Images,
        store: Option<ImageStore>,
        engine: Option<Arc<Engine>>,
        service: Option<Arc<AgentHost>>,
    ) -> Self {
        let readiness = Readiness::new(ReadinessParts {
            catalog: Arc::clone(&state.catalog),
            dump_dir: store.map(try_directory),
            host: Arc::clone(&host),
            clock: clock(),
        });
        Self { host, images: Arc::new(images), readiness, engine, service }
    }

    /// Follows the service, where there is one. Runs until its task is ended.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + 'static {
        let service = self.service.clone();
        async move {
            if let Some(service) = service {
                service.follow().await;
            }
        }
    }

    /// Waits for running dumps, off the runtime's threads.
    pub async fn shut_down(self) {
        if let Some(engine) = self.engine {
            blocking(move || engine.shutdown()).await;
        }
    }
}

/// The images that this machine keeps, once what an earlier process left to be deleted is gone.
pub async fn stored_images(state: &State) -> Arc<StoredImages> {
    let images = Arc::new(StoredImages::new(Arc::clone(&state.catalog), clock()));
    blocking({
        let images = Arc::clone(&images);
        move || images.finish_deletions()
    })
    .await;
    images
}

/// Whether an URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// The machine's clocks.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// InfluxDB, where configured.
pub fn influx(config: Option<&InfluxConfig>) -> Result<Option<Arc<Influx>>, StartError> {
    let Some(InfluxConfig { url, database, org, bucket, login, timeout, .. }) = config else {
        return Ok(None);
    };
    let login = match login {
        InfluxLogin::None => Login::None,
        InfluxLogin::Token(token) => Login::Token(token.expose().to_owned()),
        InfluxLogin::User { name, password } => {
            Login::User { name: name.clone(), password: password.expose().to_owned() }
        }
    };
    let settings = InfluxSettings {
        url: url.as_str().trim_end_matches('/').to_owned(),
        database: database.clone(),
        org: org.clone(),
        bucket: bucket.clone(),
        login,
        timeout: *timeout,
    };
    Ok(Some(Arc::new(Influx::new(settings)?)))
}
