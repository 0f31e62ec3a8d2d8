//! `memdeck serve`

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use memdeck_agent::ServiceClient;
use memdeck_catalog::LockRole;
use memdeck_model::Millis;
use memdeck_notify::NetworkCourier;
use memdeck_operations::{
    Accounts, HostBook, NoticePace, Notices, NotifyParts, Operations, Parts, added_hosts, blocking,
};
use memdeck_signing::KeyFiles;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::{self, OfDashboard};
use super::listen::{self, Attendant, StopSignal};
use super::reload::Reload;
use super::starting;
use super::{Exit, Failure, Output, with_causes};
use crate::cli::Invocation;
use crate::config::{Config, Role, ServiceConfig, Sources};
use crate::foreign_rows::{ForeignRows, Pace};
use crate::host_book::{NamedHosts, together, with_this_machine};
use crate::http::{self, DashboardState, LineOf, Tell};
use crate::metrics::{Metrics, MetricsParts};
use crate::node::{self, Node};
use crate::outbox;
use crate::service_manager::Notifier;
use crate::telemetry::{self, Measuring};
use crate::{audit_syslog, catalog_care};

#[expect(clippy::too_many_lines, reason = "a part of the service after the other")]
pub async fn run(config: Config, invocation: &Invocation, sources: &Sources) -> Result<Exit, Failure> {
    // Leptos runs server functions as tasks of the executor that was registered.
    any_spawner::Executor::init_tokio()
        .map_err(|error| Failure::new(format!("the executor cannot start: {error}")))?;
    let address = config.http.listen_address(Role::Serve)?;
    let mut stop = StopSignal::of_service()?;
    let notifier = Notifier::from_environment();
    let grace = config.dumps.shutdown_grace;
    let Some((state, address)) = starting::take_state(&config, LockRole::Serve, address, &mut stop).await?
    else {
        return Ok(Exit::Done);
    };
    tokio::task::block_in_place(|| state.note_start());
    let mut tasks = JoinSet::new();
    if let Some(target) = config.audit_syslog.clone() {
        tasks.spawn(audit_syslog::follow(Arc::clone(&state.catalog), target));
    }
    tasks.spawn(catalog_care::keep(Arc::clone(&state.catalog), config.state_dir.clone(), node::clock()));
    let catalog = Arc::clone(&state.catalog);
    let added = blocking(move || added_hosts(&catalog)).await?;
    let (node, book) = if let Some(client) = config.service.as_ref().map(client).transpose()? {
        (Node::with_service(&config, &state, client).await, None)
    } else {
        let configured = with_this_machine(&config.hosts);
        let node = Node::with_hosts(&config, &together(&configured, &added), &state, grace).await?;
        let book = NamedHosts::new(Arc::clone(node.services()), configured, added);
        (node, Some(Arc::new(book)))
    };
    tasks.spawn(node.follow());
    tasks.spawn(node.look_after_images(&config));
    let guests_of = node.hosts.guests_of();
    let influx = node::influx(config.influx.as_ref())?;
    let mut import = None;
    if let Some(influx) = &influx {
        let rows = ForeignRows::new(Arc::clone(influx) as _, Arc::clone(&state.catalog), Pace::default());
        import = Some(rows.progress());
        tasks.spawn(rows.follow());
        tasks.spawn(outbox::relay(
            Arc::clone(&state.catalog),
            Arc::clone(influx) as _,
            node.own_events().unwrap_or_else(|| node.host().subscribe()),
        ));
    }
    // Guests of other machines are measured there, and their points are written there. A hypervisor that is named beside one dump
    // service is this dashboard's own: its guests are those that are listed.
    let own = node.hosts.members().find(|member| member.is_here());
    let measured = if own.is_some() || (config.service.is_some() && config.libvirt.uri_given) {
        let host = own.filter(|_| node.hosts.are_many()).map(|member| member.name().to_string());
        let Measuring { telemetry, writer } = telemetry::start(&config, &state, influx, host).await;
        if let Some(writer) = writer {
            tasks.spawn(writer.run());
        }
        Some(telemetry)
    } else {
        None
    };
    let readiness = Arc::clone(&node.readiness);
    let metrics = Metrics::new(MetricsParts {
        role: Role::Serve,
        catalog: Arc::clone(&state.catalog),
        hosts: Arc::clone(&node.hosts),
        readiness: Arc::clone(&readiness),
        telemetry: measured.clone(),
        clock: node::clock(),
        volumes: node.volumes(&config),
    });
    let (notices, raised) = Notices::new(node::clock());
    let operations = Arc::new(Operations::new(Parts {
        catalog: Arc::clone(&state.catalog),
        hosts: Arc::clone(&node.hosts),
        host_book: book.clone().map(|book| book as Arc<dyn HostBook>),
        images: Arc::clone(&node.images),
        readiness: Arc::clone(&readiness),
        telemetry: measured,
        import,
        clock: node::clock(),
        dump_timeout: Millis::from(config.dumps.timeout),
        notify: NotifyParts {
            notices,
            raised,
            courier: Arc::new(NetworkCourier::default()),
            limits: config.notices,
            pace: NoticePace::default(),
        },
    }));
    operations.restore_draining().await?;
    tasks.spawn({
        let operations = Arc::clone(&operations);
        async move { operations.run().await }
    });
    tasks.spawn({
        let operations = Arc::clone(&operations);
        async move { operations.keep_schedules().await }
    });
    tasks.spawn({
        let operations = Arc::clone(&operations);
        async move { operations.keep_retention().await }
    });
    tasks.spawn({
        let operations = Arc::clone(&operations);
        async move { operations.keep_hunts().await }
    });
    let catalog = Arc::clone(&state.catalog);
    let accounts = blocking(move || Accounts::load(&catalog, &node::clock())).await;
    let accounts = Arc::new(accounts.map_err(|error| Failure::new(with_causes(&error)))?);
    let told = Arc::clone(&operations);
    let tell: Arc<Tell> = Arc::new(move |event| told.raise_here(event));
    let services = Arc::clone(node.services());
    let line_of: Arc<LineOf> = Arc::new(move |token| services.line_of(token));
    let of_dashboard = OfDashboard { tell, line_of };
    let access = access::open(&config, &state, address, Arc::clone(&accounts), Some(of_dashboard)).await?;
    let listener = listen::bind(address, &config.http).await?;
    let holder = listen::publish(&state.lock, LockRole::Serve, &config.http, &listener)?;
    let (closing, closed) = watch::channel(false);
    let site = config.http.site_dir.clone().or_else(installed_site);
    let shown = DashboardState {
        operations: Arc::clone(&operations),
        accounts,
        metrics,
        keys: KeyFiles::of(&config.state_dir),
        archives: node::archives(&config, &state),
        closing: closed,
    };
    let routes = http::dashboard(shown, Arc::clone(&access), site);
    let routes = http::below(routes, &config.http);
    let service = node.hosts.address();
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
    notifier.ready("Answers");
    // Of a dashboard with one dump service, which one that is is decided at the start.
    let hosts = book.map(|book| (book, Arc::clone(&operations)));
    let attendant = Attendant {
        notifier: &notifier,
        reload: &Reload { invocation, started_with: sources, access, hosts, dialing: None },
        grace,
    };
    let ended = listen::answer(listener, routes, closing, &mut stop, &attendant, node).await;
    tasks.shutdown().await;
    tokio::task::block_in_place(|| state.note_stop());
    Ok(listen::exit(ended))
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
