//! `memdeck agent`

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::LockRole;
use tokio::sync::watch;

use super::access;
use super::listen::{self, StopSignal};
use super::starting;
use super::{Exit, Failure, with_causes};
use crate::catalog_care;
use crate::config::{Config, Role};
use crate::http::{self, AgentState};
use crate::node::{self, Node};
use crate::outbox;

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
    let node = Node::here(&config, &state, SHUTDOWN_GRACE).await?;
    let feed = node::influx(config.influx.as_ref())?;
    let access = access::open(&config, &state, address).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Agent, &config.http, &listener)?;

    let relay =
        feed.map(|feed| tokio::spawn(outbox::relay(Arc::clone(&state.catalog), feed, node.host.subscribe())));
    let (libvirt, readiness) = (node.host.guests_of(), Arc::clone(&node.readiness));
    let routes = http::agent(
        AgentState {
            host: Arc::clone(&node.host),
            catalog: Arc::clone(&state.catalog),
            catalog_id: state.catalog_id().map_err(|error| Failure::new(with_causes(&error)))?,
            images: Arc::clone(&node.images),
            readiness: Arc::clone(&readiness),
        },
        access,
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
    node.shut_down().await;
    Ok(Exit::Done)
}
