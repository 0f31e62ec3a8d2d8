//! What operators can ask for: one place, called by the REST calls and by the page.

mod activity;
mod cancel;
mod everyone;
mod guests;
mod last_trigger;
mod live;
mod shared_guests;
mod storage;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use memdeck_app::api::{ImageFacts, Operations, Overview};
use memdeck_catalog::{Catalog, CatalogError, Place};
use memdeck_engine::{BackendError, Clock, DumpBackend, Target};
use memdeck_model::{
    ALL_GUESTS, Activity, Actor, DeleteRequest, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest,
    Message, Millis, Omitted, Problem, ProblemKind, Record, RecordFilter, RecordPage, RecordQuery,
    ServiceHealth, ServiceStatus, Stats, Timestamp, TriggerError, TriggerRequest, Verification, VmRef,
};
use parking_lot::Mutex;

use crate::blocking;
use crate::catalog_care;
use crate::images::Images;
use crate::readiness::Readiness;
use last_trigger::TriggerFollower;

pub use cancel::cancel;
pub use everyone::Everyone;
pub use guests::{AgentGuests, GuestSource, HypervisorGuests};
pub use live::{Heard, Listener, LiveFeed, Position};
pub use shared_guests::SharedGuests;

/// How long an ended dump stays among the present ones of the page.
const RECENTLY: Millis = Millis(10 * 60 * 1000);

/// Records that a walk reads at a time.
const RECORDS_PER_STEP: u32 = 500;

/// The use cases of the dashboard.
pub struct Desk {
    catalog: Arc<Catalog>,
    backend: Arc<dyn DumpBackend>,
    guests: Arc<dyn GuestSource>,
    images: Arc<Images>,
    readiness: Arc<Readiness>,
    clock: Arc<dyn Clock>,
    live: Arc<LiveFeed>,
    follower: Arc<Mutex<TriggerFollower>>,
}

/// A request for dumps that was accepted.
pub struct Accepted {
    /// When.
    pub at: Timestamp,
    /// The guests as they were named; by name where they were chosen from a list.
    pub vm_ids: Vec<String>,
    /// The present state of each.
    pub statuses: BTreeMap<String, DumpStatus>,
    /// Where all guests were asked for: those that are left out.
    pub omitted: Vec<Omitted>,
}

/// What the desk works with.
pub struct DeskParts {
    /// Records.
    pub catalog: Arc<Catalog>,
    /// Dumps.
    pub backend: Arc<dyn DumpBackend>,
    /// Guests.
    pub guests: Arc<dyn GuestSource>,
    /// Stored images.
    pub images: Arc<Images>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<Readiness>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The longest a dump may take.
    pub dump_timeout: Millis,
}

