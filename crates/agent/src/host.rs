//! A dump service as a host: what is asked of it on behalf of operators. How it is followed is in `follow.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_catalog::{Catalog, RemoteDump};
use memdeck_clock::Clock;
use memdeck_model::{
    Actor, Capabilities, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, GuestIdentity,
    HostCondition, Message, Problem, ProblemKind, RequestKey, ServiceHealth, Target,
};
use memdeck_operations::{GuestList, Host, HostError, HostFacts, ImageHost, SharedGuests, Telemetry};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use crate::call::{CallError, Line, condition_of};
use crate::client::{Face, ServiceClient};
use crate::images::AgentImages;
use crate::known::Known;
use crate::passed_on;
use crate::spread::spread;
use crate::telemetry::AgentTelemetry;
use crate::trigger::refused_options;

/// Events kept for a slow subscriber.
const EVENT_BACKLOG: usize = 1024;
/// The longest wait before a request whose answer was lost is repeated.
const RETRY_WITHIN: Duration = Duration::from_millis(500);
/// Ended dumps that are read back at the start.
const REMEMBERED: u32 = 100;

/// The guests of a hypervisor that this process can reach itself.
pub struct NearbyGuests {
    /// They.
    pub list: Arc<dyn GuestList>,
    /// Whether they are the guests of the service, too.
    pub are_the_same: bool,
    /// Whether they are shown whatever the service tells: somebody named this hypervisor.
    pub are_preferred: bool,
}

/// A dump service over HTTP.
pub struct AgentHost {
    pub(crate) client: ServiceClient,
    pub(crate) url: String,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    nearby: Option<NearbyGuests>,
    shared: SharedGuests,
    pub(crate) images: Arc<AgentImages>,
    pub(crate) telemetry: Arc<AgentTelemetry>,
    pub(crate) known: Arc<Mutex<Known>>,
    pub(crate) events: broadcast::Sender<Event>,
    /// Signalled when a dump was triggered, so that following it begins at once.
    pub(crate) triggered: Notify,
    /// Held while the service is asked how its dumps are: two answers at a time could not be told apart.
    pub(crate) looking: tokio::sync::Mutex<()>,
}

