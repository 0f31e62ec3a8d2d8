//! A live dump under way: watched, aborted, and never left to itself.
//!
//! A read end that is closed when QEMU has finished but libvirt's call has not returned leaves the guest paused. So the
//! pipe has a second read end here, which outlives the call: when the caller has gone, a thread reads the rest of the
//! stream, until the call returns.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use virt::domain::Domain;
use virt::error::{Error, ErrorNumber};

use super::call::Outcome;
use super::control::Control;
use super::dump::{Begun, RunningCall};
use super::ffi::job::{self, Job};
use super::target::{Arrival, wait_for_bytes};
use super::{failed, guests};
use crate::{DumpSigns, HypervisorError, LiveCall, LiveControl, LiveDump, LiveStats};

/// How long an abort waits for libvirt's answer. QEMU does not answer while it is writing the end of the stream into a
/// full pipe, and he who asked may be the one who reads it.
const ABORT_PATIENCE: Duration = Duration::from_millis(50);

/// Bytes that are thrown away at a time.
const DISCARD_BYTES: usize = 256 << 10;

/// Hands a dump over to its caller.
pub(super) fn hand_over(begun: Begun) -> Result<LiveDump, HypervisorError> {
    let Begun { stream, call } = begun;
    let guest = call.guest.name.clone();
    let own_end = stream.try_clone();
    let call = RunningLive::new(call, stream);
    match own_end {
        Ok(stream) => Ok(LiveDump { stream, call: Box::new(call) }),
        Err(error) => Err(HypervisorError::Dump { guest, source: error.into() }),
    }
}

/// libvirt's call of a live dump. Dropped before it is finished, it aborts the dump.
pub(super) struct RunningLive {
    call: RunningCall,
    /// Kept open until the call has returned.
    stream: Arc<OwnedFd>,
    control: Arc<JobControl>,
    finished: bool,
}

impl RunningLive {
    pub(super) fn new(call: RunningCall, stream: OwnedFd) -> Self {
        let control = JobControl {
            control: Arc::clone(&call.control),
            uuid: call.guest.uuid.clone(),
            returned: Arc::clone(&call.returned),
        };
        Self { call, stream: Arc::new(stream), control: Arc::new(control), finished: false }
    }

    /// Throws away what is left of the stream, on a thread that holds the pipe open until the call has returned.
    fn discard_rest(&self) {
        if has_returned(&self.call.returned) {
            return;
        }
        let (stream, returned) = (Arc::clone(&self.stream), Arc::clone(&self.call.returned));
        let thread = std::thread::Builder::new().name("libvirt-discard".into());
        if let Err(error) = thread.spawn(move || discard(&stream, &returned)) {
            tracing::warn!(%error, "the rest of a live dump is thrown away without a thread");
            discard(&self.stream, &self.call.returned);
        }
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
        self.discard_rest();
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
        // Reading comes first: QEMU may need it to hear of the abort.
        self.discard_rest();
        self.control.give_up();
        match self.call.wait() {
            Err(error @ HypervisorError::Timeout { .. }) => {
                tracing::error!(%error, vm = %self.call.guest.name, "a live dump that was given up has not ended");
            }
            outcome => tracing::debug!(?outcome, vm = %self.call.guest.name, "a live dump was given up"),
        }
    }
}

/// Reads until the call has returned.
fn discard(stream: &OwnedFd, returned: &OwnedFd) {
    let mut buffer = vec![0; DISCARD_BYTES];
    let mut discard_some = || -> io::Result<Arrival> {
        let arrival = wait_for_bytes(stream, returned, None)?;
        if arrival == Arrival::Bytes {
            rustix::io::retry_on_intr(|| rustix::io::read(stream, &mut buffer))?;
        }
        Ok(arrival)
    };
    loop {
        match discard_some() {
            Ok(Arrival::Bytes) => {}
            Ok(Arrival::Returned | Arrival::Nothing) => return,
            Err(error) => {
                tracing::warn!(%error, "throwing away the rest of a live dump");
                return;
            }
        }
    }
}

fn has_returned(returned: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(returned.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::io::retry_on_intr(|| poll(&mut fds, Some(&now))).is_ok_and(|ready| ready > 0)
}

/// The dump's job, asked about on the control connection.
struct JobControl {
    control: Arc<Control>,
    uuid: String,
    returned: Arc<OwnedFd>,
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
        let (operation, returned) = (operation.to_owned(), Arc::clone(&self.returned));
        move |connection| {
            let domain =
                guests::find_uuid(connection, &uuid).map_err(|error| failed(&operation, &uri, error))?;
            let Some(domain) = domain.filter(|_| !has_returned(&returned)) else { return Ok(None) };
            question(&domain).map(Some).map_err(|error| failed(&operation, &uri, error))
        }
    }

    /// Aborts and does not wait.
    fn give_up(&self) {
        if has_returned(&self.returned) {
            return;
        }
        if let Err(error) = self.begin_abort() {
            tracing::warn!(%error, "a live dump cannot be aborted and goes on");
        }
    }

    fn begin_abort(
        &self,
    ) -> Result<std::sync::mpsc::Receiver<Result<Option<()>, HypervisorError>>, HypervisorError> {
        let operation = format!("abort the dump of VM '{}'", self.uuid);
        let abort = self.on_guest(&operation, |domain| match job::abort_job(domain) {
            // There is no job (any more).
            Err(error) if error.code() == ErrorNumber::OperationInvalid => Ok(()),
            result => result,
        });
        self.control.begin(&operation, abort)
    }
}

impl LiveControl for JobControl {
    fn stats(&self) -> Result<Option<LiveStats>, HypervisorError> {
        if has_returned(&self.returned) {
            return Ok(None);
        }
        let operation = format!("say how far the dump of VM '{}' is", self.uuid);
        let ask = self.on_guest(&operation, |domain| job::job_stats(domain, Job::Present));
        let stats = self.control.call(&operation, ask)?.flatten();
        Ok(stats.filter(|stats| stats.is_dump).map(|stats| LiveStats {
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
        if has_returned(&self.returned) {
            return Ok(());
        }
        match self.begin_abort()?.recv_timeout(ABORT_PATIENCE) {
            Ok(answer) => answer.map(drop),
            // The answer is still to come, or the thread has ended without one because the process ends.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }
}