impl Desk {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: DeskParts) -> Self {
        let DeskParts { catalog, backend, guests, images, readiness, clock, dump_timeout } = parts;
        Self {
            catalog,
            backend,
            guests,
            images,
            readiness,
            clock,
            live: Arc::new(LiveFeed::new()),
            follower: Arc::new(Mutex::new(TriggerFollower::new(dump_timeout))),
        }
    }

    /// What open pages are told.
    #[must_use]
    pub fn live(&self) -> &Arc<LiveFeed> {
        &self.live
    }

    /// The stored images.
    #[must_use]
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// Whether dumps can be taken and kept.
    #[must_use]
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Passes the events of backend and images on, and watches guests and storage while somebody listens. Runs until its task is ended.
    pub async fn run(&self) {
        let pass_on = async {
            let mut events = self.backend.subscribe();
            loop {
                match events.recv().await {
                    Ok(event) => {
                        if let Event::Dump(status) = &event {
                            self.follower.lock().note(status);
                        }
                        self.live.publish(event);
                    }
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => self.live.mark_gap(),
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        let deletions = async {
            let mut changed = self.images.subscribe();
            loop {
                match changed.recv().await {
                    Ok(event) => self.live.publish(event),
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => self.live.mark_gap(),
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        let watch = guests::watch(self.guests.as_ref(), &self.live);
        let storage = storage::watch(&self.readiness, &self.live);
        tokio::join!(pass_on, deletions, watch, storage);
    }

    /// Asks for dumps of the guests that a request names, or of every running one: when it was accepted, the guests as
    /// they were named (the running ones by name where all were asked for), and the present state of each.
    ///
    /// # Errors
    /// The request names no guest, no guest is running where all were asked for, or the dump service is away.
    pub async fn request_dumps(
        &self,
        request: TriggerRequest,
        requested_by: &Actor,
    ) -> Result<Accepted, Problem> {
        let options = request.options.clone();
        let named = targets_of(request)?;
        let Everyone { targets, omitted } = match named.as_slice() {
            [only] if only.as_str() == ALL_GUESTS => self.everyone().await?,
            _ => Everyone { targets: named.into_iter().map(Target::from).collect(), omitted: Vec::new() },
        };
        self.ask_for(targets, omitted, options, requested_by).await
    }

    /// Asks for dumps of guests that were chosen from the list, which the request names by their UUIDs. One that is not
    /// on the list any more keeps its UUID as its name.
    ///
    /// # Errors
    /// The request names no guest, or the dump service is away.
    pub async fn request_chosen(
        &self,
        request: TriggerRequest,
        requested_by: &Actor,
    ) -> Result<Accepted, Problem> {
        let options = request.options.clone();
        let named = targets_of(request)?;
        let guests = self.guests.list().await.unwrap_or_default();
        let chosen = |uuid: &VmRef| guests.iter().find(|guest| guest.uuid == uuid.as_str());
        let target =
            |vm: VmRef| chosen(&vm).and_then(|guest| Target::chosen(guest).ok()).unwrap_or(vm.into());
        let targets = named.into_iter().map(target).collect();
        self.ask_for(targets, Vec::new(), options, requested_by).await
    }

    async fn ask_for(
        &self,
        targets: Vec<Target>,
        omitted: Vec<Omitted>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<Accepted, Problem> {
        let vm_ids: Vec<String> = targets.iter().map(|target| target.vm.to_string()).collect();
        let at = self.clock.now();
        if targets.is_empty() {
            return Ok(Accepted { at, vm_ids, statuses: BTreeMap::new(), omitted });
        }
        match self.backend.trigger(targets, options, requested_by).await {
            Ok(statuses) => {
                self.follower.lock().follow(at, vm_ids.clone(), statuses.values());
                Ok(Accepted { at, vm_ids, statuses, omitted })
            }
            Err(error) => {
                self.follower.lock().refuse(at, vm_ids, Message::new(&error));
                Err(error.into())
            }
        }
    }

    /// Cancels a dump that is queued or running. One that has ended stays as it ended.
    ///
    /// # Errors
    /// There is no such dump, or the dump service is away or cannot cancel.
    pub async fn cancel_dump(&self, dump_id: &str, by: &Actor) -> Result<(), Problem> {
        cancel(self.backend.as_ref(), dump_id, by).await
    }

    async fn everyone(&self) -> Result<Everyone, Problem> {
        let guests = self.guests.list().await?;
        let dumps = self.backend.statuses().await?;
        let everyone = Everyone::of(&guests, dumps.values());
        if everyone.is_nobody() {
            let detail =
                format!("no VM is running on {}; start one, or name a paused one", self.guests.uri());
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        Ok(everyone)
    }

    /// Whether the dump service answers, and the newest dump of every guest. Never an error: the answer says it.
    pub async fn service_status(&self) -> ServiceStatus {
        let answer = self.backend.statuses().await;
        let (status, active_dumps, error) = match answer {
            Ok(statuses) => ("ok", statuses, None),
            Err(error) => ("unavailable", BTreeMap::new(), Some(Message::new(error))),
        };
        let last_trigger = {
            let mut follower = self.follower.lock();
            // An event may have come before the request it belongs to was followed.
            for status in active_dumps.values() {
                follower.note(status);
            }
            follower.last(self.clock.now())
        };
        ServiceStatus {
            service: self.backend.service().to_owned(),
            status: status.to_owned(),
            active_dumps,
            last_trigger,
            error,
            timestamp: self.clock.now(),
        }
    }

    /// The newest dump of one guest.
    ///
    /// # Errors
    /// It had none, or the dump service is away.
    pub async fn dump_status(&self, vm: &str) -> Result<DumpStatus, Problem> {
        let status = self.backend.status(vm).await?;
        status.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("No dump status for VM '{vm}'")))
    }

    /// The newest dump of every guest that had one.
    ///
    /// # Errors
    /// The dump service is away.
    pub async fn dump_statuses(&self) -> Result<BTreeMap<String, DumpStatus>, BackendError> {
        self.backend.statuses().await
    }

    /// One page of the records that a filter means.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn list_records(&self, query: RecordQuery) -> Result<RecordPage, Problem> {
        let query = query.bounded();
        check(&query.filter)?;
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.records(&query)).await.map_err(|error| catalog_problem(&error))
    }

    /// The next of the records that a filter means, newest first, behind `place`; and where to go on, if there are more.
    ///
    /// # Errors
    /// The filter cannot be used, or the catalog failed.
    pub async fn walk_records(
        &self,
        filter: &RecordFilter,
        place: Option<Place>,
    ) -> Result<(Vec<Record>, Option<Place>), Problem> {
        check(filter)?;
        let (catalog, filter) = (Arc::clone(&self.catalog), filter.clone());
        blocking(move || catalog.records_behind(&filter, place, RECORDS_PER_STEP))
            .await
            .map_err(|error| catalog_problem(&error))
    }

    /// The hosts that records name.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn record_hosts(&self) -> Result<Vec<String>, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.hosts()).await.map_err(|error| catalog_problem(&error))
    }

    /// The present, by the clock that dates dumps.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Figures over all records.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn stats(&self) -> Result<Stats, Problem> {
        let catalog = Arc::clone(&self.catalog);
        blocking(move || catalog.stats()).await.map_err(|error| catalog_problem(&error))
    }

    /// How long a guest may stand still for a frozen dump, and how fast one is read where the dumps are taken. `None` where the
    /// service does not tell it.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn frozen_pause(&self) -> Result<Option<FrozenPause>, BackendError> {
        self.backend.frozen_pause(self.guests.host().as_deref()).await
    }

    /// Every guest of the hypervisor.
    ///
    /// # Errors
    /// The hypervisor is away.
    pub async fn list_guests(&self) -> Result<Vec<Guest>, Problem> {
        self.guests.list().await
    }

    /// What a page that just connected is told first.
    pub async fn present_state(&self) -> Vec<Event> {
        let (guests, statuses, storage) =
            tokio::join!(self.guests.list(), self.backend.statuses(), self.readiness.storage_notice());
        let mut events = Vec::new();
        let (statuses, error) = match statuses {
            Ok(statuses) => (statuses, None),
            Err(error) => (BTreeMap::new(), Some(Message::new(error))),
        };
        events.push(Event::Service(ServiceHealth { error, ..self.backend.health() }));
        events.push(Event::Storage(storage));
        match guests {
            Ok(guests) => events.extend([Event::Hypervisor(None), Event::Guests(guests)]),
            Err(problem) => events.push(Event::Hypervisor(Some(problem.detail))),
        }
        let active: BTreeMap<DumpId, DumpStatus> = statuses
            .into_values()
            .filter(|status| !status.exact_state().is_final())
            .map(|status| (status.dump_id.clone(), status))
            .collect();
        events.extend(active.into_values().map(|status| Event::Dump(Box::new(status))));
        let verifications = self.images.verifications().into_iter();
        events.extend(verifications.map(|verification| Event::Verification(Box::new(verification))));
        events
    }
}

