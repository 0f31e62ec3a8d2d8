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
use crate::telemetry::{self, Measuring};

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
    let influx = node::influx(config.influx.as_ref())?;
    // An agent writes the points of its host.
    let Measuring { telemetry: _measured, writer } = telemetry::start(&config, &state, influx.clone()).await;
    let writer = writer.map(|writer| tokio::spawn(writer.run()));
    let access = access::open(&config, &state, address).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Agent, &config.http, &listener)?;

    let relay = influx.map(|influx| {
        tokio::spawn(outbox::relay(Arc::clone(&state.catalog), influx as _, node.host.subscribe()))
    });
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
    for task in [relay, writer].into_iter().flatten() {
        task.abort();
    }
    node.shut_down().await;
    Ok(Exit::Done)
}