impl AgentHost {
    /// The service that `client` calls. Records and dumps go into `catalog`. A service that does not list its guests has
    /// those that are `nearby`, if any. A list of guests no older than `list_age` answers for the next.
    pub fn new(
        client: ServiceClient,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        nearby: Option<NearbyGuests>,
        list_age: Duration,
    ) -> Self {
        let url = client.url().to_owned();
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let remembered = catalog.remote_dumps(&url, REMEMBERED).unwrap_or_else(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "dumps of the service cannot be read back"
            );
            Vec::new()
        });
        let capabilities = catalog.setting(&capabilities_of(&url)).ok().flatten();
        let capabilities = capabilities.and_then(|json| serde_json::from_str(&json).ok());
        let known = Arc::new(Mutex::new(Known::new(url.clone(), remembered, capabilities)));
        let telemetry = Arc::new(AgentTelemetry::new(client.clone(), Arc::clone(&known)));
        let changed = broadcast::channel(EVENT_BACKLOG).0;
        let images = Arc::new(AgentImages::new(client.clone(), Arc::clone(&catalog), changed));
        Self {
            client,
            url,
            catalog,
            clock,
            nearby,
            shared: SharedGuests::new(list_age),
            images,
            telemetry,
            known,
            events,
            triggered: Notify::new(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// The way to it, if it is an agent that dials in.
    pub fn line(&self) -> Option<&Arc<Line>> {
        self.client.line()
    }

    /// What the service could do when it was asked last, in this or in an earlier process; `None` before that.
    fn last_capabilities(&self) -> Option<Capabilities> {
        let known = self.known.lock();
        known.capabilities.or(known.last_capabilities)
    }

    fn failed(&self, error: &CallError) -> HostError {
        let (service, reason) = (self.url.clone(), error.to_string());
        match error {
            CallError::NoAnswer(_) | CallError::Broken(_) | CallError::Certificate { .. } => {
                self.note_health(condition_of(error), Some(Message::new(&reason)));
                HostError::Unavailable { service, reason }
            }
            CallError::Refused { .. } | CallError::Unreadable(_) | CallError::TooLarge(_) => {
                HostError::Refused { service, reason }
            }
        }
    }

    /// Whom the targets mean, as far as this process knows, for a service that does not tell. One that is named by its
    /// UUID is sent by name.
    async fn meant(
        &self,
        targets: Vec<Target>,
        capabilities: Capabilities,
    ) -> Vec<(Target, Option<GuestIdentity>)> {
        let is_unclear = !capabilities.uuids && targets.iter().any(|target| target.guest.is_none());
        let guests = match &self.nearby {
            Some(nearby) if nearby.are_the_same && is_unclear => nearby.list.list().await.unwrap_or_default(),
            _ => Vec::new(),
        };
        let meant = |target: Target| {
            if target.guest.is_some() {
                let guest = target.guest.clone();
                return (target, guest);
            }
            let found: Option<&Guest> = target.vm.find_in(&guests);
            let chosen = found.and_then(|guest| Target::chosen(guest).ok());
            let guest = chosen.as_ref().and_then(|chosen| chosen.guest.clone());
            match chosen {
                Some(chosen) if target.vm.as_uuid().is_some() => {
                    (Target { vm: target.vm, guest: chosen.guest }, guest)
                }
                _ => (target, guest),
            }
        };
        targets.into_iter().map(meant).collect()
    }
}

impl AgentHost {
    async fn told_guests(&self) -> Result<Vec<Guest>, Problem> {
        match self.client.guests().await {
            Ok(Some(guests)) => Ok(guests),
            Ok(None) => match &self.nearby {
                Some(nearby) => nearby.list.list().await,
                None => Ok(Vec::new()),
            },
            Err(error) => {
                if let Some(nearby) = self.nearby.as_ref().filter(|nearby| self.may_be_listed_by(nearby))
                    && let Ok(guests) = nearby.list.list().await
                {
                    return Ok(guests);
                }
                let detail = format!("the dump service {} does not report its guests ({error})", self.url);
                Err(Problem::new(ProblemKind::Unavailable, detail))
            }
        }
    }

    /// Whether guests may be listed without the service, while it is away: they are the same ones, or it never told its
    /// guests.
    fn may_be_listed_by(&self, nearby: &NearbyGuests) -> bool {
        nearby.are_the_same || self.last_capabilities().is_some_and(|capabilities| !capabilities.guests)
    }

    /// The guests that are shown whatever the service tells.
    fn preferred(&self) -> Option<&NearbyGuests> {
        self.nearby.as_ref().filter(|nearby| nearby.are_preferred)
    }
}

/// The host that an URL names.
fn host_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(ToOwned::to_owned)
}

/// The setting that holds what the service at `url` could do last.
pub(crate) fn capabilities_of(url: &str) -> String {
    format!("capabilities of {url}")
}

#[async_trait]
impl Host for AgentHost {
    fn address(&self) -> &str {
        &self.url
    }

    fn guests_of(&self) -> String {
        self.preferred().map_or_else(|| self.url.clone(), |nearby| nearby.list.uri())
    }

