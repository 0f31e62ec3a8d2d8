//! The engine's handle: what callers ask of it, its start and its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, Enqueued, GuestIdentity, NewJob};
use memdeck_model::{
    Actor, ByteCount, DumpId, DumpOptions, DumpStatus, EndReason, Event, FrozenPause, Guest, Millis,
    RequestKey,
};
use tokio::sync::broadcast;

use crate::aftercare::Aftercare;
use crate::board::{Board, Ended, StopReason};
use crate::context::{Context, EngineParts};
use crate::ends::Ends;
use crate::error::{EngineError, as_error};
use crate::schedule::Scheduler;
use crate::threads::Threads;
use crate::turns::Turns;
use crate::{recovery, status};
use memdeck_model::Target;

/// How long a text that a dump was asked for by stays among the keys of [`Engine::statuses`]. Clients of the older protocol
/// ask for an hour at most.
const ASKED_LATELY: Millis = Millis(24 * 60 * 60 * 1000);

/// How long a shutdown without dumps waits for the engine's own threads. One that asks a hypervisor that does not
/// answer is left behind: what it would have done is in the catalog, and the guardian sees to it.
const THREAD_PATIENCE: Duration = Duration::from_millis(500);

/// The dump engine of this process. Dropping it [shuts it down](Self::shutdown).
pub struct Engine {
    context: Arc<Context>,
    board: Arc<Board>,
    aftercare: Arc<Aftercare>,
    ends: Arc<Ends>,
    turns: Arc<Turns>,
    threads: Arc<Threads>,
}

