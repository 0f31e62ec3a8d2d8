//! `memdeck serve`

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use memdeck_catalog::LockRole;
use memdeck_engine::{DumpBackend, Engine};
use memdeck_image::ImageStore;
use memdeck_model::Millis;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access;
use super::agent::SHUTDOWN_GRACE;
use super::listen::{self, StopSignal};
use super::starting;
use super::{Exit, Failure, Output};
use crate::catalog_care;
use crate::config::{Config, Role, ServiceConfig};
use crate::desk::{AgentGuests, Desk, DeskParts, GuestSource, HypervisorGuests, SharedGuests};
use crate::foreign_rows::{ForeignRows, Pace};
use crate::http::{self, DashboardState};
use crate::node::{self, State};
use crate::outbox;
use crate::readiness::{Readiness, ReadinessParts};
use crate::remote::{RemoteBackend, ServiceClient};

pub async fn run(config: Config) -> Result<Exit, Failure> {
    // Leptos runs server functions as tasks of whatever executor it was told about.
    any_spawner::Executor::init_tokio()
        .map_err(|error| Failure::new(format!("the executor cannot start: {error}")))?;
    let address = config.http.listen_address(Role::Serve)?;
    let mut stop = StopSignal::receive()?;
    let Some((state, address)) = starting::take_state(&config, LockRole::Serve, address, &mut stop).await?
    else {
        return Ok(Exit::Done);
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(catalog_care::keep(Arc::clone(&state.catalog), config.state_dir.clone(), node::clock()));
    let client = config.service.as_ref().map(client).transpose()?;
    let images = node::images(&state, client.clone()).await;
    let Dumps { backend, guests, engine, store } = dumps(&config, &state, client, &mut tasks)?;
    let guests: Arc<dyn GuestSource> = Arc::new(SharedGuests::new(guests));
    let guests_of = guests.uri();
    if let Some(influx) = node::influx(config.influx.as_ref())? {
        let rows = ForeignRows::new(Arc::clone(&influx) as _, Arc::clone(&state.catalog), Pace::default());
        tasks.spawn(rows.follow());
        tasks.spawn(outbox::relay(Arc::clone(&state.catalog), influx, backend.subscribe()));
    }
    let readiness = Readiness::new(ReadinessParts {
        catalog: Arc::clone(&state.catalog),
        store,
        backend: Arc::clone(&backend),
        guests: Arc::clone(&guests),
        clock: node::clock(),
    });
    let desk = Arc::new(Desk::new(DeskParts {
        catalog: Arc::clone(&state.catalog),
        backend,
        guests,
        images,
        readiness: Arc::clone(&readiness),
        clock: node::clock(),
        dump_timeout: Millis::from(config.dumps.timeout),
    }));
    tasks.spawn({
        let desk = Arc::clone(&desk);
        async move { desk.run().await }
    });
    let guard = access::guard(&config, &state, address).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Serve, &config.http, &listener)?;
    let (closing, closed) = watch::channel(false);
    let site = config.http.site_dir.clone().or_else(installed_site);
    let routes = http::dashboard(DashboardState { desk, closing: closed }, Arc::clone(&guard), site);
    let routes = http::below(routes, &config.http);
    let service = config.service.as_ref().map_or("local", |service| service.url.as_str());
    match readiness.storage_notice().await {
        None => tracing::info!(url = holder.url, service, guests = guests_of, "dashboard ready"),
        Some(wrong) => {
            tracing::error!(url = holder.url, service, guests = guests_of, "dashboard degraded: {wrong}");
        }
    }
    // Only to a terminal: a journal keeps what is printed.
    if std::io::stdout().is_terminal()
        && let Some(url) = &holder.url
    {
        Output::default().line(access::invitation(&config.http, url, &guard)?)?;
    }
    listen::answer(listener, routes, closing, &mut stop).await?;
    tasks.shutdown().await;
    // Waits for running dumps, off the runtime's threads.
    if let Some(engine) = engine {
        crate::blocking(move || engine.shutdown()).await;
    }
    Ok(Exit::Done)
}

/// Whoever takes the dumps, and tells the guests: this process, or the configured service.
struct Dumps {
    backend: Arc<dyn DumpBackend>,
    guests: Arc<dyn GuestSource>,
    /// What of it is in this process.
    engine: Option<Arc<Engine>>,
    store: Option<ImageStore>,
}

fn dumps(
    config: &Config,
    state: &State,
    client: Option<ServiceClient>,
    tasks: &mut JoinSet<()>,
) -> Result<Dumps, Failure> {
    let hypervisor = node::hypervisor(&config.libvirt, &config.dumps);
    let local_guests = HypervisorGuests::new(Arc::clone(&hypervisor));
    let Some(client) = client else {
        let store = node::store(&config.dumps)?;
        let engine = node::engine(config, state, store.clone(), hypervisor, SHUTDOWN_GRACE)?;
        return Ok(Dumps {
            backend: node::local(&engine),
            guests: Arc::new(local_guests),
            engine: Some(engine),
            store: Some(store),
        });
    };
    // Guests of another machine may have the same ids and names.
    let is_here = config.libvirt.uri_given || is_loopback(client.url());
    let guests_there = is_here.then(|| Arc::clone(&hypervisor));
    let remote =
        Arc::new(RemoteBackend::new(client, Arc::clone(&state.catalog), node::clock(), guests_there));
    tasks.spawn({
        let remote = Arc::clone(&remote);
        async move { remote.follow().await }
    });
    // A hypervisor that somebody named is the one they want to see; else the service knows best.
    let guests: Arc<dyn GuestSource> = if config.libvirt.uri_given {
        Arc::new(local_guests)
    } else {
        Arc::new(AgentGuests::new(Arc::clone(&remote), local_guests, is_here))
    };
    Ok(Dumps { backend: remote, guests, engine: None, store: None })
}

/// Whether an URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    let host = reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

fn client(service: &ServiceConfig) -> Result<ServiceClient, Failure> {
    ServiceClient::new(service)
        .map_err(|error| Failure::new(format!("no HTTP client for {}: {error}", service.url)))
}

/// The built page of an installation: `site` beside the program or in the directory above it.
fn installed_site() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("site"))
        .find(|dir| dir.join("index.html").is_file())
}