    fn name(&self) -> Option<String> {
        self.preferred().map_or_else(|| host_of(&self.url), |nearby| nearby.list.host())
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        if let Some(nearby) = self.preferred() {
            return nearby.list.list().await;
        }
        self.shared.list(self.told_guests()).await
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
        key: &RequestKey,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        if let Some(mismatch) = self.known.lock().mismatch() {
            return Err(HostError::Refused { service: self.url.clone(), reason: mismatch.to_string() });
        }
        let capabilities = self.capabilities().await.map_err(|error| self.failed(&error))?;
        // Case and note are kept here, with the record of the dump.
        let sent = DumpOptions { case: None, note: None, ..options.clone() };
        if let Some(what) = refused_options(&sent, capabilities) {
            return Err(HostError::Incapable { service: self.url.clone(), what });
        }
        let meant = self.meant(targets, capabilities).await;
        let targets: Vec<Target> = meant.iter().map(|(target, _)| target.clone()).collect();
        let before = self.known.lock().ids();
        let by = passed_on(requested_by);
        let key = Some(key).filter(|_| capabilities.request_keys);
        let asked = match self.client.trigger(&targets, &options, capabilities, &by, key).await {
            // The answer was lost, and the service knows the request again.
            Err(CallError::Broken(reason)) if key.is_some() => {
                tracing::warn!(service = self.url, %reason, "the answer to a request for dumps was lost; asking again");
                tokio::time::sleep(spread(RETRY_WITHIN)).await;
                self.client.trigger(&targets, &options, capabilities, &by, key).await
            }
            answer => answer,
        };
        let statuses = asked.map_err(|error| self.failed(&error))?;
        self.note_health(HostCondition::Up, None);
        let now = self.clock.now();
        let mut dumps = Vec::new();
        let mut names = Vec::new();
        for (target, guest) in meant {
            let Some(mut status) = statuses.get(target.vm.as_str()).cloned() else { continue };
            status.queued_at = status.queued_at.or(Some(now));
            names.push(target.vm.to_string());
            dumps.push(RemoteDump {
                guest,
                requested_by: Some(requested_by.clone()),
                case: options.case.clone(),
                note: options.note.clone(),
                ..RemoteDump::told(status, now)
            });
        }
        let told = self.known.lock().ask(dumps, &before);
        let remembered = {
            let asked: Vec<&DumpId> = told.iter().map(|status| &status.dump_id).collect();
            let known = self.known.lock().dumps();
            known.into_iter().filter(|dump| asked.contains(&&dump.status.dump_id)).collect()
        };
        self.remember(remembered).await;
        for status in &told {
            let _ = self.events.send(Event::Dump(Box::new(status.clone())));
        }
        self.triggered.notify_one();
        Ok(names.into_iter().zip(told).collect())
    }

    async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, HostError> {
        let takes_actors = self.known.lock().capabilities_or_last().actors;
        let by = takes_actors.then(|| passed_on(by));
        let cancelled = self.client.cancel(Face::Service, &dump_id, by.as_ref()).await;
        let cancelled = cancelled.map_err(|error| self.failed(&error))?;
        self.triggered.notify_one();
        Ok(cancelled)
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        let told = self.client.statuses(Face::Service).await.map_err(|error| self.failed(&error))?;
        let known = self.known.lock();
        let mut statuses: BTreeMap<String, DumpStatus> =
            told.into_iter().map(|(vm, status)| (vm, known.completed_by_memory(status))).collect();
        for lost in known.lost() {
            statuses.entry(lost.status.vm.clone()).or_insert_with(|| lost.status.clone());
        }
        Ok(statuses)
    }

    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, HostError> {
        let told = self.client.status(vm).await.map_err(|error| self.failed(&error))?;
        let known = self.known.lock();
        Ok(told.map(|status| known.completed_by_memory(status)).or_else(|| known.of_guest(vm)))
    }

    async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        Ok(self.known.lock().frozen_pause)
    }

    fn health(&self) -> ServiceHealth {
        self.known.lock().health()
    }

    async fn facts(&self) -> HostFacts {
        self.known.lock().facts()
    }

    async fn probe(&self) {
        self.look().await;
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn images(&self) -> Arc<dyn ImageHost> {
        Arc::clone(&self.images) as _
    }

    fn telemetry(&self) -> Option<Arc<dyn Telemetry>> {
        Some(Arc::clone(&self.telemetry) as _)
    }
}
