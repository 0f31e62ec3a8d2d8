//! Who is dumped when: a thread for each dump, as many as may run at the same time.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_model::{DumpId, EndReason, Event};

use super::Shared;
use super::progress::Running;
use crate::error::as_error;
use crate::stream::StopSwitch;
use crate::{dump, status};

/// Starts workers for queued jobs until the engine closes.
pub(super) fn schedule(shared: &Arc<Shared>) {
    let mut state = shared.state.lock();
    while !state.closing {
        match shared.catalog.start_next(shared.settings.max_parallel.get(), shared.clock.now()) {
            Ok(Some(job)) => {
                let switch = StopSwitch::default();
                let running = Running::new(switch.clone(), shared.clock.monotonic());
                let dump_id = job.dump_id.clone();
                state.running.insert(dump_id.clone(), running);
                if let Err(error) = spawn_worker(shared, job, switch) {
                    state.running.remove(&dump_id);
                    tracing::error!(%dump_id, %error, "no thread for a dump");
                    end_without_worker(shared, &dump_id);
                }
            }
            Ok(None) => shared.changed.wait(&mut state),
            Err(error) => {
                tracing::error!(error = as_error(&error), "the queue cannot be read; trying again");
                shared.changed.wait_for(&mut state, Duration::from_secs(1));
            }
        }
    }
}

/// Starts the thread of one dump. It is not joined: it leaves the list of running dumps as its last act.
fn spawn_worker(shared: &Arc<Shared>, job: Job, switch: StopSwitch) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("dump".to_owned()).spawn(move || {
        let _leave = LeaveOnDrop { shared: &shared, dump_id: job.dump_id.clone() };
        dump::run(&shared, job, &switch);
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
            end_without_worker(self.shared, &self.dump_id);
        }
        self.shared.state.lock().running.remove(&self.dump_id);
        self.shared.changed.notify_all();
    }
}

/// Fails a job that has no worker to say why.
fn end_without_worker(shared: &Shared, dump_id: &DumpId) {
    match shared.catalog.end(dump_id, &EndReason::Internal, shared.clock.now()) {
        Ok(job) => shared.publish(Event::Dump(Box::new(status::of(&job, None)))),
        Err(error) => {
            tracing::error!(%dump_id, error = as_error(&error), "a failed job could not be ended");
        }
    }
}
