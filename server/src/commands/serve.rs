//! `memdeck serve`

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use memdeck_agent::ServiceClient;
use memdeck_catalog::LockRole;
use memdeck_model::Millis;
use memdeck_operations::{Operations, Parts};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access;
use super::agent::SHUTDOWN_GRACE;
use super::listen::{self, StopSignal};
use super::starting;
use super::{Exit, Failure, Output};
use crate::catalog_care;
use crate::config::{Config, Role, ServiceConfig};
use crate::foreign_rows::{ForeignRows, Pace};
use crate::http::{self, DashboardState};
use crate::node::{self, Node};
use crate::outbox;
use crate::telemetry::{self, Measuring};

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
    let node = match config.service.as_ref().map(client).transpose()? {
        Some(client) => Node::with_service(&config, &state, client).await,
        None => Node::here(&config, &state, SHUTDOWN_GRACE).await?,
    };
    tasks.spawn(node.follow());
    let guests_of = node.host.guests_of();
    let influx = node::influx(config.influx.as_ref())?;
    if let Some(influx) = &influx {
        let rows = ForeignRows::new(Arc::clone(influx) as _, Arc::clone(&state.catalog), Pace::default());
        tasks.spawn(rows.follow());
        tasks.spawn(outbox::relay(
            Arc::clone(&state.catalog),
            Arc::clone(influx) as _,
            node.host.subscribe(),
        ));
    }
    // Guests of another machine are measured there.
    let measured = if config.service.is_none() || config.libvirt.uri_given {
        let Measuring { telemetry, writer } = telemetry::start(&config, &state, influx).await;
        if let Some(writer) = writer {
            tasks.spawn(writer.run());
        }
        Some(telemetry)
    } else {
        None
    };
    let readiness = Arc::clone(&node.readiness);
    let operations = Arc::new(Operations::new(Parts {
        catalog: Arc::clone(&state.catalog),
        host: Arc::clone(&node.host),
        images: Arc::clone(&node.images),
        readiness: Arc::clone(&readiness),
        telemetry: measured,
        clock: node::clock(),
        dump_timeout: Millis::from(config.dumps.timeout),
    }));
    tasks.spawn({
        let operations = Arc::clone(&operations);
        async move { operations.run().await }
    });
    let access = access::open(&config, &state, address).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Serve, &config.http, &listener)?;
    let (closing, closed) = watch::channel(false);
    let site = config.http.site_dir.clone().or_else(installed_site);
    let routes = http::dashboard(DashboardState { operations, closing: closed }, Arc::clone(&access), site);
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
        Output::default().line(access::invitation(&config.http, url, &access)?)?;
    }
    listen::answer(listener, routes, closing, &mut stop).await?;
    tasks.shutdown().await;
    node.shut_down().await;
    Ok(Exit::Done)
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
