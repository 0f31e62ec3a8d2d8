//! The engine's handle, and what its threads share.

mod ends;
mod gauge;
mod progress;
mod schedule;
mod threads;
mod unsettled;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, Enqueued, GuestIdentity, NewJob};
use memdeck_hypervisor::Hypervisor;
use memdeck_image::{ImageStore, StoreError};
use memdeck_model::{Actor, DumpId, DumpOptions, DumpStatus, EndReason, Event, FrozenPause, Guest, Millis};
use parking_lot::{Condvar, Mutex};
use tokio::sync::broadcast;

use self::schedule::schedule;
pub(crate) use self::threads::start_thread;
use self::unsettled::Unsettled;
pub(crate) use self::unsettled::{ForeignJob, Settling};
use crate::error::as_error;
use crate::room::Room;
use crate::stream::StopReason;
use crate::{Clock, Guardian, Target, Volume, keeper, recovery, status};

use ends::Unrecorded;
use progress::Running;
pub(crate) use progress::{Lines, Reached};

/// Events kept for a subscriber that is slow; one that falls further behind is told so and asks for the present state.
const EVENT_BACKLOG: usize = 1024;

/// How long a text that a dump was asked for by stays among the keys of [`Engine::statuses`]. Clients of the older protocol
/// ask for an hour at most.
const ASKED_LATELY: Millis = Millis(24 * 60 * 60 * 1000);

/// How long a shutdown without dumps waits for the engine's own threads. One that asks a hypervisor that does not
/// answer is left behind: what it would have done is in the catalog, and the guardian sees to it.
const THREAD_PATIENCE: Duration = Duration::from_millis(500);

/// How long a dump that was taken from the queue may need to be on the list of running ones.
const BEGIN_PATIENCE: Duration = Duration::from_millis(500);

/// Limits of the engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Dumps that run at the same time.
    pub max_parallel: NonZeroU32,
    /// The longest one dump may take before it is cancelled.
    pub time_limit: Duration,
    /// The longest a guest may be stopped by a live dump, where the request says nothing else.
    pub pause_budget: Duration,
    /// The longest a live dump may go on copying before it is given up.
    pub live_time_budget: Duration,
    /// MiB per second that a live dump may read while the guest runs, where the request says nothing else; 0 is no
    /// limit.
    pub live_bandwidth_mibps: u64,
    /// The longest a guest that runs may stand still for a dump; at the limit the dump ends and the guest runs.
    pub frozen_pause_limit: Duration,
    /// How long a shutdown waits for running dumps before it stops them.
    pub shutdown_grace: Duration,
}

/// What the engine works with.
pub struct EngineParts {
    /// Where jobs and records live.
    pub catalog: Arc<Catalog>,
    /// Where guests live.
    pub hypervisor: Arc<dyn Hypervisor>,
    /// The same, for the question whom a request means: however many ask that, dumps and keeper are not kept waiting.
    pub lookup: Arc<dyn Hypervisor>,
    /// Where images go.
    pub store: ImageStore,
    /// The volume of the images.
    pub volume: Arc<dyn Volume>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Who looks after guests if this process dies.
    pub guardian: Arc<dyn Guardian>,
    /// Limits.
    pub settings: EngineSettings,
}

/// Why the engine cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The catalog failed.
    #[error("the catalog cannot be used")]
    Catalog(#[from] CatalogError),
    /// The directory of images failed.
    #[error("the dump directory cannot be used")]
    Store(#[from] StoreError),
    /// A thread could not be started.
    #[error("a thread of the engine could not be started")]
    Thread(#[source] std::io::Error),
}

#[derive(Default)]
struct State {
    running: HashMap<DumpId, Running>,
    /// Guests that were not yet seen to be as they were before their dump.
    unsettled: Vec<Unsettled>,
    /// Ends that the catalog has not taken yet.
    unrecorded: Vec<Unrecorded>,
    /// Counts what may let a queued job begin.
    turn: u64,
    closing: bool,
    /// The engine's own threads that have not ended.
    threads: usize,
}

/// What the scheduler and the workers share.
pub(crate) struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) hypervisor: Arc<dyn Hypervisor>,
    lookup: Arc<dyn Hypervisor>,
    pub(crate) store: ImageStore,
    pub(crate) room: Room,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guardian: Arc<dyn Guardian>,
    pub(crate) settings: EngineSettings,
    state: Mutex<State>,
    /// Signalled when a job was queued, a dump ended or the engine closes.
    changed: Condvar,
    events: broadcast::Sender<Event>,
}

