//! Follows a dump service by asking it, and tells what changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_catalog::{Catalog, CatalogError, RemoteDump};
use memdeck_clock::Clock;
use memdeck_model::{
    Actor, Capabilities, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest, GuestIdentity, Message,
    Problem, ProblemKind, ServiceHealth, Target,
};
use memdeck_operations::{GuestList, Host, HostError, ImageHost, SharedGuests, blocking};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use crate::client::{Answer, CallError, Face, ServiceClient, refused_options};
use crate::images::AgentImages;
use crate::known::{Changes, Known, Lacks};
use crate::{deletions, passed_on, records};

/// Between two looks while a dump is queued or running.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks while nothing is going on: others may trigger dumps on the same service.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Events kept for a slow subscriber.
const EVENT_BACKLOG: usize = 1024;
/// Ended dumps that are read back at the start.
const REMEMBERED: u32 = 100;
/// The most dumps that are asked for one by one.
const ASKED_ONE_BY_ONE: usize = 100;

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
    client: ServiceClient,
    url: String,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    nearby: NearbyGuests,
    shared: SharedGuests,
    images: Arc<AgentImages>,
    known: Mutex<Known>,
    events: broadcast::Sender<Event>,
    /// Signalled when a dump was triggered, so that following it begins at once.
    triggered: Notify,
}

