//! The parts of one memdeck process, wired together: state directory, catalog, hypervisor, engine, InfluxDB.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, LockError, LockHolder, LockRole, StateLock};
use memdeck_engine::{Clock, Engine, EngineError, EngineParts, EngineSettings, LocalBackend, SystemClock};
use memdeck_hypervisor::{Hypervisor, Libvirt};
use memdeck_image::{ImageStore, StoreError};
use memdeck_influx::{FeedError, Influx, InfluxSettings, Login};
use memdeck_model::DumpId;

use crate::catalog_care;
use crate::config::{Config, DumpConfig, InfluxConfig, InfluxLogin, LibvirtConfig};
use crate::guardian::GuardProcess;
use crate::images::Images;
use crate::ownership::{self, OwnershipError};
use crate::remote::ServiceClient;

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
pub fn store(dumps: &DumpConfig) -> Result<ImageStore, StartError> {
    let store = ImageStore::open(&dumps.dir)?;
    ownership::check_directory(&dumps.dir)?;
    Ok(store)
}

/// The engine of this process on its state. It has a hypervisor for itself, so that however many pages and callers ask
/// `lookup` something, its dumps do not wait for them.
pub fn engine(
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

/// The engine behind the port.
pub fn local(engine: &Arc<Engine>) -> Arc<LocalBackend> {
    Arc::new(LocalBackend::new(Arc::clone(engine)))
}

/// The stored images of the state, once what an earlier process left to be deleted is gone; of imported ones `service`
/// is asked.
pub async fn images(state: &State, service: Option<ServiceClient>) -> Arc<Images> {
    let images = Arc::new(Images::new(Arc::clone(&state.catalog), clock(), service));
    crate::blocking({
        let images = Arc::clone(&images);
        move || images.finish_deletions()
    })
    .await;
    images
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