/// The dump engine of this process. Dropping it [shuts it down](Self::shutdown).
pub struct Engine {
    shared: Arc<Shared>,
}

impl Engine {
    /// Ends what an engine that died left behind, then starts taking queued jobs.
    ///
    /// # Errors
    /// The catalog or the dump directory cannot be used, or no thread can be started. A full volume is no error.
    pub fn start(parts: EngineParts) -> Result<Self, EngineError> {
        let EngineParts { catalog, hypervisor, lookup, store, volume, clock, guardian, settings } = parts;
        // A catalog that takes no ends yet does not keep memdeck from serving: the scheduler begins with them.
        let is_recovered = match recovery::recover(&catalog, &store, clock.as_ref()) {
            Ok(()) => true,
            Err(EngineError::Catalog(error)) if error.is_full() => {
                tracing::error!(
                    error = as_error(&error),
                    "no dump runs until the ends of earlier ones are recorded"
                );
                false
            }
            Err(error) => return Err(error),
        };
        let shared = Arc::new(Shared {
            catalog,
            hypervisor,
            lookup,
            store,
            room: Room::of(volume),
            clock,
            guardian,
            settings,
            state: Mutex::default(),
            changed: Condvar::new(),
            events: broadcast::channel(EVENT_BACKLOG).0,
        });
        for intent in shared.catalog.intents()? {
            shared.hand_to_keeper(intent);
        }
        let engine = Self { shared };
        start_thread("keeper", &engine.shared, keeper::keep)?;
        start_thread("recorder", &engine.shared, ends::record)?;
        start_thread("publisher", &engine.shared, progress::publish)?;
        start_thread("watchdog", &engine.shared, progress::watch)?;
        start_thread("scheduler", &engine.shared, move |shared| {
            if is_recovered || recovery::recover_later(shared) {
                schedule(shared);
            }
        })?;
        Ok(engine)
    }

    /// Starts no dump any more, waits for running ones for a while, then stops them and waits for their end. Queued
    /// jobs stay queued and run when an engine is started on the same catalog again.
    ///
    /// A hypervisor that does not answer holds up only the dumps that need it.
    pub fn shutdown(&self) {
        self.shared.close();
    }

    /// Queues a dump of every guest named. Jobs are durable when this returns. A guest that is already queued or
    /// running keeps its dump, whose status is returned.
    ///
    /// # Errors
    /// The catalog failed; guests before the failure are queued.
    pub fn trigger(
        &self,
        targets: &[impl Clone + Into<Target>],
        options: &DumpOptions,
        requested_by: &Actor,
    ) -> Result<BTreeMap<String, DumpStatus>, EngineError> {
        let mut statuses = BTreeMap::new();
        let targets: Vec<Target> = targets.iter().map(|target| target.clone().into()).collect();
        // A guest that is unknown, or a hypervisor that does not answer now, is accepted all the same: the job
        // waits its turn and ends with a sentence that says what was wrong then.
        let guests = self.shared.identify(&targets);
        for (target, guest) in targets.into_iter().zip(guests) {
            let enqueued = self.shared.catalog.enqueue(NewJob {
                dump_id: DumpId::from_uuid_bits(uuid::Uuid::new_v4().as_u128()),
                vm: target.vm.clone(),
                asked_by_text: target.guest.is_none(),
                guest,
                options: options.clone(),
                requested_by: requested_by.clone(),
                queued_at: self.shared.clock.now(),
            })?;
            let status = match enqueued {
                Enqueued::Accepted(job) => {
                    tracing::info!(dump_id = %job.dump_id, vm = %target.vm, %requested_by, "dump queued");
                    let status = status::of(&job, None);
                    self.shared.publish(Event::Dump(Box::new(status.clone())));
                    status
                }
                Enqueued::AlreadyActive(job) => self.shared.status_of(&job),
            };
            statuses.insert(target.vm.to_string(), status);
        }
        self.shared.wake();
        Ok(statuses)
    }

