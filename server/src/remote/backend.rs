//! Follows a dump service by asking it, and tells what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use memdeck_capture::{BackendError, DumpBackend, Target};
use memdeck_catalog::Catalog;
use memdeck_model::{Capabilities, DumpId, DumpOptions, DumpStatus, Event, JobState, ServiceHealth};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use super::client::{CallError, Face, ServiceClient};
use super::{deletions, records};

/// Between two looks while a dump is queued or running.
const ACTIVE_INTERVAL: Duration = Duration::from_millis(500);
/// Between two looks while nothing is going on: others may trigger dumps on the same service.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Events kept for a slow subscriber.
const EVENT_BACKLOG: usize = 1024;

/// What is known of the service.
#[derive(Default)]
struct Known {
    dumps: BTreeMap<DumpId, DumpStatus>,
    /// `None` until it was asked, and after it was away: it may come back as another version.
    capabilities: Option<Capabilities>,
    error: Option<String>,
    /// Whether the service answered at least once since it was last away.
    records_are_current: bool,
    /// The service has no such call.
    tells_no_deletions: bool,
}

/// A dump service over HTTP.
pub struct RemoteBackend {
    client: ServiceClient,
    url: String,
    catalog: Arc<Catalog>,
    known: Mutex<Known>,
    events: broadcast::Sender<Event>,
    /// Signalled when a dump was triggered, so that following it begins at once.
    triggered: Notify,
}

impl RemoteBackend {
    /// A door to the service that `client` calls. Records go into `catalog`.
    pub fn new(client: ServiceClient, catalog: Arc<Catalog>) -> Self {
        let url = client.url().to_owned();
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        Self { client, url, catalog, known: Mutex::default(), events, triggered: Notify::new() }
    }

    /// The calls of the service.
    pub fn client(&self) -> &ServiceClient {
        &self.client
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
        let statuses = match self.client.statuses(Face::Service).await {
            Ok(statuses) => statuses,
            Err(error) => {
                self.note_health(Some(error.to_string()));
                let mut known = self.known.lock();
                known.records_are_current = false;
                // It may come back as a newer one.
                known.tells_no_deletions = false;
                known.capabilities = None;
                return known.dumps.values().any(is_active);
            }
        };
        self.note_health(None);
        let ended = self.note(&statuses);
        if ended || !self.known.lock().records_are_current {
            self.import(&statuses).await;
        }
        let active = statuses.values().any(is_active);
        // Others may delete images, too; that can wait while dumps are followed.
        if !active && !self.known.lock().tells_no_deletions {
            self.import_deletions().await;
        }
        active
    }

    /// What the service can do, asked once until it goes away.
    async fn capabilities(&self) -> Result<Capabilities, CallError> {
        let known = self.known.lock().capabilities;
        if let Some(known) = known {
            return Ok(known);
        }
        let told = self.client.capabilities().await?;
        self.known.lock().capabilities = Some(told);
        Ok(told)
    }

    async fn import_deletions(&self) {
        match deletions::import(&self.client, &self.catalog).await {
            Ok(Some(records)) => {
                for record in records {
                    let _ = self.events.send(Event::Record(Box::new(record)));
                }
            }
            Ok(None) => self.known.lock().tells_no_deletions = true,
            Err(error) => {
                // If the service went away, the next look tells.
                tracing::debug!(
                    service = self.url,
                    error = &error as &dyn std::error::Error,
                    "deletions not imported"
                );
            }
        }
    }

    /// Takes over `statuses`, tells what changed, and returns whether a dump was completed.
    fn note(&self, statuses: &BTreeMap<String, DumpStatus>) -> bool {
        let mut completed = false;
        let mut known = self.known.lock();
        // A dump may stand under several names.
        let mut told = BTreeSet::new();
        for status in statuses.values() {
            if !told.insert(&status.dump_id) || known.dumps.get(&status.dump_id) == Some(status) {
                continue;
            }
            completed |= status.exact_state() == JobState::Completed;
            known.dumps.insert(status.dump_id.clone(), status.clone());
            let _ = self.events.send(Event::Dump(Box::new(status.clone())));
        }
        // A service that was started anew has forgotten its dumps: they are over, whatever they were.
        known.dumps.retain(|dump_id, _| told.contains(dump_id));
        completed
    }

    fn note_health(&self, error: Option<String>) {
        let mut known = self.known.lock();
        if known.error == error {
            return;
        }
        if let Some(reason) = &error {
            tracing::warn!(service = self.url, reason, "the dump service does not answer");
        } else {
            tracing::info!(service = self.url, "the dump service answers again");
        }
        known.error.clone_from(&error);
        let health = ServiceHealth { service: self.url.clone(), error };
        let _ = self.events.send(Event::Service(health));
    }

    async fn import(&self, statuses: &BTreeMap<String, DumpStatus>) {
        match records::import(&self.client, &self.catalog, statuses).await {
            Ok(records) => {
                self.known.lock().records_are_current = true;
                for record in records {
                    let _ = self.events.send(Event::Record(Box::new(record)));
                }
            }
            Err(error) => {
                self.known.lock().records_are_current = false;
                tracing::warn!(
                    service = self.url,
                    error = &error as &dyn std::error::Error,
                    "records not imported"
                );
            }
        }
    }

    fn failed(&self, error: &CallError) -> BackendError {
        let (service, reason) = (self.url.clone(), error.to_string());
        match error {
            CallError::NoAnswer(_) => {
                self.note_health(Some(reason.clone()));
                BackendError::Unavailable { service, reason }
            }
            CallError::Refused { .. } | CallError::Unreadable(_) => BackendError::Refused { service, reason },
        }
    }
}

fn is_active(status: &DumpStatus) -> bool {
    !status.exact_state().is_final()
}

#[async_trait]
impl DumpBackend for RemoteBackend {
    fn service(&self) -> &str {
        &self.url
    }

    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        _requested_by: &str,
    ) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        let capabilities = self.capabilities().await.map_err(|error| self.failed(&error))?;
        let asked = self.client.trigger(&targets, &options, capabilities).await;
        let statuses = asked.map_err(|error| self.failed(&error))?;
        self.note_health(None);
        {
            let mut known = self.known.lock();
            for status in statuses.values() {
                known.dumps.insert(status.dump_id.clone(), status.clone());
                let _ = self.events.send(Event::Dump(Box::new(status.clone())));
            }
        }
        self.triggered.notify_one();
        Ok(statuses)
    }

    async fn cancel(&self, dump_id: DumpId, by: &str) -> Result<bool, BackendError> {
        let cancelled =
            self.client.cancel(Face::Service, &dump_id, by).await.map_err(|error| self.failed(&error))?;
        self.triggered.notify_one();
        Ok(cancelled)
    }

    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        self.client.statuses(Face::Service).await.map_err(|error| self.failed(&error))
    }

    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, BackendError> {
        self.client.status(vm).await.map_err(|error| self.failed(&error))
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
