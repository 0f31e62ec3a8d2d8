//! The hosts that are reached over HTTP: each is followed by a task, and which there are changes with the configuration and with
//! what operators add.
//!
//! ```text
//! named ──► followed ──► not named any more ──► dumps of it wait or run ──► leaving ──► gone
//!                                  └── none does, or it cannot be used ──────────────────┘
//! ```

use std::sync::Arc;
use std::time::Duration;

use memdeck_agent::{AgentHost, Line, NearbyGuests, ServiceAddress, ServiceClient};
use memdeck_catalog::Catalog;
use memdeck_clock::SystemClock;
use memdeck_model::HostId;
use memdeck_operations::{Host, Hosts, SameName, blocking};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::config::{HostConfig, HostPlace};

/// Between two looks whether the dumps of a host that is leaving have ended.
const LEAVING_INTERVAL: Duration = Duration::from_secs(1);

/// How old a list of guests may be to be handed out again: a thousand readers cost the hypervisor one call a second.
pub const GUEST_LIST_AGE: Duration = Duration::from_secs(1);

/// Why hosts cannot be reached as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Two hosts have one name.
    #[error(transparent)]
    Hosts(#[from] SameName),
    /// A client of a host cannot be set up.
    #[error("no HTTP client for the host {host}")]
    Client {
        host: HostId,
        #[source]
        source: reqwest::Error,
    },
}

/// A host that is followed. Its task ends with it, and so does the connection of an agent that dials in.
pub struct Service {
    name: HostId,
    /// `None` where no file names it.
    address: Option<ServiceAddress>,
    host: Arc<AgentHost>,
    task: Option<AbortHandle>,
}

impl Service {
    pub fn new(name: HostId, address: Option<ServiceAddress>, host: Arc<AgentHost>) -> Self {
        Self { name, address, host, task: None }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(line) = self.host.line() {
            line.hang_up();
        }
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What a new list of hosts changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    pub added: Vec<String>,
    pub changed: Vec<String>,
    pub removed: Vec<String>,
    /// Those that stay until their dumps have ended.
    pub leaving: Vec<String>,
    /// Whether something about this machine waits for the next start.
    pub for_the_next_start: bool,
}

/// The services of one dashboard.
pub struct Services {
    hosts: Arc<Hosts>,
    catalog: Arc<Catalog>,
    followed: Mutex<Vec<Service>>,
    changed: Notify,
}

impl Services {
    pub fn new(hosts: Arc<Hosts>, catalog: Arc<Catalog>, followed: Vec<Service>) -> Self {
        Self { hosts, catalog, followed: Mutex::new(followed), changed: Notify::new() }
    }

