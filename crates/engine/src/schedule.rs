//! Who is dumped when: a thread for each dump, as many as may run at the same time.

use std::sync::Arc;

use memdeck_catalog::Job;
use memdeck_model::{DumpId, EndReason};

use crate::aftercare::Aftercare;
use crate::board::{Board, Controls, Gauge, StopSwitch};
use crate::context::Context;
use crate::dump::{self, Attempt};
use crate::ends::Ends;
use crate::error::as_error;
use crate::retry::Retry;
use crate::turns::Turns;

/// Takes jobs from the queue and dumps their guests.
pub struct Scheduler {
    pub context: Arc<Context>,
    pub board: Arc<Board>,
    pub aftercare: Arc<Aftercare>,
    pub ends: Arc<Ends>,
    pub turns: Arc<Turns>,
}

impl Scheduler {
    /// Starts workers for queued jobs until the engine closes. The catalog is asked without a lock that anybody else needs:
    /// its volume may hang.
    pub fn run(self: &Arc<Self>) {
        let mut retry = Retry::default();
        while let Some(turn) = self.turns.present() {
            let max_parallel = self.context.settings.max_parallel.get();
            match self.context.catalog.start_next(max_parallel, self.context.clock.now()) {
                Ok(job) => {
                    retry = Retry::default();
                    match job {
                        Some(job) => self.begin(job),
                        None => self.turns.wait_for_next(turn, None),
                    }
                }
                Err(error) => {
                    if retry.is_news() {
                        tracing::error!(error = as_error(&error), "the queue cannot be read; trying again");
                    }
                    self.turns.wait_for_next(turn, Some(retry.interval(error.is_full())));
                }
            }
        }
    }

    /// Starts a dump whose job is running in the catalog.
    fn begin(self: &Arc<Self>, job: Job) {
        let dump_id = job.dump_id.clone();
        let controls = Controls {
            switch: StopSwitch::default(),
            gauge: Arc::new(Gauge::default()),
            deadline: self.context.clock.monotonic().saturating_add(self.context.settings.time_limit),
        };
        if !self.board.add(&job, &controls) {
            if let Err(error) = self.context.catalog.requeue(&dump_id) {
                tracing::error!(%dump_id, error = as_error(&error), "a dump that did not begin cannot be queued again");
            }
            return;
        }
        if let Err(error) = self.spawn_worker(job, controls) {
            tracing::error!(%dump_id, %error, "no thread for a dump");
            self.ends.record(&dump_id, EndReason::Internal);
            self.leave(&dump_id);
        }
    }

    /// Starts the thread of one dump. It is not joined: it leaves the board as its last act.
    fn spawn_worker(self: &Arc<Self>, job: Job, controls: Controls) -> std::io::Result<()> {
        let scheduler = Arc::clone(self);
        std::thread::Builder::new().name("dump".to_owned()).spawn(move || {
            let _leave = LeaveOnDrop { scheduler: &scheduler, dump_id: job.dump_id.clone() };
            let Self { context, board, aftercare, ends, .. } = &*scheduler;
            dump::run(Attempt { context, board, aftercare, job: &job, controls: &controls }, ends);
        })?;
        Ok(())
    }

    fn leave(&self, dump_id: &DumpId) {
        self.board.remove(dump_id);
        self.turns.advance();
    }
}

/// Takes a dump off the board when its worker ends, even by a panic.
struct LeaveOnDrop<'a> {
    scheduler: &'a Scheduler,
    dump_id: DumpId,
}

impl Drop for LeaveOnDrop<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.scheduler.ends.record(&self.dump_id, EndReason::Internal);
        }
        self.scheduler.leave(&self.dump_id);
    }
}
