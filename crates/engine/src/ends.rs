//! Ends of dumps on their way into the catalog.
//!
//! A catalog that refuses (its volume is full, its file is locked) is asked until it takes the end: a job whose end is
//! not recorded would stay *running*, and would keep its place in the queue, for ever.

use std::sync::Arc;

use memdeck_catalog::{CatalogError, Job};
use memdeck_model::{DumpId, DumpStatus, EndReason, Event, Message, Timestamp};
use parking_lot::{Condvar, Mutex};

use crate::board::Board;
use crate::context::Context;
use crate::error::as_error;
use crate::retry::Retry;
use crate::status;
use crate::turns::Turns;

/// How a dump ended, not recorded yet.
#[derive(Clone, Debug)]
struct Unrecorded {
    dump_id: DumpId,
    reason: EndReason,
    at: Timestamp,
}

impl Unrecorded {
    /// The job as it will be.
    fn apply(self, job: &Job) -> Job {
        Job {
            state: self.reason.state(),
            message: Message::new(&self.reason),
            end_reason: Some(self.reason),
            finished_at: Some(self.at),
            ..job.clone()
        }
    }
}

#[derive(Default)]
struct Pending {
    ends: Vec<Unrecorded>,
    is_closed: bool,
}

/// Records how dumps ended that have no image.
pub struct Ends {
    context: Arc<Context>,
    board: Arc<Board>,
    turns: Arc<Turns>,
    pending: Mutex<Pending>,
    changed: Condvar,
}

impl Ends {
    pub fn new(context: Arc<Context>, board: Arc<Board>, turns: Arc<Turns>) -> Self {
        Self { context, board, turns, pending: Mutex::default(), changed: Condvar::new() }
    }

    /// Records that a dump ended without an image, now or as soon as the catalog takes it.
    pub fn record(&self, dump_id: &DumpId, reason: EndReason) {
        let end = Unrecorded { dump_id: dump_id.clone(), reason, at: self.context.clock.now() };
        if let Err(error) = self.try_to_record(&end) {
            tracing::error!(%dump_id, error = as_error(&error), "the end of a dump is not recorded yet; trying again");
            if let Ok(Some(job)) = self.context.catalog.job(dump_id) {
                self.publish(&end.clone().apply(&job));
            }
            self.pending.lock().ends.push(end);
            self.changed.notify_all();
        }
    }

    /// The status of `job`, which may have ended without the catalog knowing it yet.
    pub fn status_of(&self, job: &Job) -> DumpStatus {
        let end = self.pending.lock().ends.iter().find(|end| end.dump_id == job.dump_id).cloned();
        match end {
            Some(end) => status::of(&end.apply(job), None),
            None => self.board.status_of(job),
        }
    }

    /// The recorder's thread: until the engine has closed.
    pub fn record_pending(&self) {
        let mut retry = Retry::default();
        while let Some(ends) = self.wait_for_pending() {
            let mut is_full = true;
            for end in ends {
                match self.try_to_record(&end) {
                    Ok(()) => {
                        tracing::info!(dump_id = %end.dump_id, "the end of a dump is recorded now");
                        self.pending.lock().ends.retain(|open| open.dump_id != end.dump_id);
                        self.turns.advance();
                    }
                    // That was reported when the dump ended.
                    Err(error) => is_full &= error.is_full(),
                }
            }
            if self.pending.lock().ends.is_empty() {
                retry = Retry::default();
            } else if !self.board.pause_unless_closing(retry.interval(is_full)) {
                return;
            }
        }
    }

    /// No dump runs any more. What is not recorded is left to the next start.
    pub fn close(&self) {
        self.pending.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// An error is one that may pass.
    fn try_to_record(&self, end: &Unrecorded) -> Result<(), CatalogError> {
        match self.context.catalog.end(&end.dump_id, &end.reason, end.at) {
            Ok(job) => self.publish(&job),
            Err(error @ CatalogError::Database { .. }) => return Err(error),
            Err(error) => {
                let dump_id = &end.dump_id;
                tracing::error!(%dump_id, error = as_error(&error), "the end of a dump was not recorded");
            }
        }
        Ok(())
    }

    fn publish(&self, ended: &Job) {
        self.board.publish(Event::Dump(Box::new(status::of(ended, None))));
    }

    /// Waits for ends to record; `None` once no dump runs any more.
    fn wait_for_pending(&self) -> Option<Vec<Unrecorded>> {
        let mut pending = self.pending.lock();
        self.changed.wait_while(&mut pending, |pending| pending.ends.is_empty() && !pending.is_closed);
        (!pending.ends.is_empty()).then(|| pending.ends.clone())
    }
}