fn targets_of(request: TriggerRequest) -> Result<Vec<VmRef>, Problem> {
    request.targets().map_err(|error| Problem::new(ProblemKind::Invalid, refusal(&error)))
}

/// Why a request for dumps is refused, with what would do.
fn refusal(error: &TriggerError) -> String {
    match error {
        TriggerError::NoTargets => format!("{error}, or [\"all\"] for every running VM"),
        error => error.to_string(),
    }
}

fn check(filter: &RecordFilter) -> Result<(), Problem> {
    filter.check().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))
}

/// Logs where it is handled, tells callers no paths and no SQL.
pub(crate) fn catalog_problem(error: &CatalogError) -> Problem {
    if error.is_full() {
        tracing::error!(error = error as &dyn std::error::Error, "the catalog has no room");
        let detail = "the volume of STATE_DIR is full: make room there, then try again";
        return Problem::new(ProblemKind::Unavailable, detail);
    }
    tracing::error!(error = error as &dyn std::error::Error, "the catalog failed");
    Problem::new(ProblemKind::Internal, "the catalog cannot be read or written; the log of memdeck says why")
}

#[async_trait]
impl Operations for Desk {
    async fn overview(&self) -> Result<Overview, Problem> {
        let stats = self.stats().await?;
        let (catalog, now) = (Arc::clone(&self.catalog), self.clock.now());
        let notice = blocking(move || catalog_care::notice(&catalog, now));
        let (notice, storage) = tokio::join!(notice, self.readiness.storage_notice());
        Ok(Overview {
            catalog: notice.map_err(|error| catalog_problem(&error))?,
            storage,
            // Asked of its source: the event that tells of a change may still be under way, or lost among thousands.
            service: self.backend.health(),
            hypervisor: self.live.hypervisor_error(),
            hypervisor_uri: self.guests.uri(),
            host: self.guests.host(),
            frozen_pause: self.frozen_pause().await?,
            stats,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server_time: self.clock.now(),
        })
    }

