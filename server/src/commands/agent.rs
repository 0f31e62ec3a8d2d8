//! `memdeck agent`

use std::sync::Arc;

use memdeck_catalog::LockRole;
use memdeck_operations::{Accounts, Once};
use memdeck_signing::KeyFiles;
use tokio::sync::watch;

use super::access;
use super::listen::{self, Attendant, StopSignal};
use super::reload::Reload;
use super::starting;
use super::{Exit, Failure, with_causes};
use crate::cli::Invocation;
use crate::config::{Config, Role, Sources};
use crate::dialing::Dialing;
use crate::http::{self, AgentState};
use crate::metrics::{Metrics, MetricsParts};
use crate::node::{self, Node};
use crate::outbox;
use crate::service_manager::Notifier;
use crate::telemetry::{self, Measuring};
use crate::{audit_syslog, catalog_care};

pub async fn run(config: Config, invocation: &Invocation, sources: &Sources) -> Result<Exit, Failure> {
    let address = config.http.listen_address(Role::Agent)?;
    let mut stop = StopSignal::of_service()?;
    let notifier = Notifier::from_environment();
    let grace = config.dumps.shutdown_grace;
    let Some((state, address)) = starting::take_state(&config, LockRole::Agent, address, &mut stop).await?
    else {
        return Ok(Exit::Done);
    };
    tokio::task::block_in_place(|| state.note_start());
    let care = catalog_care::keep(Arc::clone(&state.catalog), config.state_dir.clone(), node::clock());
    let care = tokio::spawn(care);
    let syslog = config
        .audit_syslog
        .clone()
        .map(|target| tokio::spawn(audit_syslog::follow(Arc::clone(&state.catalog), target)));
    let node = Node::here(&config, &state, grace).await?;
    let image_care = tokio::spawn(node.look_after_images(&config));
    let influx = node::influx(config.influx.as_ref())?;
    // An agent writes the points of its host.
    let Measuring { telemetry, writer } = telemetry::start(&config, &state, influx.clone(), None).await;
    let writer = writer.map(|writer| tokio::spawn(writer.run()));
    // Who its dashboard acts for is decided there.
    let accounts = Arc::new(Accounts::none(&node::clock()));
    let access = access::open(&config, &state, address, accounts, None).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Agent, &config.http, &listener)?;

    let relay = influx.map(|influx| {
        tokio::spawn(outbox::relay(Arc::clone(&state.catalog), influx as _, node.host().subscribe()))
    });
    let metrics = Metrics::new(MetricsParts {
        role: Role::Agent,
        catalog: Arc::clone(&state.catalog),
        hosts: Arc::clone(&node.hosts),
        readiness: Arc::clone(&node.readiness),
        telemetry: Some(Arc::clone(&telemetry)),
        clock: node::clock(),
        volumes: node.volumes(&config),
    });
    let (libvirt, readiness) = (node.host().guests_of(), Arc::clone(&node.readiness));
    let calls = AgentState {
        host: node.host(),
        catalog: Arc::clone(&state.catalog),
        catalog_id: state.catalog_id().map_err(|error| Failure::new(with_causes(&error)))?,
        images: Arc::clone(&node.images),
        telemetry: Some(telemetry),
        once: Arc::new(Once::new(Arc::clone(&state.catalog), node::clock())),
        readiness: Arc::clone(&readiness),
        metrics,
        keys: KeyFiles::of(&config.state_dir),
        archives: node::archives(&config, &state),
    };
    let of_dashboard = Arc::new(access::over_dialed(&config, &state, address));
    let over_dialed = http::agent(calls.clone(), Arc::clone(&of_dashboard));
    let dialing = Dialing::new(of_dashboard, config.dashboard.clone());
    let routes = http::agent(calls, Arc::clone(&access));
    let dump_dir = config.dumps.dir.display();
    match readiness.storage_notice().await {
        None => tracing::info!(url = holder.url, %dump_dir, libvirt, "agent ready"),
        Some(wrong) => tracing::error!(url = holder.url, %dump_dir, libvirt, "agent degraded: {wrong}"),
    }
    notifier.ready("Takes dumps");
    let (closing, closed) = watch::channel(false);
    let dialed = tokio::spawn(dialing.keep(over_dialed, closed));
    let attendant = Attendant {
        notifier: &notifier,
        reload: &Reload { invocation, started_with: sources, access, hosts: None, dialing: Some(dialing) },
        grace,
    };
    let ended = listen::answer(listener, routes, closing, &mut stop, &attendant, node).await;
    dialed.abort();
    care.abort();
    image_care.abort();
    for task in [relay, writer, syslog].into_iter().flatten() {
        task.abort();
    }
    tokio::task::block_in_place(|| state.note_stop());
    Ok(listen::exit(ended))
}