impl AgentHost {
    /// The service that `client` calls. Records and dumps go into `catalog`. A service that does not list its guests has
    /// those that are `nearby`. A list of guests no older than `list_age` answers for the next.
    pub fn new(
        client: ServiceClient,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        nearby: NearbyGuests,
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
        let known = Mutex::new(Known::new(url.clone(), remembered, capabilities));
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
            known,
            events,
            triggered: Notify::new(),
        }
    }

    /// What the service could do when it was asked last, in this or in an earlier process; `None` before that.
    fn last_capabilities(&self) -> Option<Capabilities> {
        let known = self.known.lock();
        known.capabilities.or(known.last_capabilities)
    }

    /// Follows the service until the task that runs this is ended.
    pub async fn follow(&self) {
        loop {
            let active = self.look().await;
            let interval = if active { ACTIVE_INTERVAL } else { IDLE_INTERVAL };
            // Whichever comes first; a trigger in the meantime is remembered by `Notify`.
            let _ = tokio::time::timeout(interval, self.triggered.notified()).await;
        }
    }

    /// Asks once. Returns whether anything is queued or running.
    async fn look(&self) -> bool {
        // What is asked for from here on may be missing in the answer.
        let before = self.known.lock().active();
        let told = match self.client.statuses(Face::Service).await {
            Ok(statuses) => {
                self.warn(|known| known.note_list(None));
                statuses.into_values().collect()
            }
            Err(CallError::TooLarge(limit)) => {
                let wrong = format!("it tells of so many dumps that {limit} bytes do not hold them");
                self.warn(|known| known.note_list(Some(wrong.into())));
                let active: Vec<DumpId> = before.iter().cloned().collect();
                self.one_by_one(&active).await
            }
            Err(error) => {
                self.note_health(Some(Message::new(error)));
                let mut known = self.known.lock();
                known.records_are_current = false;
                // It may come back as a newer one.
                known.frozen_pause = None;
                known.lacks = Lacks::default();
                known.forget_storage_warning();
                known.last_capabilities = known.capabilities.take().or(known.last_capabilities);
                return !known.active().is_empty();
            }
        };
        self.note_health(None);
        // Where this fails the service has just gone away: the next look tells.
        let _ = self.capabilities().await;
        let told = self.with_missing(told, &before).await;
        let changes = self.known.lock().take_in(told.into_iter(), &before, self.clock.now());
        let completed = changes.completed;
        self.publish(changes).await;
        // Before the record of the dump: what hears of that looks at both.
        if self.known.lock().may_have_another_frozen_pause(completed) {
            self.ask_frozen_pause().await;
        }
        if self.known.lock().may_ask_readiness() {
            self.ask_readiness().await;
        }
        let (may_import, is_current, tells_no_deletions) = {
            let known = self.known.lock();
            (known.may_import(), known.records_are_current, known.lacks.deletions)
        };
        if may_import && (completed || !is_current) {
            self.import().await;
        }
        let (active, are_current) = {
            let known = self.known.lock();
            (!known.active().is_empty(), known.records_are_current)
        };
        // Others may delete images, too. That can wait while dumps are followed, and until all records are here: an import
        // of deletions that succeeds must not end the wait for a feed of records without an end.
        if !active && may_import && are_current && !tells_no_deletions {
            self.import_deletions().await;
        }
        active
    }

    /// `told`, and how dumps ended that a newer one has replaced: memdeck knows every dump by its id.
    async fn with_missing(
        &self,
        mut told: Vec<DumpStatus>,
        before: &std::collections::BTreeSet<DumpId>,
    ) -> Vec<DumpStatus> {
        if self.known.lock().capabilities_or_last().uuids {
            let missing: Vec<DumpId> = before
                .iter()
                .filter(|id| !told.iter().any(|status| status.dump_id == **id))
                .cloned()
                .collect();
            for dump_id in missing.iter().take(ASKED_ONE_BY_ONE) {
                if let Ok(Some(status)) = self.client.status(dump_id.as_str()).await
                    && status.dump_id == *dump_id
                {
                    told.push(status);
                }
            }
        }
        told
    }

    /// The dumps that are followed, each asked for by itself.
    async fn one_by_one(&self, active: &[DumpId]) -> Vec<DumpStatus> {
        let mut told = Vec::new();
        for dump_id in active.iter().take(ASKED_ONE_BY_ONE) {
            let Some(vm) = self.known.lock().asked_text(dump_id) else { continue };
            if let Ok(Some(status)) = self.client.status(&vm).await {
                told.push(status);
            }
        }
        told
    }

    /// Tells changes and remembers those of a state.
    async fn publish(&self, changes: Changes) {
        self.remember(changes.states).await;
        for status in changes.told {
            let _ = self.events.send(Event::Dump(Box::new(status)));
        }
    }

    async fn remember(&self, dumps: Vec<RemoteDump>) {
        if dumps.is_empty() {
            return;
        }
        let (catalog, url) = (Arc::clone(&self.catalog), self.url.clone());
        let remembered = blocking(move || catalog.remember_remote(&url, &dumps)).await;
        if let Err(error) = remembered {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "dumps of the service are not remembered"
            );
        }
    }

    /// What the service can do, asked once until it goes away.
    async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let known = self.known.lock().capabilities;
        if let Some(known) = known {
            return Ok(known);
        }
        let told = self.client.capabilities().await?;
        let is_news = {
            let mut known = self.known.lock();
            let before = known.capabilities_or_last();
            let was_unknown = known.last_capabilities.is_none();
            known.capabilities = Some(told);
            was_unknown || before != told
        };
        if is_news {
            self.publish_health();
            let (catalog, url) = (Arc::clone(&self.catalog), self.url.clone());
            let json = serde_json::to_string(&told).unwrap_or_default();
            let stored: Result<(), CatalogError> =
                blocking(move || catalog.set_setting(&capabilities_of(&url), &json)).await;
            if let Err(error) = stored {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "what the service can do is not kept"
                );
            }
        }
        Ok(told)
    }

    /// How long its guests may stand still, and how fast one is read: each dump may change that.
    async fn ask_frozen_pause(&self) {
        match self.client.frozen_pause().await {
            Ok(told) => {
                let mut known = self.known.lock();
                known.lacks.frozen_pause = told == Answer::Lacking;
                known.frozen_pause = told.known();
            }
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "the service does not tell its pause limit"
            ),
        }
    }

    /// Whether it can store images and records.
    async fn ask_readiness(&self) {
        match self.client.readiness().await {
            Ok(told) => self.warn(|known| known.note_readiness(told.as_ref())),
            // If the service went away, the next look tells.
            Err(error) => tracing::debug!(
                service = self.url,
                error = &error as &dyn std::error::Error,
                "the service does not tell whether it is ready"
            ),
        }
    }

    async fn import_deletions(&self) {
        match deletions::import(&self.client, &self.catalog).await {
            Ok(Some(imported)) => self.note_import(imported),
            Ok(None) => self.known.lock().lacks.deletions = true,
            Err(records::ImportError::Service(error)) => {
                // If the service went away, the next look tells.
                tracing::debug!(
                    service = self.url,
                    error = &error as &dyn std::error::Error,
                    "deletions not imported"
                );
            }
            Err(error) => self.refuse_import(&error),
        }
    }

    async fn import(&self) {
        let dumps = self.known.lock().dumps();
        match records::import(&self.client, &self.catalog, &dumps).await {
            Ok(imported) => self.note_import(imported),
            Err(error) => self.refuse_import(&error),
        }
    }

    fn note_import(&self, imported: records::Imported) {
        for record in imported.records {
            let _ = self.events.send(Event::Record(Box::new(record)));
        }
        let wrong = (!imported.is_complete)
            .then(|| "it has more records than are taken over at once; the rest is asked for later".into());
        self.warn(|known| known.note_import(wrong));
    }

    fn refuse_import(&self, error: &records::ImportError) {
        tracing::warn!(service = self.url, error = error as &dyn std::error::Error, "records not imported");
        self.warn(|known| known.note_import(Some(Message::new(error))));
    }

    /// Notes what is wrong, or not any more, and tells it where that is news.
    fn warn(&self, note: impl FnOnce(&mut Known)) {
        let is_news = {
            let mut known = self.known.lock();
            let before = known.health();
            note(&mut known);
            before != known.health()
        };
        if is_news {
            self.publish_health();
        }
    }

    fn note_health(&self, error: Option<Message>) {
        {
            let mut known = self.known.lock();
            if known.error == error {
                return;
            }
            if let Some(reason) = &error {
                tracing::warn!(service = self.url, %reason, "the dump service does not answer");
            } else {
                tracing::info!(service = self.url, "the dump service answers again");
            }
            known.error = error;
        }
        self.publish_health();
    }

    fn publish_health(&self) {
        let _ = self.events.send(Event::Service(self.known.lock().health()));
    }

    fn failed(&self, error: &CallError) -> HostError {
        let (service, reason) = (self.url.clone(), error.to_string());
        match error {
            CallError::NoAnswer(_) => {
                self.note_health(Some(Message::new(&reason)));
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
        let guests = if self.nearby.are_the_same && is_unclear {
            self.nearby.list.list().await.unwrap_or_default()
        } else {
            Vec::new()
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
            Ok(None) => self.nearby.list.list().await,
            Err(error) => {
                if self.may_be_listed_without()
                    && let Ok(guests) = self.nearby.list.list().await
                {
                    return Ok(guests);
                }
                let detail = format!("the dump service {} does not tell its guests ({error})", self.url);
                Err(Problem::new(ProblemKind::Unavailable, detail))
            }
        }
    }

    /// Whether guests may be listed without the service, while it is away: they are the same ones, or it never told its
    /// guests.
    fn may_be_listed_without(&self) -> bool {
        self.nearby.are_the_same || self.last_capabilities().is_some_and(|capabilities| !capabilities.guests)
    }
}

/// The host that an URL names.
fn host_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(ToOwned::to_owned)
}

