//! The hunt that runs: how far it is, and whether somebody wants it to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_model::{Actor, Hunt, HuntId, HuntState, HuntTally};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Which hunt runs now.
#[derive(Default)]
pub(crate) struct HuntRuns {
    /// One waits, or something else is to be looked at.
    pub(crate) wake: Notify,
    /// Held while one is started, and while it is looked which one is to be cancelled.
    pub(crate) starting: tokio::sync::Mutex<()>,
    running: Mutex<Option<Running>>,
}

/// A hunt that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Running {
    id: HuntId,
    tally: Arc<Mutex<HuntTally>>,
    cancelled_by: Arc<Mutex<Option<Actor>>>,
    is_stopped: Arc<AtomicBool>,
}

impl Running {
    pub(crate) fn new(id: HuntId) -> Self {
        Self { id, tally: Arc::default(), cancelled_by: Arc::default(), is_stopped: Arc::default() }
    }

    pub(crate) fn id(&self) -> &HuntId {
        &self.id
    }

    pub(crate) fn tell(&self, tally: HuntTally) {
        *self.tally.lock() = tally;
    }

    /// Somebody wants it to end, or memdeck ends.
    pub(crate) fn must_end(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || self.cancelled_by.lock().is_some()
    }

    /// memdeck ends.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn cancelled_by(&self) -> Option<Actor> {
        self.cancelled_by.lock().clone()
    }
}

/// Ends a hunt whose task ends, and forgets that it runs.
pub(crate) struct Follow<'a> {
    runs: &'a HuntRuns,
    running: Running,
}

impl Drop for Follow<'_> {
    fn drop(&mut self) {
        self.running.is_stopped.store(true, Ordering::Relaxed);
        *self.runs.running.lock() = None;
    }
}

impl HuntRuns {
    /// From now on this one runs, until what is returned is dropped.
    pub(crate) fn begin(&self, running: &Running) -> Follow<'_> {
        *self.running.lock() = Some(running.clone());
        Follow { runs: self, running: running.clone() }
    }

    /// Ends the hunt of this id on behalf of `by`. False if it does not run.
    pub(crate) fn cancel(&self, id: &HuntId, by: &Actor) -> bool {
        let running = self.running.lock();
        let Some(running) = running.as_ref().filter(|running| running.id == *id) else { return false };
        running.cancelled_by.lock().get_or_insert_with(|| by.clone());
        true
    }

    /// A hunt as it is now: what the catalog has of the one that runs is a little older.
    pub(crate) fn present(&self, hunt: Hunt) -> Hunt {
        let running = self.running.lock();
        match running.as_ref().filter(|running| running.id == hunt.id && hunt.state == HuntState::Running) {
            Some(running) => Hunt { tally: *running.tally.lock(), ..hunt },
            None => hunt,
        }
    }
}
