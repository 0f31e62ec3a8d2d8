//! The parts of one memdeck process, wired together: state directory, catalog, hypervisor, engine, InfluxDB.

mod state;

use std::sync::Arc;
use std::time::Duration;

use memdeck_agent::{NearbyGuests, ServiceClient};
use memdeck_catalog::{CatalogError, LockError};
use memdeck_clock::{Clock, SystemClock};
use memdeck_engine::{Ended, Engine, EngineError, EngineParts, EngineSettings};
use memdeck_hypervisor::{Hypervisor, Libvirt};
use memdeck_image::{ImageStore, StoreError};
use memdeck_influx::{FeedError, Influx, InfluxSettings, Login};
use memdeck_machine::{HypervisorGuests, Machine, StoredImages, try_directory};
use memdeck_model::{Event, HostId};
use memdeck_operations::audit::Audit;
use memdeck_operations::{Archives, Host, Hosts, Images, Readiness, ReadinessParts, blocking};
use memdeck_signing::KeyFiles;
use tokio::sync::broadcast;

use crate::archives::ArchiveDirectory;
use crate::catalog_care;
use crate::config::{
    Config, DumpConfig, HostConfig, HostPlace, InfluxConfig, InfluxLogin, LibvirtConfig, is_of_this_machine,
};
use crate::guardian::GuardProcess;
use crate::metrics::Volume;
use crate::ownership::{self, OwnershipError};
use crate::services::{GUEST_LIST_AGE, Service, ServiceError, Services, agent_host};
use crate::signing;
use crate::time_stamps;

pub use state::{State, holder, private_directory};

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
    /// Hosts cannot be reached as the configuration says.
    #[error(transparent)]
    Service(#[from] ServiceError),
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

/// The hypervisor of this host, over a connection with waiting places of its own.
pub fn hypervisor(libvirt: &LibvirtConfig, dumps: &DumpConfig) -> Arc<dyn Hypervisor> {
    let hypervisor: Arc<dyn Hypervisor> =
        Arc::new(Libvirt::connect(&libvirt.uri, libvirt.timeout).with_fifo_dir(&dumps.dir));
    // libvirt may take seconds to find QEMU's version the first time: asked now, the first dump need not wait for it.
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
        signer: signing::open(&config.state_dir, &state.catalog),
        clock: clock(),
        guardian: Arc::new(GuardProcess::start(&config.libvirt)),
        settings: EngineSettings {
            max_parallel: config.dumps.max_parallel,
            time_limit: config.dumps.timeout,
            pause_budget: config.dumps.pause_budget,
            frozen_pause_limit: config.dumps.frozen_pause_limit,
            full_every: config.dumps.full_every,
            live_time_budget: config.dumps.live_time_budget,
            live_bandwidth_mibps: config.dumps.live_bandwidth_mibps,
            shutdown_grace,
        },
    })?))
}

/// One memdeck put together: who takes the dumps and lists the guests, and where the images are.
pub struct Node {
    /// Who takes the dumps.
    pub hosts: Arc<Hosts>,
    /// The stored images.
    pub images: Arc<Images>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<Readiness>,
    /// Those among them that this machine keeps.
    stored: Arc<StoredImages>,
    /// What this machine takes dumps with, if it does.
    engine: Option<Arc<Engine>>,
    /// Where it keeps their images.
    store: Option<ImageStore>,
    services: Arc<Services>,
}

impl Node {
    /// This machine takes the dumps. When it stops, running ones have `shutdown_grace` to end.
    pub async fn here(config: &Config, state: &State, shutdown_grace: Duration) -> Result<Self, StartError> {
        let stored = stored_images(config, state).await;
        let This { machine, store, engine } =
            this_machine(config, state, shutdown_grace, Arc::clone(&stored))?;
        let images = Images::new(Arc::clone(&state.catalog), audit(config, state), machine.images(), None);
        let hosts = Arc::new(Hosts::one(HostId::local(), machine));
        Ok(Self::of(state, hosts, (images, stored), Some(store), Some(engine), Vec::new()))
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
        let name = HostId::of_service(host_in(client.url()).as_deref());
        let service = agent_host(&state.catalog, client, Some(nearby));
        let hosts = Arc::new(Hosts::one(name.clone(), Arc::clone(&service) as _));
        let service = Service::new(name, None, service);
        let here = stored_images(config, state).await;
        let audit = audit(config, state);
        let images =
            Images::new(Arc::clone(&state.catalog), audit, Arc::clone(&here) as _, Some(Arc::clone(&hosts)));
        Self::of(state, hosts, (images, here), None, None, vec![service])
    }

    /// Hosts that are named take the dumps; this machine is one of them if it is named, too.
    pub async fn with_hosts(
        config: &Config,
        hosts: &[HostConfig],
        state: &State,
        shutdown_grace: Duration,
    ) -> Result<Self, StartError> {
        let here = stored_images(config, state).await;
        let (mut this, mut services) = (None, Vec::new());
        let mut named: Vec<(HostId, Arc<dyn Host>)> = Vec::new();
        for HostConfig { name, place, .. } in hosts {
            let host: Arc<dyn Host> = match place {
                HostPlace::Here => {
                    let machine = this_machine(config, state, shutdown_grace, Arc::clone(&here))?;
                    let host = Arc::clone(&machine.machine);
                    this = Some(machine);
                    host
                }
                HostPlace::Service(service) => {
                    let client = ServiceClient::new(service)
                        .map_err(|source| ServiceError::Client { host: name.clone(), source })?;
                    let host = agent_host(&state.catalog, client, None);
                    services.push(Service::new(
                        name.clone(),
                        Some(service.as_ref().clone()),
                        Arc::clone(&host),
                    ));
                    host
                }
            };
            named.push((name.clone(), host));
        }
        let mut named = named.into_iter();
        let Some(first) = named.next() else {
            return Self::here(config, state, shutdown_grace).await;
        };
        let added = |name: &HostId| hosts.iter().any(|host| host.added && host.name == *name);
        let members = Arc::new(Hosts::new(first, named.collect()).map_err(ServiceError::from)?);
        for member in members.members() {
            member.set_added(added(member.name()));
        }
        let hosts = members;
        let audit = audit(config, state);
        let images =
            Images::new(Arc::clone(&state.catalog), audit, Arc::clone(&here) as _, Some(Arc::clone(&hosts)));
        let (store, engine) = this.map(|this| (this.store, this.engine)).unzip();
        Ok(Self::of(state, hosts, (images, here), store, engine, services))
    }

