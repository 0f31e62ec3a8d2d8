//! A frozen dump: libvirt writes a guest's memory into a pipe of ours while the guest is stopped.
//!
//! ```text
//! start ──► libvirt connects, stops the guest, opens the path ──► first bytes ──► the caller reads ──► finish
//!   │                                      │ the call returns without a byte: an error
//!   └── nothing in time: an error; the stream is closed as soon as libvirt has opened it, so the dump ends
//! ```
//!
//! Each dump has its own thread and its own connection, because libvirt serves only a few calls per connection at a
//! time and this one takes as long as the dump.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use memdeck_model::{Guest, GuestName, GuestState};
use rustix::pipe::PipeFlags;
use virt::domain::Domain;
use virt_sys as sys;

use super::connection::Connection;
use super::failure::Failure;
use super::ffi;
use super::pause::PauseClock;
use super::target::{Arrival, Target, set_blocking, wait_for_bytes};
use super::uri::Uri;
use crate::{Cause, DumpCall, DumpOutcome, FrozenDump, HypervisorError};

/// How long libvirt itself waits for another job of the guest to end before it refuses the dump with a reason.
const LIBVIRT_JOB_WAIT: Duration = Duration::from_secs(30);

/// How long the event that the guest runs may come after the call has returned.
const EVENT_DELAY: Duration = Duration::from_secs(2);

/// A guest to dump.
pub(super) struct Dump {
    pub(super) uri: Uri,
    pub(super) guest: Guest,
    pub(super) timeout: Duration,
}

/// A dump that did not begin.
pub(super) struct NotBegun {
    /// libvirt could not open the path, so another kind of target may work.
    pub(super) path_refused: bool,
    pub(super) error: HypervisorError,
}

type Outcome = Result<DumpOutcome, HypervisorError>;

impl Dump {
    /// Lets libvirt dump into `target` and waits for the first bytes.
    pub(super) fn start(&self, target: Target) -> Result<FrozenDump, NotBegun> {
        let path = target.path.clone();
        self.run(target).map_err(|error| NotBegun { path_refused: is_about(&error, &path), error })
    }

    fn run(&self, target: Target) -> Result<FrozenDump, HypervisorError> {
        let Target { path, reader, opening } = target;
        let abandoned = Arc::new(AtomicBool::new(false));
        let (returned, outcome) = self.spawn_call(path, &abandoned)?;
        let call = RunningCall {
            guest: self.guest.name.clone(),
            uri: self.uri.shown.clone(),
            timeout: self.timeout,
            outcome,
        };
        let limit = self.timeout.saturating_add(LIBVIRT_JOB_WAIT);
        match wait_for_bytes(&reader, &returned, Some(limit)) {
            Ok(Arrival::Bytes) => {
                drop(opening);
                set_blocking(&reader).map_err(|error| self.failed(error))?;
                Ok(FrozenDump { stream: reader, call: Box::new(call) })
            }
            Ok(Arrival::Returned) => match Box::new(call).finish() {
                Ok(_) => {
                    Err(self.failed("libvirt calls it done, but wrote nothing into the pipe it was given"))
                }
                Err(error) => Err(error),
            },
            Ok(Arrival::Nothing) => {
                abandoned.store(true, Ordering::Release);
                close_when_opened(reader, returned, opening);
                Err(call.timed_out(limit))
            }
            Err(error) => {
                abandoned.store(true, Ordering::Release);
                close_when_opened(reader, returned, opening);
                Err(self.failed(error))
            }
        }
    }

