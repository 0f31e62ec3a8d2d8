//! A live dump under way: watched, aborted, and never left to itself.
//!
//! A read end that is closed when QEMU has finished but libvirt's call has not returned leaves the guest paused. So when
//! the caller has gone, the pump reads the rest of the stream, until the call returns.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use super::call::Outcome;
use super::control::Control;
use super::dump::{Begun, RunningCall};
use super::ffi::job::{self, Job};
use super::{failed, guests};
use crate::stream::Moment;
use crate::{DumpSigns, HypervisorError, LiveCall, LiveControl, LiveDump, LiveStats, Valve};

/// How long an abort waits for libvirt's answer while the pipe is held.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);
/// The same in the last pass: QEMU does not answer while it is writing the end of the stream into a full pipe, and the
/// caller may be the thread that reads it.
const LAST_PASS_ABORT_PATIENCE: Duration = Duration::from_millis(50);

/// Hands a dump over to its caller.
pub(super) fn hand_over(begun: Begun) -> LiveDump {
    let Begun { stream, call } = begun;
    let call = RunningLive::new(call, stream.valve());
    LiveDump { stream, call: Box::new(call) }
}

/// libvirt's call of a live dump. Dropped before it is finished, it aborts the dump.
pub(super) struct RunningLive {
    call: RunningCall,
    /// Lets the pump throw away what is left of the stream, until the call has returned.
    valve: Valve,
    control: Arc<JobControl>,
    finished: bool,
}

impl RunningLive {
    pub(super) fn new(call: RunningCall, valve: Valve) -> Self {
        let control = JobControl {
            control: Arc::clone(&call.control),
            uuid: call.guest.uuid.clone(),
            signs: call.signs.clone(),
            valve: valve.clone(),
        };
        Self { call, valve, control: Arc::new(control), finished: false }
    }
}

impl LiveCall for RunningLive {
    fn signs(&self) -> DumpSigns {
        self.call.signs.clone()
    }

    fn control(&self) -> Arc<dyn LiveControl> {
        Arc::clone(&self.control) as Arc<dyn LiveControl>
    }

    fn finish(mut self: Box<Self>) -> Outcome {
        self.finished = true;
        self.valve.release();
        self.valve.give_up();
        match self.call.wait() {
            // It had begun, so the guest can migrate; something else went wrong.
            Err(HypervisorError::CannotMigrate { guest, source }) => {
                Err(HypervisorError::Dump { guest, source })
            }
            Err(error @ HypervisorError::Timeout { .. }) => {
                self.control.give_up();
                Err(error)
            }
            outcome => outcome,
        }
    }
}

impl Drop for RunningLive {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        self.control.give_up();
        self.valve.release();
        self.valve.give_up();
        match self.call.wait() {
            Err(error @ HypervisorError::Timeout { .. }) => {
                tracing::error!(%error, vm = %self.call.guest.name, "a live dump that was given up has not ended");
            }
            outcome => tracing::debug!(?outcome, vm = %self.call.guest.name, "a live dump was given up"),
        }
    }
}

/// The dump's job, asked about on the control connection.
struct JobControl {
    control: Arc<Control>,
    uuid: String,
    signs: DumpSigns,
    valve: Valve,
}

impl JobControl {
    /// What to do with the dump's guest, for the control connection: nothing once the dump has ended, because the job
    /// would be another one.
    fn on_guest<T>(
        &self,
        operation: &str,
        question: impl Fn(&Domain) -> Result<T, Error> + Send + 'static,
    ) -> impl Fn(&super::connection::Connection) -> Result<Option<T>, HypervisorError> + Send + 'static {
        let (uuid, uri) = (self.uuid.clone(), self.control.uri().shown.clone());
        let (operation, signs) = (operation.to_owned(), self.signs.clone());
        move |connection| {
            let domain =
                guests::find_uuid(connection, &uuid).map_err(|error| failed(&operation, &uri, error))?;
            let Some(domain) = domain.filter(|_| !signs.has_returned()) else { return Ok(None) };
            question(&domain).map(Some).map_err(|error| failed(&operation, &uri, error))
        }
    }

    fn give_up(&self) {
        if let Err(error) = self.abort() {
            tracing::warn!(%error, "a live dump cannot be aborted and goes on");
        }
    }

    fn send_abort(&self, moment: Moment) -> Result<(), HypervisorError> {
        let operation = format!("abort the dump of VM '{}'", self.uuid);
        let abort = self.on_guest(&operation, move |domain| {
            // libvirt knows it some milliseconds before the event arrives here.
            if moment == Moment::Still && guests::is_stopped_for_its_last_pass(domain)? {
                return Ok(());
            }
            match job::abort_job(domain) {
                // There is no job (any more).
                Err(error) if error.code() == ErrorNumber::OperationInvalid => Ok(()),
                result => result,
            }
        });
        let patience = match moment {
            Moment::Still => ABORT_PATIENCE,
            Moment::Stopped => LAST_PASS_ABORT_PATIENCE,
        };
        match self.control.begin(&operation, abort)?.recv_timeout(patience) {
            Ok(answer) => answer.map(drop),
            // The answer is still to come, or the thread has ended without one because the process ends.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}

impl LiveControl for JobControl {
    fn stats(&self) -> Result<Option<LiveStats>, HypervisorError> {
        if self.signs.has_returned() {
            return Ok(None);
        }
        let operation = format!("say how far the dump of VM '{}' is", self.uuid);
        let ask = self.on_guest(&operation, |domain| job::job_stats(domain, Job::Present));
        let stats = self.control.call(&operation, ask)?.flatten();
        Ok(stats.filter(|stats| stats.operation == Some(job::DUMP)).map(|stats| LiveStats {
            iteration: stats.iteration.unwrap_or_default(),
            dirty_rate_per_s: stats.dirty_rate_per_s,
            // Before a dirty rate is known this is the limit, not an estimate.
            expected_downtime: stats.dirty_rate_per_s.and(stats.downtime),
            data_processed: stats.data_processed.unwrap_or_default(),
            data_remaining: stats.data_remaining.unwrap_or_default(),
            rate_per_s: stats.memory_rate_per_s,
            elapsed: stats.elapsed.unwrap_or_default(),
        }))
    }

    fn abort(&self) -> Result<(), HypervisorError> {
        if self.signs.has_returned() {
            return Ok(());
        }
        self.valve.abort(&self.signs, |moment| self.send_abort(moment))
    }
}
