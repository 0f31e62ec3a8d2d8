//! The beginning of a dump: libvirt is given a pipe of ours to write a guest's memory into.
//!
//! ```text
//! start ──► libvirt connects, opens the path ──► first bytes ──► the caller reads ──► finish
//!   │                               │ the call returns without a byte: an error
//!   └── nothing in time: an error; the dump is given up as soon as libvirt has opened the path
//! ```
//!
//! Each dump has its own thread and its own connection, because libvirt serves only a few calls per connection at a
//! time and this one takes as long as the dump.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use memdeck_model::Guest;

use super::call::{Call, EVENT_DELAY, Outcome};
use super::control::Control;
use super::failure::Failure;
use super::live::RunningLive;
use super::target::Target;
use crate::stream::{Arrival, Ending, Pump};
use crate::{Cause, DumpCall, DumpSigns, DumpStream, HypervisorError, LiveOptions};

/// How long libvirt itself waits for another job of the guest to end before it refuses the dump with a reason.
const LIBVIRT_JOB_WAIT: Duration = Duration::from_secs(30);

/// Whether the guest is stopped for the whole dump or only for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Frozen,
    Live(LiveOptions),
}

/// A guest to dump.
pub(super) struct Dump {
    pub(super) control: Arc<Control>,
    pub(super) guest: Guest,
    pub(super) way: Way,
}

/// A dump whose first bytes have arrived.
pub(super) struct Begun {
    pub(super) stream: DumpStream,
    pub(super) call: RunningCall,
}

/// A dump that did not begin.
pub(super) struct NotBegun {
    /// libvirt could not open the path, so another kind of target may work.
    pub(super) path_refused: bool,
    pub(super) error: HypervisorError,
}

impl Dump {
    /// Lets libvirt dump into `target` and waits for the first bytes.
    pub(super) fn start(&self, target: Target) -> Result<Begun, NotBegun> {
        let signs = DumpSigns::default();
        let ending = match self.way {
            Way::Frozen => Ending::Close,
            Way::Live(_) => Ending::Drain,
        };
        let limit = self.control.timeout().saturating_add(LIBVIRT_JOB_WAIT);
        let pump = Pump::start(ending, signs.clone(), limit, target.opener())
            .map_err(|error| NotBegun { path_refused: false, error: self.failed(error) })?;
        self.run(target, pump, signs, limit)
            .map_err(|error| NotBegun { path_refused: is_about_a_file(&error), error })
    }

    fn run(
        &self,
        target: Target,
        pump: Pump,
        signs: DumpSigns,
        limit: Duration,
    ) -> Result<Begun, HypervisorError> {
        let Pump { stream, path, arrivals } = pump;
        let abandoned = Arc::new(AtomicBool::new(false));
        let call = self.spawn_call(path, signs, &abandoned)?;
        let error = match arrivals.recv() {
            Ok(Arrival::Bytes) => return Ok(Begun { stream, call }),
            Ok(Arrival::Returned) => {
                let nothing = "libvirt reported success but wrote nothing into the pipe";
                return Err(call.wait().err().unwrap_or_else(|| self.failed(nothing)));
            }
            Ok(Arrival::Nothing) => call.timed_out(limit),
            Err(error) => self.failed(error),
        };
        abandoned.store(true, Ordering::Release);
        self.abandon(call, stream, arrivals, target);
        Err(error)
    }

    fn spawn_call(
        &self,
        path: String,
        signs: DumpSigns,
        abandoned: &Arc<AtomicBool>,
    ) -> Result<RunningCall, HypervisorError> {
        let (send, outcome) = sync_channel(1);
        let call = Call {
            uri: self.control.uri().clone(),
            guest: self.guest.clone(),
            way: self.way,
            signs: signs.clone(),
        };
        let abandoned = Arc::clone(abandoned);
        let returning = signs.clone();
        std::thread::Builder::new()
            .name("libvirt-dump".into())
            .spawn(move || {
                let (outcome, unsettled) = call.run(&path, &abandoned);
                // The caller may have closed the stream and gone.
                let _ = send.send(outcome);
                returning.call_returned();
                if let Some(aftercare) = unsettled {
                    aftercare.persist();
                }
            })
            .map_err(|error| self.failed(error))?;
        Ok(RunningCall { control: Arc::clone(&self.control), guest: self.guest.clone(), signs, outcome })
    }

    /// Ends a dump that nobody waits for, whenever it begins. Closed earlier, a FIFO would block libvirtd when it opens
    /// it.
    fn abandon(&self, call: RunningCall, stream: DumpStream, arrivals: Receiver<Arrival>, target: Target) {
        let way = self.way;
        let watch = std::thread::Builder::new().name("libvirt-abandon".into()).spawn(move || {
            // The second one: the first was that there is nothing.
            let _ = arrivals.recv();
            let valve = stream.valve();
            drop(stream);
            if let Way::Live(_) = way {
                drop(RunningLive::new(call, valve));
            }
            drop(target);
        });
        if let Err(error) = watch {
            tracing::warn!(%error, "an abandoned dump has no thread");
        }
    }

    fn failed(&self, source: impl Into<Cause>) -> HypervisorError {
        HypervisorError::Dump { guest: self.guest.name.clone(), source: source.into() }
    }
}

/// Whether the system kept libvirt from a file: by its code, as libvirt opens no other file before the first byte has come.
fn is_about_a_file(error: &HypervisorError) -> bool {
    let HypervisorError::Dump { source, .. } = error else { return false };
    source.downcast_ref::<Failure>().is_some_and(Failure::is_of_the_system)
}

/// libvirt's call, seen from the reader's side.
pub(super) struct RunningCall {
    pub(super) control: Arc<Control>,
    pub(super) guest: Guest,
    pub(super) signs: DumpSigns,
    outcome: Receiver<Outcome>,
}

impl RunningCall {
    /// Waits until the call has returned, at most the time limit.
    pub(super) fn wait(&self) -> Outcome {
        let limit = self.control.timeout().saturating_add(EVENT_DELAY);
        match self.outcome.recv_timeout(limit) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out(limit)),
            Err(RecvTimeoutError::Disconnected) => Err(HypervisorError::Dump {
                guest: self.guest.name.clone(),
                source: "the call ended without an answer".into(),
            }),
        }
    }

    fn timed_out(&self, waited: Duration) -> HypervisorError {
        HypervisorError::Timeout {
            operation: format!("dump the memory of VM '{}'", self.guest.name),
            uri: self.control.uri().shown.clone(),
            seconds: waited.as_secs_f64(),
        }
    }
}

impl DumpCall for RunningCall {
    fn signs(&self) -> DumpSigns {
        self.signs.clone()
    }

    fn finish(self: Box<Self>) -> Outcome {
        self.wait()
    }
}
