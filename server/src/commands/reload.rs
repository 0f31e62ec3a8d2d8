//! SIGHUP: tokens, certificates and hosts are read anew, and everything else stays until the next start.
//!
//! All or nothing: where something cannot be read, what holds now goes on to hold.

use std::sync::Arc;

use memdeck_model::Actor;
use memdeck_model::audit::{AuditAction, AuditObject, AuditResult};
use memdeck_operations::audit::Deed;
use memdeck_operations::{Caller, Operations, blocking};
use rustls::ServerConfig;
use tokio::sync::watch;

use super::{Failure, with_causes};
use crate::cli::Invocation;
use crate::config::{Config, HostConfig, HttpConfig, ServiceConfig, Sources, effective};
use crate::dialing::Dialing;
use crate::host_book::NamedHosts;
use crate::http::{Access, tls};
use crate::services::Reloaded;
use crate::token;

/// Settings whose change needs no restart, by their keys.
const RELOADED: [&str; 7] = [
    "http.token",
    "http.metrics_token",
    "http.tls_cert",
    "http.tls_key",
    "dashboard.url",
    "dashboard.token",
    "dashboard.ca",
];

/// Reads the configuration of a running service anew.
pub struct Reload<'a> {
    /// The command line, which says where the configuration is.
    pub invocation: &'a Invocation,
    /// What the service was started with.
    pub started_with: &'a Sources,
    /// Who is let in.
    pub access: Arc<Access>,
    /// The hosts of a dashboard that can have several, and what keeps which of them are drained.
    pub hosts: Option<(Arc<NamedHosts>, Arc<Operations>)>,
    /// The dashboard that an agent dials.
    pub dialing: Option<Dialing>,
}

/// What was read and is not in use yet.
struct Read {
    hosts: Vec<HostConfig>,
    dashboard: Option<ServiceConfig>,
    http: HttpConfig,
    tls: Option<Arc<ServerConfig>>,
    /// Settings whose change takes effect with the next start.
    for_the_next_start: Vec<&'static str>,
}

impl Reload<'_> {
    /// Reads it and uses it from now on. New connections get the new certificate; `tls` is where they find it.
    pub async fn now(&self, tls: Option<&watch::Sender<Arc<ServerConfig>>>) {
        match self.read().await {
            Ok(Read { hosts, dashboard, http, tls: certificate, for_the_next_start }) => {
                if let Err(failure) = self.use_hosts(&hosts).await {
                    tracing::error!("the hosts stay as they are: {}", failure.message());
                }
                self.access.change_tokens(&http).await;
                if let Some(dialing) = &self.dialing {
                    dialing.change(dashboard).await;
                }
                if let Some(audit) = self.access.audit() {
                    let deed = Deed::new(AuditAction::SecretsReloaded, AuditObject::Service);
                    audit.note_done(&Caller::trusted(Actor::Service), deed, AuditResult::Succeeded).await;
                }
                match (tls, certificate) {
                    (Some(tls), Some(certificate)) => drop(tls.send_replace(certificate)),
                    (None, None) => {}
                    _ => tracing::warn!(
                        "TLS is switched on or off by the next start, and stays as it is until then"
                    ),
                }
                tracing::info!("tokens and certificates were read anew");
                if !for_the_next_start.is_empty() {
                    let settings = for_the_next_start.join(", ");
                    tracing::warn!(
                        settings,
                        "these settings were changed; they take effect with the next start"
                    );
                }
            }
            Err(failure) => {
                tracing::error!("nothing was reloaded, and everything stays as it is: {}", failure.message());
            }
        }
    }

    async fn use_hosts(&self, named: &[HostConfig]) -> Result<(), Failure> {
        let Some((named_hosts, operations)) = &self.hosts else {
            if !named.is_empty() {
                tracing::warn!("hosts were added to the configuration; they are used from the next start on");
            }
            return Ok(());
        };
        let reloaded =
            named_hosts.configure(named).await.map_err(|error| Failure::new(with_causes(&error)))?;
        operations.restore_draining().await?;
        let Reloaded { added, changed, removed, leaving, for_the_next_start } = reloaded;
        let told = [("added", added), ("changed", changed), ("removed", removed), ("leaving", leaving)];
        for (what, hosts) in told.into_iter().filter(|(_, hosts)| !hosts.is_empty()) {
            tracing::info!(hosts = hosts.join(", "), "hosts of the configuration: {what}");
        }
        if for_the_next_start {
            tracing::warn!("whether this machine is one of the hosts changes with the next start");
        }
        Ok(())
    }

    async fn read(&self) -> Result<Read, Failure> {
        // Some small files; the runtime moves what else this thread would do to another one.
        let (config, sources) = tokio::task::block_in_place(|| self.invocation.configuration())?;
        let for_the_next_start = changed(self.started_with, &sources);
        blocking(move || {
            let http = with_token(&config)?;
            let tls = config.http.tls.as_ref().map(tls::server_config).transpose();
            let tls = tls.map_err(|error| Failure::new(with_causes(&error)))?;
            let Config { hosts, dashboard, .. } = config;
            Ok(Read { hosts, dashboard, http, tls, for_the_next_start })
        })
        .await
    }
}

/// The settings of HTTP with the token that counts: the one that is set, else the one in the state directory.
fn with_token(config: &Config) -> Result<HttpConfig, Failure> {
    let token = match &config.http.token {
        Some(token) => token.clone(),
        None => token::read_or_make(&config.state_dir)?,
    };
    Ok(HttpConfig { token: Some(token), ..config.http.clone() })
}

/// Settings that are others than before and are not reloaded.
fn changed(before: &Sources, now: &Sources) -> Vec<&'static str> {
    let both = effective(before).zip(effective(now));
    let differing = both.filter(|(before, now)| before.value != now.value && !RELOADED.contains(&now.key));
    differing.filter_map(|(_, now)| now.env.first().copied()).collect()
}