/// The setting that holds what the service at `url` could do last.
fn capabilities_of(url: &str) -> String {
    format!("capabilities of {url}")
}

#[async_trait]
impl Host for AgentHost {
    fn address(&self) -> &str {
        &self.url
    }

    fn guests_of(&self) -> String {
        if self.nearby.are_preferred { self.nearby.list.uri() } else { self.url.clone() }
    }

    fn name(&self) -> Option<String> {
        if self.nearby.are_preferred { self.nearby.list.host() } else { host_of(&self.url) }
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        if self.nearby.are_preferred {
            return self.nearby.list.list().await;
        }
        self.shared.list(self.told_guests()).await
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError> {
        let capabilities = self.capabilities().await.map_err(|error| self.failed(&error))?;
        // Case and note are kept here, with the record of the dump.
        let sent = DumpOptions { case: None, note: None, ..options.clone() };
        if let Some(what) = refused_options(&sent, capabilities) {
            return Err(HostError::Incapable { service: self.url.clone(), what });
        }
        let meant = self.meant(targets, capabilities).await;
        let targets: Vec<Target> = meant.iter().map(|(target, _)| target.clone()).collect();
        let asked = self.client.trigger(&targets, &options, capabilities, &passed_on(requested_by)).await;
        let statuses = asked.map_err(|error| self.failed(&error))?;
        self.note_health(None);
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
        let told = self.known.lock().ask(dumps);
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

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn images(&self) -> Arc<dyn ImageHost> {
        Arc::clone(&self.images) as _
    }
}