    /// Starts the thread of the call. The descriptor's other end is closed when the outcome is there.
    fn spawn_call(
        &self,
        path: String,
        abandoned: &Arc<AtomicBool>,
    ) -> Result<(OwnedFd, Receiver<Outcome>), HypervisorError> {
        let (returned, returning) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| self.failed(error))?;
        let (send, outcome) = sync_channel(1);
        let dump = Self { uri: self.uri.clone(), guest: self.guest.clone(), timeout: self.timeout };
        let abandoned = Arc::clone(abandoned);
        std::thread::Builder::new()
            .name("libvirt-dump".into())
            .spawn(move || {
                // The caller may have closed the stream and gone.
                let _ = send.send(dump.call(&path, &abandoned));
                drop(returning);
            })
            .map_err(|error| self.failed(error))?;
        Ok((returned, outcome))
    }

    /// The call itself, on the thread of the dump.
    fn call(&self, path: &str, abandoned: &AtomicBool) -> Outcome {
        let connection = Connection::open(&self.uri.text)
            .map_err(|source| HypervisorError::Connect { uri: self.uri.shown.clone(), source })?;
        let domain =
            Domain::lookup_by_uuid_string(&connection, &self.guest.uuid).map_err(|e| self.refused(e))?;
        let clock = Arc::new(PauseClock::default());
        let watch = ffi::watch_lifecycle(&connection, &domain, &clock).inspect_err(
            |error| tracing::warn!(%error, vm = %self.guest.name, "the pause cannot be measured"),
        );
        if abandoned.load(Ordering::Acquire) {
            return Err(self.failed("nobody waits for it any more"));
        }
        // Never VIR_DUMP_BYPASS_CACHE: direct I/O and pipes exclude each other.
        domain
            .core_dump_with_format(path, sys::VIR_DOMAIN_CORE_DUMP_FORMAT_RAW, sys::VIR_DUMP_MEMORY_ONLY)
            .map_err(|error| self.refused(error))?;
        let pause = match (self.guest.state, watch) {
            (GuestState::Running | GuestState::Blocked, Ok(_watch)) => clock.wait(EVENT_DELAY),
            (GuestState::Running | GuestState::Blocked, Err(_)) => None,
            _ => Some(Duration::ZERO),
        };
        Ok(DumpOutcome { pause })
    }

    fn refused(&self, error: virt::error::Error) -> HypervisorError {
        self.failed(Failure::from(error))
    }

    fn failed(&self, source: impl Into<Cause>) -> HypervisorError {
        HypervisorError::Dump { guest: self.guest.name.clone(), source: source.into() }
    }
}

/// Whether libvirt names `path` in its reason. Asked only where not one byte has come through it.
fn is_about(error: &HypervisorError, path: &str) -> bool {
    matches!(error, HypervisorError::Dump { source, .. } if source.to_string().contains(path))
}

/// Ends a dump that nobody waits for, whenever it begins. Closed earlier, a FIFO would block libvirtd when it opens it.
fn close_when_opened(reader: OwnedFd, returned: OwnedFd, opening: super::target::Opening) {
    let watch = std::thread::Builder::new().name("libvirt-abandon".into()).spawn(move || {
        if let Err(error) = wait_for_bytes(&reader, &returned, None) {
            tracing::warn!(%error, "waiting for an abandoned dump");
        }
        drop(reader);
        drop(opening);
    });
    if let Err(error) = watch {
        tracing::warn!(%error, "an abandoned dump has no thread");
    }
}

/// libvirt's call, seen from the reader's side.
struct RunningCall {
    guest: GuestName,
    uri: String,
    timeout: Duration,
    outcome: Receiver<Outcome>,
}

impl RunningCall {
    fn timed_out(&self, waited: Duration) -> HypervisorError {
        HypervisorError::Timeout {
            operation: format!("dump the memory of VM '{}'", self.guest),
            uri: self.uri.clone(),
            seconds: waited.as_secs_f64(),
        }
    }
}

impl DumpCall for RunningCall {
    fn finish(self: Box<Self>) -> Outcome {
        match self.outcome.recv_timeout(self.timeout.saturating_add(EVENT_DELAY)) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(self.timed_out(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(HypervisorError::Dump {
                guest: self.guest,
                source: "the call ended without an answer".into(),
            }),
        }
    }
}