    async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        self.list_guests().await
    }

    async fn dumps(&self) -> Result<Vec<DumpStatus>, Problem> {
        let now = self.clock.now();
        let recent = |status: &DumpStatus| status.finished_at.is_none_or(|end| now.since(end) < RECENTLY);
        // One dump may stand under several names.
        let dumps: BTreeMap<DumpId, DumpStatus> = self
            .dump_statuses()
            .await?
            .into_values()
            .filter(recent)
            .map(|status| (status.dump_id.clone(), status))
            .collect();
        Ok(dumps.into_values().collect())
    }

    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem> {
        Ok(self.request_chosen(request, &Actor::Page).await?.statuses.into_values().collect())
    }

    async fn activity(&self) -> Result<Vec<Activity>, Problem> {
        self.list_activity().await
    }

    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem> {
        self.cancel_dump(dump_id.as_str(), &Actor::Page).await
    }

    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem> {
        self.list_records(query).await
    }

    async fn record_hosts(&self) -> Result<Vec<String>, Problem> {
        Desk::record_hosts(self).await
    }

    async fn record(&self, dump_id: DumpId) -> Result<Record, Problem> {
        self.images.record(dump_id.as_str()).await
    }

    async fn image(&self, dump_id: DumpId) -> Result<ImageFacts, Problem> {
        self.images.facts(dump_id.as_str()).await
    }

    async fn verification(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        Ok(self.images.verification(dump_id.as_str()).await?.in_short())
    }

    async fn verify(&self, dump_id: DumpId) -> Result<Verification, Problem> {
        self.images.verify(dump_id.as_str()).await
    }

    async fn delete_image(&self, dump_id: DumpId, confirm: String) -> Result<Record, Problem> {
        let request = DeleteRequest::confirmed(&confirm);
        self.images.delete(dump_id.as_str(), request, Actor::Page).await
    }
}