    /// Follows them all, and those that are added later. Runs until its task is ended.
    pub async fn follow(&self) {
        let mut tasks = JoinSet::new();
        loop {
            for service in self.followed.lock().iter_mut().filter(|service| service.task.is_none()) {
                let host = Arc::clone(&service.host);
                service.task = Some(tasks.spawn(async move { host.follow().await }));
            }
            let is_any_leaving = self.hosts.members().any(|member| member.is_leaving());
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LEAVING_INTERVAL), if is_any_leaving => self.see_off().await,
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    /// The way to the agent that dials in with `token`, if it is the one of a host. Each token is compared, whichever is right.
    pub fn line_of(&self, token: &[u8]) -> Option<Arc<Line>> {
        // Of fixed length, so that comparing takes the same time whatever is compared.
        let given: [u8; 32] = Sha256::digest(token).into();
        let followed = self.followed.lock();
        let lines: Vec<Arc<Line>> = followed
            .iter()
            .filter_map(|service| {
                let own = service.address.as_ref()?.token.as_ref()?;
                let own: [u8; 32] = Sha256::digest(own.expose()).into();
                let line = service.host.line()?;
                bool::from(own.ct_eq(&given)).then(|| Arc::clone(line))
            })
            .collect();
        lines.into_iter().next()
    }

    /// From now on the hosts are those that `named` names. This machine becomes one of them, or ceases to be one, with the
    /// next start.
    ///
    /// # Errors
    /// A client cannot be set up. Then nothing changes.
    pub async fn reload(&self, named: &[HostConfig]) -> Result<Reloaded, ServiceError> {
        let here = self.hosts.members().find(|member| member.is_here());
        let mut reloaded = Reloaded::default();
        let mut list: Vec<(HostId, Arc<dyn Host>)> = Vec::new();
        let mut fresh = Vec::new();
        for HostConfig { name, place, .. } in named {
            let service = match place {
                HostPlace::Here => {
                    match here.as_ref().filter(|here| here.name() == name) {
                        Some(here) => list.push((name.clone(), Arc::clone(here.host()))),
                        None => reloaded.for_the_next_start = true,
                    }
                    continue;
                }
                HostPlace::Service(service) => service.as_ref(),
            };
            let before = self.followed.lock().iter().find(|known| known.name == *name).map(|known| {
                let is_same = known.address.as_ref() == Some(service);
                (is_same, Arc::clone(&known.host))
            });
            match before {
                Some((true, host)) => list.push((name.clone(), host)),
                before => {
                    let host = self.host(name, service).await?;
                    let told = if before.is_some() { &mut reloaded.changed } else { &mut reloaded.added };
                    told.push(name.to_string());
                    list.push((name.clone(), Arc::clone(&host) as _));
                    fresh.push(Service::new(name.clone(), Some(service.clone()), host));
                }
            }
        }
        if let Some(here) = here.filter(|here| list.iter().all(|(name, _)| name != here.name())) {
            reloaded.for_the_next_start = true;
            list.insert(0, (here.name().clone(), Arc::clone(here.host())));
        }
        let gone = self.hosts.members().filter(|member| list.iter().all(|(name, _)| name != member.name()));
        let mut leaving = Vec::new();
        for member in gone.collect::<Vec<_>>() {
            reloaded.removed.push(member.name().to_string());
            if member.host().facts().await.active_dumps > 0 && member.host().health().error.is_none() {
                reloaded.leaving.push(member.name().to_string());
                leaving.push(member.name().clone());
                list.push((member.name().clone(), Arc::clone(member.host())));
            }
        }
        let mut list = list.into_iter();
        let Some(first) = list.next() else {
            // Nobody would take dumps: a file without hosts means this machine, which begins with the next start.
            return Ok(Reloaded { for_the_next_start: true, ..Reloaded::default() });
        };
        self.hosts.replace(first, list.collect())?;
        for member in self.hosts.members() {
            member.set_leaving(leaving.contains(member.name()));
            member.set_added(named.iter().any(|host| host.added && host.name == *member.name()));
        }
        let present: Vec<HostId> = self.hosts.members().map(|member| member.name().clone()).collect();
        {
            let mut followed = self.followed.lock();
            followed.retain(|known| {
                present.contains(&known.name) && fresh.iter().all(|fresh| fresh.name != known.name)
            });
            followed.extend(fresh);
        }
        self.changed.notify_one();
        Ok(reloaded)
    }

    /// Whether a host could be called: its certificates and address can be used. It is not called.
    ///
    /// # Errors
    /// They cannot.
    pub fn try_client(host: &HostConfig) -> Result<(), ServiceError> {
        let HostPlace::Service(service) = &host.place else { return Ok(()) };
        let client = ServiceClient::new(service);
        client.map(drop).map_err(|source| ServiceError::Client { host: host.name.clone(), source })
    }

    async fn host(&self, name: &HostId, service: &ServiceAddress) -> Result<Arc<AgentHost>, ServiceError> {
        let client = ServiceClient::new(service)
            .map_err(|source| ServiceError::Client { host: name.clone(), source })?;
        let catalog = Arc::clone(&self.catalog);
        // What is remembered of its dumps is read.
        Ok(blocking(move || agent_host(&catalog, client, None)).await)
    }

    /// Takes hosts from the list that are not named any more, once their dumps have ended or cannot be followed.
    async fn see_off(&self) {
        let mut gone = Vec::new();
        for member in self.hosts.members().filter(|member| member.is_leaving()) {
            let (active, error) = (member.host().facts().await.active_dumps, member.host().health().error);
            match error {
                None if active > 0 => continue,
                None => tracing::info!(host = %member.name(), "the host is gone: its dumps have ended"),
                Some(reason) => tracing::warn!(
                    host = %member.name(), active, %reason,
                    "the host is gone; its dumps are not followed any more"
                ),
            }
            gone.push(member.name().clone());
        }
        let left = self.hosts.members().filter(|member| !gone.contains(member.name()));
        let mut left = left.map(|member| (member.name().clone(), Arc::clone(member.host())));
        let Some(first) = left.next() else { return };
        if !gone.is_empty() && self.hosts.replace(first, left.collect()).is_ok() {
            self.followed.lock().retain(|known| !gone.contains(&known.name));
        }
    }
}

/// The service that `client` calls as a host.
pub fn agent_host(
    catalog: &Arc<Catalog>,
    client: ServiceClient,
    nearby: Option<NearbyGuests>,
) -> Arc<AgentHost> {
    Arc::new(AgentHost::new(
        client,
        Arc::clone(catalog),
        Arc::new(SystemClock::new()),
        nearby,
        GUEST_LIST_AGE,
    ))
}
