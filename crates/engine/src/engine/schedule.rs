//! Who is dumped when: a thread for each dump, as many as may run at the same time.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_model::{DumpId, EndReason};

use super::Shared;
use super::gauge::Gauge;
use super::progress::{Lines, Running};
use crate::dump;
use crate::error::as_error;
use crate::retry::Retry;
use crate::stream::StopSwitch;

/// Starts workers for queued jobs until the engine closes. The catalog is asked without a lock that anybody else needs:
/// its volume may hang.
pub(super) fn schedule(shared: &Arc<Shared>) {
    let mut retry = Retry::default();
    loop {
        let Some(turn) = shared.turn() else { return };
        match shared.catalog.start_next(shared.settings.max_parallel.get(), shared.clock.now()) {
            Ok(job) => {
                retry = Retry::default();
                match job {
                    Some(job) => begin(shared, job),
                    None => shared.wait_for_turn_after(turn, None),
                }
            }
            Err(error) => {
                if retry.is_news() {
                    tracing::error!(error = as_error(&error), "the queue cannot be read; trying again");
                }
                shared.wait_for_turn_after(turn, Some(retry.interval(error.is_full())));
            }
        }
    }
}

/// Starts a dump whose job is running in the catalog.
fn begin(shared: &Arc<Shared>, job: Job) {
    let dump_id = job.dump_id.clone();
    let lines = Lines {
        switch: StopSwitch::default(),
        gauge: Arc::new(Gauge::default()),
        deadline: shared.clock.monotonic().saturating_add(shared.settings.time_limit),
    };
    let is_closing = {
        let mut state = shared.state.lock();
        if !state.closing {
            state.running.insert(dump_id.clone(), Running::new(job.clone(), lines.clone()));
        }
        state.closing
    };
    if is_closing {
        if let Err(error) = shared.catalog.requeue(&dump_id) {
            tracing::error!(%dump_id, error = as_error(&error), "a dump that did not begin cannot be queued again");
        }
        return;
    }
    shared.changed.notify_all();
    if let Err(error) = spawn_worker(shared, job, lines) {
        tracing::error!(%dump_id, %error, "no thread for a dump");
        shared.end(&dump_id, EndReason::Internal);
        shared.leave(&dump_id);
    }
}

/// Starts the thread of one dump. It is not joined: it leaves the list of running dumps as its last act.
fn spawn_worker(shared: &Arc<Shared>, job: Job, lines: Lines) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("dump".to_owned()).spawn(move || {
        let _leave = LeaveOnDrop { shared: &shared, dump_id: job.dump_id.clone() };
        dump::run(&shared, job, &lines);
    })?;
    Ok(())
}

/// Takes a dump off the list of running ones when its worker ends, even by a panic.
struct LeaveOnDrop<'a> {
    shared: &'a Shared,
    dump_id: DumpId,
}

impl Drop for LeaveOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.end(&self.dump_id, EndReason::Internal);
        }
        self.shared.leave(&self.dump_id);
    }
}

impl Shared {
    fn leave(&self, dump_id: &DumpId) {
        self.state.lock().running.remove(dump_id);
        self.wake();
    }

    /// The number of the present turn; `None` once the engine closes. Whatever may let a queued job begin ends a turn.
    fn turn(&self) -> Option<u64> {
        let state = self.state.lock();
        (!state.closing).then_some(state.turn)
    }

    fn wait_for_turn_after(&self, turn: u64, limit: Option<Duration>) {
        let mut state = self.state.lock();
        let waits = |state: &mut super::State| state.turn == turn && !state.closing;
        match limit {
            Some(limit) => drop(self.changed.wait_while_for(&mut state, waits, limit)),
            None => self.changed.wait_while(&mut state, waits),
        }
    }
}