    fn of(
        state: &State,
        hosts: Arc<Hosts>,
        (images, stored): (Images, Arc<StoredImages>),
        store: Option<ImageStore>,
        engine: Option<Arc<Engine>>,
        services: Vec<Service>,
    ) -> Self {
        let readiness = Readiness::new(ReadinessParts {
            catalog: Arc::clone(&state.catalog),
            dump_dir: store.clone().map(try_directory),
            hosts: Arc::clone(&hosts),
            clock: clock(),
        });
        let services = Services::new(Arc::clone(&hosts), Arc::clone(&state.catalog), services);
        Self {
            hosts,
            images: Arc::new(images),
            readiness,
            stored,
            engine,
            store,
            services: Arc::new(services),
        }
    }

    /// The host of a node that has only one.
    pub fn host(&self) -> Arc<dyn Host> {
        Arc::clone(self.hosts.first().host())
    }

    /// Where records come from whose points are written here: `None` where every host writes its own.
    pub fn own_events(&self) -> Option<broadcast::Receiver<Event>> {
        let here = self.hosts.members().find(|member| member.is_here());
        here.map(|member| member.host().subscribe())
    }

    /// Follows the services, if there are any. Runs until its task is ended.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + 'static {
        let services = Arc::clone(&self.services);
        async move { services.follow().await }
    }

    /// Verifies the images of this machine again. Runs until its task is ended.
    pub fn look_after_images(&self, config: &Config) -> impl Future<Output = ()> + Send + 'static {
        let verified = Arc::clone(&self.stored).keep_verified(config.image_care);
        let stamped = time_stamps::keep(self.store.clone(), config.time_stamps.clone());
        async move {
            tokio::join!(verified, stamped);
        }
    }

    /// The services, for whoever reads the configuration anew.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The volumes that this memdeck writes to.
    pub fn volumes(&self, config: &Config) -> Vec<Volume> {
        let state = Volume { name: "state", dir: config.state_dir.clone() };
        let dumps = self.engine.as_ref().map(|_| Volume { name: "dumps", dir: config.dumps.dir.clone() });
        [Some(state), dumps].into_iter().flatten().collect()
    }

    /// Waits for running dumps, off the runtime's threads.
    pub async fn shut_down(self) -> Ended {
        match self.engine {
            Some(engine) => blocking(move || engine.shutdown()).await,
            None => Ended::default(),
        }
    }
}

/// This machine as a host, and what else is known of it.
struct This {
    machine: Arc<dyn Host>,
    store: ImageStore,
    engine: Arc<Engine>,
}

fn this_machine(
    config: &Config,
    state: &State,
    shutdown_grace: Duration,
    stored: Arc<StoredImages>,
) -> Result<This, StartError> {
    let hypervisor = hypervisor(&config.libvirt, &config.dumps);
    let store = store(&config.dumps)?;
    let engine = engine(config, state, store.clone(), Arc::clone(&hypervisor), shutdown_grace)?;
    let guests = Arc::new(HypervisorGuests::new(hypervisor, GUEST_LIST_AGE));
    Ok(This { machine: Arc::new(Machine::new(Arc::clone(&engine), guests, stored)), store, engine })
}

/// The audit of this memdeck. Manifests of the images that this machine keeps are witnesses.
pub fn audit(config: &Config, state: &State) -> Audit {
    let dump_dir = config.dumps.dir.clone();
    let audit = Audit::new(Arc::clone(&state.catalog), clock());
    audit.with_witnesses(Arc::new(move || catalog_care::witnesses(&dump_dir)))
}

/// The archives of the records in the catalog.
pub fn archives(config: &Config, state: &State) -> Arc<Archives> {
    let files = ArchiveDirectory::of(&config.state_dir, Arc::clone(&state.catalog));
    let (catalog, audit) = (Arc::clone(&state.catalog), audit(config, state));
    Arc::new(Archives::new(catalog, audit, clock(), Arc::new(files), config.influx.is_some()))
}

/// The images that this machine keeps, once what an earlier process left to be deleted is gone.
pub async fn stored_images(config: &Config, state: &State) -> Arc<StoredImages> {
    let images = StoredImages::new(Arc::clone(&state.catalog), clock());
    let images = images.with_keys(KeyFiles::of(&config.state_dir));
    let images = Arc::new(images.with_authorities(Arc::clone(&config.time_stamps.authorities)));
    blocking({
        let images = Arc::clone(&images);
        move || images.finish_deletions()
    })
    .await;
    images
}

/// The host that an URL names.
fn host_in(url: &str) -> Option<String> {
    reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned))
}

/// Whether an URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    reqwest::Url::parse(url).is_ok_and(|url| is_of_this_machine(&url))
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
