//! Ends of dumps on their way into the catalog.
//!
//! A catalog that refuses (its volume is full, its file is locked) is asked until it takes the end: a job whose end is
//! not recorded would stay *running*, and would keep its place in the queue, for ever.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_model::{DumpId, EndReason, Event, Message, Timestamp};

use super::Shared;
use crate::error::as_error;
use crate::status;

/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// How a dump ended, not recorded yet.
#[derive(Clone, Debug)]
pub(super) struct Unrecorded {
    pub(super) dump_id: DumpId,
    reason: EndReason,
    at: Timestamp,
}

impl Unrecorded {
    /// The job as it will be.
    pub(super) fn apply(self, job: &Job) -> Job {
        Job {
            state: self.reason.state(),
            message: Message::new(&self.reason),
            end_reason: Some(self.reason),
            finished_at: Some(self.at),
            ..job.clone()
        }
    }
}

impl Shared {
    /// Records that a dump ended without an image, now or as soon as the catalog takes it.
    pub(crate) fn end(&self, dump_id: &DumpId, reason: EndReason) {
        let end = Unrecorded { dump_id: dump_id.clone(), reason, at: self.clock.now() };
        if let Err(error) = self.record_end(&end) {
            tracing::error!(%dump_id, error = as_error(&error), "the end of a dump is not recorded yet; trying again");
            if let Ok(Some(job)) = self.catalog.job(dump_id) {
                self.publish(Event::Dump(Box::new(status::of(&end.clone().apply(&job), None))));
            }
            self.state.lock().unrecorded.push(end);
            self.changed.notify_all();
        }
    }

    /// An error is one that may pass.
    fn record_end(&self, end: &Unrecorded) -> Result<(), CatalogError> {
        match self.catalog.end(&end.dump_id, &end.reason, end.at) {
            Ok(job) => self.publish(Event::Dump(Box::new(status::of(&job, None)))),
            Err(error @ CatalogError::Database { .. }) => return Err(error),
            Err(error) => {
                let dump_id = &end.dump_id;
                tracing::error!(%dump_id, error = as_error(&error), "the end of a dump was not recorded");
            }
        }
        Ok(())
    }

    /// Waits for ends to record; `None` once the engine has closed and no dump runs any more.
    fn unrecorded(&self) -> Option<Vec<Unrecorded>> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| {
            state.unrecorded.is_empty() && !(state.closing && state.running.is_empty())
        });
        (!state.unrecorded.is_empty()).then(|| state.unrecorded.clone())
    }
}

/// The recorder's thread.
pub(super) fn record(shared: &Arc<Shared>) {
    while let Some(ends) = shared.unrecorded() {
        for end in ends {
            if shared.record_end(&end).is_ok() {
                tracing::info!(dump_id = %end.dump_id, "the end of a dump is recorded now");
                shared.state.lock().unrecorded.retain(|open| open.dump_id != end.dump_id);
                shared.wake();
            }
        }
        let is_done = shared.state.lock().unrecorded.is_empty();
        if !is_done && !shared.pause_unless_closing(RETRY_INTERVAL) {
            return;
        }
    }
}