impl Engine {
    /// Ends what an engine that died left behind, then starts taking queued jobs.
    ///
    /// # Errors
    /// The catalog or the dump directory cannot be used, or no thread can be started. A full volume is no error.
    pub fn start(parts: EngineParts) -> Result<Self, EngineError> {
        let context = Arc::new(Context::from(parts));
        // A catalog that takes no ends yet does not keep memdeck from serving: the scheduler begins with them.
        let is_recovered = match recovery::recover(&context.catalog, &context.store, context.clock.as_ref()) {
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
        let board = Arc::new(Board::new(Arc::clone(&context.clock)));
        let turns = Arc::<Turns>::default();
        let engine = Self {
            aftercare: Arc::new(Aftercare::new(Arc::clone(&context), Arc::clone(&board))),
            ends: Arc::new(Ends::new(Arc::clone(&context), Arc::clone(&board), Arc::clone(&turns))),
            context,
            board,
            turns,
            threads: Arc::default(),
        };
        for intent in engine.context.catalog.intents()? {
            engine.aftercare.hand_to_keeper(intent);
        }
        engine.start_threads(is_recovered)?;
        Ok(engine)
    }

    fn start_threads(&self, is_recovered: bool) -> Result<(), EngineError> {
        let (aftercare, threads) = (Arc::clone(&self.aftercare), Arc::clone(&self.threads));
        self.threads.start("keeper", move || aftercare.keep(&threads))?;
        let ends = Arc::clone(&self.ends);
        self.threads.start("recorder", move || ends.record_pending())?;
        let board = Arc::clone(&self.board);
        self.threads.start("publisher", move || board.publish_changes())?;
        let (board, guardian) = (Arc::clone(&self.board), Arc::clone(&self.context.guardian));
        self.threads.start("watchdog", move || board.enforce_time_limits(guardian.as_ref()))?;
        let scheduler = Arc::new(Scheduler {
            context: Arc::clone(&self.context),
            board: Arc::clone(&self.board),
            aftercare: Arc::clone(&self.aftercare),
            ends: Arc::clone(&self.ends),
            turns: Arc::clone(&self.turns),
        });
        self.threads.start("scheduler", move || {
            if is_recovered || recovery::recover_later(&scheduler.context, &scheduler.board) {
                scheduler.run();
            }
        })
    }

    /// Starts no dump any more, waits for running ones for a while, then stops them and waits for their end. Queued
    /// jobs stay queued and run when an engine is started on the same catalog again.
    ///
    /// A hypervisor that does not answer holds up only the dumps that need it, and those only for some seconds.
    pub fn shutdown(&self) -> Ended {
        self.turns.close();
        let ended = self.board.close(self.context.settings.shutdown_grace);
        // No dump can hand them anything any more.
        self.aftercare.close();
        self.ends.close();
        self.threads.wait(THREAD_PATIENCE);
        ended
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
        self.trigger_once(targets, options, requested_by, None)
    }

    /// The same, but that a guest which was asked for under this key before keeps the dump it got then.
    ///
    /// # Errors
    /// As [`Self::trigger`].
    pub fn trigger_once(
        &self,
        targets: &[impl Clone + Into<Target>],
        options: &DumpOptions,
        requested_by: &Actor,
        key: Option<&RequestKey>,
    ) -> Result<BTreeMap<String, DumpStatus>, EngineError> {
        let mut statuses = BTreeMap::new();
        let targets: Vec<Target> = targets.iter().map(|target| target.clone().into()).collect();
        // A guest that is unknown, or a hypervisor that does not answer now, is accepted all the same: the job
        // waits its turn and ends with a sentence that says what was wrong then.
        let guests = self.identify(&targets);
        for (target, guest) in targets.into_iter().zip(guests) {
            let job = NewJob {
                dump_id: DumpId::from_uuid_bits(uuid::Uuid::new_v4().as_u128()),
                vm: target.vm.clone(),
                asked_by_text: target.guest.is_none(),
                guest,
                options: options.clone(),
                requested_by: requested_by.clone(),
                queued_at: self.context.clock.now(),
            };
            let status = match self.context.catalog.enqueue_once(job, key)? {
                Enqueued::Accepted(job) => {
                    tracing::info!(dump_id = %job.dump_id, vm = %target.vm, %requested_by, "dump queued");
                    let status = status::of(&job, None);
                    self.board.publish(Event::Dump(Box::new(status.clone())));
                    status
                }
                Enqueued::AlreadyActive(job) | Enqueued::AskedBefore(job) => self.ends.status_of(&job),
            };
            statuses.insert(target.vm.to_string(), status);
        }
        self.turns.advance();
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
            if self.board.stop(dump_id, StopReason::Cancelled { by: by.clone() }) {
                return Ok(true);
            }
            match self.context.catalog.end_queued(dump_id, &reason, self.context.clock.now()) {
                Ok(Some(job)) => {
                    self.board.publish(Event::Dump(Box::new(status::of(&job, None))));
                    return Ok(true);
                }
                // It has just been started and is about to be on the list, or has ended and is not recorded yet.
                Ok(None) if self.board.wait_until_added(dump_id) => {}
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
        // To the second, so that the catalog is asked the same question again.
        let recent = self.context.clock.now().minus(ASKED_LATELY).to_the_second();
        let jobs = self.context.catalog.newest_by_name(recent)?;
        Ok(jobs.iter().map(|(name, job)| (name.clone(), self.ends.status_of(job))).collect())
    }

    /// The newest dump of the guest that `vm` names: by UUID, by the text of a request, by libvirt id or by name.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn status(&self, vm: &str) -> Result<Option<DumpStatus>, EngineError> {
        Ok(self.context.catalog.newest_job_for(vm)?.map(|job| self.ends.status_of(&job)))
    }

    /// The pause limit, and how fast guests were read that stood still, by the newest records of `host`. While the name of
    /// this host is not known, nothing is taken for measured.
    ///
    /// # Errors
    /// The catalog failed.
    pub fn frozen_pause(&self, host: Option<&str>) -> Result<FrozenPause, EngineError> {
        let limit = Millis::from(self.context.settings.frozen_pause_limit);
        let dumps = host.map(|host| self.context.catalog.frozen_pauses(host)).transpose()?;
        Ok(FrozenPause::measured(limit, &dumps.unwrap_or_default()))
    }

    /// Bytes that are free on the volume of the images, where it says so. Blocks as long as the volume does.
    #[must_use]
    pub fn free_bytes(&self) -> Option<ByteCount> {
        self.context.store.free_bytes().ok()
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.board.subscribe()
    }

    /// The guest that a request means, as far as that is known now. One that was chosen from a list stays the one that
    /// was chosen, also if the hypervisor does not answer.
    fn identify(&self, targets: &[Target]) -> Vec<Option<GuestIdentity>> {
        // One call for all, so that a hypervisor that does not answer is waited for once.
        let guests = match targets {
            [only] => self.look_up(only).into_iter().collect(),
            _ => self.context.lookup.guests().unwrap_or_default(),
        };
        let present = |target: &Target| match &target.guest {
            Some(chosen) => guests.iter().find(|guest| guest.uuid == chosen.uuid),
            None => target.vm.find_in(&guests),
        };
        targets
            .iter()
            .map(|target| present(target).map(GuestIdentity::from).or_else(|| target.guest.clone()))
            .collect()
    }

    fn look_up(&self, target: &Target) -> Option<Guest> {
        match &target.guest {
            Some(chosen) => self.context.lookup.guest(&chosen.uuid).ok(),
            None => self.context.lookup.resolve(&target.vm).ok(),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}
