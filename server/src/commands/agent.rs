//! `memdeck agent`

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::LockRole;
use memdeck_engine::DumpBackend;
use tokio::sync::watch;

use super::access;
use super::listen::{self, StopSignal};
use super::starting;
use super::{Exit, Failure, with_causes};
use crate::catalog_care;
use crate::config::{Config, Role};
use crate::desk::{GuestSource, HypervisorGuests, SharedGuests};
use crate::http::{self, AgentState};
use crate::node;
use crate::outbox;
use crate::readiness::{Readiness, ReadinessParts};

/// How long a stop waits for running dumps.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(20);

pub async fn run(config: Config) -> Result<Exit, Failure> {
    let address = config.http.listen_address(Role::Agent)?;
    let mut stop = StopSignal::receive()?;
    let Some((state, address)) = starting::take_state(&config, LockRole::Agent, address, &mut stop).await?
    else {
        return Ok(Exit::Done);
    };
    let care = catalog_care::keep(Arc::clone(&state.catalog), config.state_dir.clone(), node::clock());
    let care = tokio::spawn(care);
    let hypervisor = node::hypervisor(&config.libvirt, &config.dumps);
    let store = node::store(&config.dumps)?;
    let engine = node::engine(&config, &state, store.clone(), Arc::clone(&hypervisor), SHUTDOWN_GRACE)?;
    let backend = node::local(&engine);
    let feed = node::influx(config.influx.as_ref())?;
    let guard = access::guard(&config, &state, address).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Agent, &config.http, &listener)?;

    let relay =
        feed.map(|feed| tokio::spawn(outbox::relay(Arc::clone(&state.catalog), feed, backend.subscribe())));
    let libvirt = hypervisor.uri().to_owned();
    let images = node::images(&state, None).await;
    let guests: Arc<dyn GuestSource> =
        Arc::new(SharedGuests::new(Arc::new(HypervisorGuests::new(hypervisor))));
    let readiness = Readiness::new(ReadinessParts {
        catalog: Arc::clone(&state.catalog),
        store: Some(store),
        backend: Arc::clone(&backend) as _,
        guests: Arc::clone(&guests),
        clock: node::clock(),
    });
    let routes = http::agent(
        AgentState {
            backend,
            catalog: Arc::clone(&state.catalog),
            catalog_id: state.catalog_id().map_err(|error| Failure::new(with_causes(&error)))?,
            guests,
            images,
            readiness: Arc::clone(&readiness),
        },
        guard,
    );
    let dump_dir = config.dumps.dir.display();
    match readiness.storage_notice().await {
        None => tracing::info!(url = holder.url, %dump_dir, libvirt, "agent ready"),
        Some(wrong) => tracing::error!(url = holder.url, %dump_dir, libvirt, "agent degraded: {wrong}"),
    }
    listen::answer(listener, routes, watch::channel(false).0, &mut stop).await?;
    care.abort();
    if let Some(relay) = relay {
        relay.abort();
    }
    // Waits for running dumps, off the runtime's threads.
    crate::blocking(move || engine.shutdown()).await;
    Ok(Exit::Done)
}