    /// Ends a dump that is queued or running, as cancelled by `by`. The guest of a running one resumes at once. A dump
    /// that has ended stays as it ended. False if there is no such dump.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn cancel(&self, dump_id: &DumpId, by: &Actor) -> Result<bool, EngineError> {
        // Never with the lock held: the catalog's volume may hang, and the guests of running dumps must not wait for it.
        let reason = EndReason::Cancelled { by: by.clone(), before_start: true };
        loop {
            if let Some(running) = self.shared.state.lock().running.get(dump_id) {
                running.stop(StopReason::Cancelled { by: by.clone() });
                return Ok(true);
            }
            match self.shared.catalog.end_queued(dump_id, &reason, self.shared.clock.now()) {
                Ok(Some(job)) => {
                    self.shared.publish(Event::Dump(Box::new(status::of(&job, None))));
                    return Ok(true);
                }
                // It has just been started and is about to be on the list, or has ended and is not recorded yet.
                Ok(None) if self.shared.will_run(dump_id) => {}
                Ok(None) | Err(CatalogError::AlreadyFinal { .. }) => return Ok(true),
                Err(CatalogError::UnknownDump(_)) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The newest dump of every guest that had one, by the guest's name and by the texts by which it was asked for
    /// lately.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, EngineError> {
        let recent = self.shared.clock.now().minus(ASKED_LATELY);
        let jobs = self.shared.catalog.newest_by_name(recent)?;
        Ok(jobs.into_iter().map(|(name, job)| (name, self.shared.status_of(&job))).collect())
    }

    /// The newest dump of the guest that `vm` names: by UUID, by the text of a request, by libvirt id or by name.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn status(&self, vm: &str) -> Result<Option<DumpStatus>, EngineError> {
        Ok(self.shared.catalog.newest_job_for(vm)?.map(|job| self.shared.status_of(&job)))
    }

    /// The pause limit, and how fast guests were read that stood still, by the newest records of `host`. While the name of
    /// this host is not known, nothing is taken for measured.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn frozen_pause(&self, host: Option<&str>) -> Result<FrozenPause, EngineError> {
        let limit = Millis::from(self.shared.settings.frozen_pause_limit);
        let dumps = host.map(|host| self.shared.catalog.frozen_pauses(host)).transpose()?;
        Ok(FrozenPause::measured(limit, &dumps.unwrap_or_default()))
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Shared {
    /// The guest that a request means, as far as that is known now. One that was chosen from a list stays the one that
    /// was chosen, also where the hypervisor does not answer.
    fn identify(&self, targets: &[Target]) -> Vec<Option<GuestIdentity>> {
        // One call for all, so that a hypervisor that does not answer is waited for once.
        let guests = match targets {
            [only] => self.look_up(only).into_iter().collect(),
            _ => self.lookup.guests().unwrap_or_default(),
        };
        let present = |target: &Target| match &target.guest {
            Some(chosen) => guests.iter().find(|guest| guest.uuid == chosen.uuid),
            None => target.vm.find_in(&guests),
        };
        targets.iter().map(|target| present(target).map(identity).or_else(|| target.guest.clone())).collect()
    }

    fn look_up(&self, target: &Target) -> Option<Guest> {
        match &target.guest {
            Some(chosen) => self.lookup.guest(&chosen.uuid).ok(),
            None => self.lookup.resolve(&target.vm).ok(),
        }
    }

    pub(crate) fn publish(&self, event: Event) {
        // Nobody listening is fine: whoever comes later asks for the present state first.
        let _ = self.events.send(event);
    }

    fn wake(&self) {
        self.state.lock().turn += 1;
        self.changed.notify_all();
    }

    /// Waits a moment for a dump that the catalog calls running to be on the list. False if it is not, and will not be:
    /// it has ended.
    fn will_run(&self, dump_id: &DumpId) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.running.contains_key(dump_id), BEGIN_PATIENCE);
        state.running.contains_key(dump_id)
    }

    /// Waits; false as soon as the engine closes.
    pub(crate) fn pause_unless_closing(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while_for(&mut state, |state| !state.closing, interval);
        !state.closing
    }

    /// No new dumps; running ones may finish within the grace of the settings, then they are stopped.
    fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.changed.notify_all();
        let timed_out = self
            .changed
            .wait_while_for(&mut state, |state| !state.running.is_empty(), self.settings.shutdown_grace)
            .timed_out();
        if timed_out {
            for running in state.running.values() {
                running.stop(StopReason::Shutdown);
            }
            self.changed.wait_while(&mut state, |state| !state.running.is_empty());
        }
        self.changed.wait_while_for(&mut state, |state| state.threads > 0, THREAD_PATIENCE);
    }
}

pub(crate) fn identity(guest: &Guest) -> GuestIdentity {
    GuestIdentity {
        uuid: guest.uuid.clone(),
        name: guest.name.clone(),
        vmid: guest.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
    }
}
