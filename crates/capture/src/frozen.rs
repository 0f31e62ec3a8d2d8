//! Reads a guest that stands still: one ELF core, written by QEMU while the guest is stopped.
//!
//! ```text
//! this thread: pipe ──► intake ─ end, pipe closed ─► libvirt's call returns, the guest runs ─► waits
//! store:                  └────► outlet ──► check, hash, compress, write ─────────────────────► image
//! ```
//!
//! The guest waits for the first line alone. Where the second is slower its backlog goes to a file, and what is left of
//! it is stored while the guest runs again.

use memdeck_hypervisor::{FrozenDump, HypervisorError};
use memdeck_image::{CaptureError, CaptureFacts, Captured, Outlet, PartialImage, read_ahead};
use memdeck_model::{ByteCount, CaptureMode, DumpPhase, Guest, Millis};

use crate::attempt::{Attempt, Taken};
use crate::dump::DumpError;
use crate::hold::HeldAtHalf;
use crate::keeper::Touched;
use crate::stream::PipeReader;

/// How much the threads that store the image step back behind the one that reads the guest, where cores are few.
const STORE_NICENESS: i32 = 10;

/// Takes the memory. When this returns, libvirt's call has returned; the guest is let go as soon as it has.
pub fn take(
    attempt: &Attempt<'_>,
    guest: &Guest,
    touched: Touched<'_>,
    image: &mut PartialImage,
) -> Result<Taken, DumpError> {
    let shared = attempt.shared;
    image.prepare();
    let (intake, outlet) = read_ahead(&shared.store)?;
    let abandonment = intake.abandonment();
    let (captured, outcome, point_in_time) = std::thread::scope(|scope| {
        let store = std::thread::Builder::new()
            .name("dump store".to_owned())
            .spawn_scoped(scope, || store(attempt, guest, outlet, image))
            .map_err(CaptureError::Threads)?;
        let FrozenDump { stream, call } = shared.hypervisor.begin_frozen_dump(&guest.uuid)?;
        let point_in_time = shared.clock.now();
        let signs = call.signs();
        // A call that has failed leaves QEMU writing where libvirtd died: the guest runs the sooner the pipe closes.
        let give_up = || attempt.must_stop() || signs.has_failed() || abandonment.is_abandoned();
        let pipe = PipeReader::new(stream, give_up);
        let report = intake.take_in(HeldAtHalf::new(pipe, guest.memory_max, give_up));
        // The read end is closed by now: a dump that was given up has failed in QEMU, and the guest resumes.
        let outcome = call.finish();
        touched.let_go();
        shared.report_phase(attempt.job, DumpPhase::Storing);
        tracing::debug!(dump_id = %attempt.job.dump_id, ?report, "the guest was read");
        let captured = store.join().unwrap_or(Err(CaptureError::Panicked));
        Ok::<_, DumpError>((captured, outcome, point_in_time))
    })?;
    match (captured, outcome) {
        (Ok(captured), Ok(outcome)) => Ok(Taken {
            captured,
            mode: CaptureMode::Frozen,
            pause: outcome.pause.map(Millis::from),
            facts: CaptureFacts {
                point_in_time: Some(outcome.stopped_at.unwrap_or(point_in_time)),
                pause_source: outcome.pause_source,
                ..CaptureFacts::default()
            },
        }),
        (captured, outcome) => Err(why(attempt, captured.err(), outcome.err())),
    }
}

/// Stores what was read, on a thread of its own.
fn store(
    attempt: &Attempt<'_>,
    guest: &Guest,
    outlet: Outlet,
    image: &mut PartialImage,
) -> Result<Captured, CaptureError> {
    // The threads that this one starts begin with its priority. They keep it to their end, which only means that a
    // guest that runs again goes before them.
    if let Err(error) = rustix::process::setpriority_process(None, STORE_NICENESS) {
        tracing::debug!(%error, "what is read from a guest is stored with the priority of its reader");
    }
    image.capture_read_ahead(outlet, &|| attempt.must_stop(), &mut |mut bytes| {
        if bytes.bytes_expected == ByteCount(0) {
            bytes.bytes_expected = guest.memory_max;
        }
        attempt.shared.report_bytes(attempt.job, bytes);
    })
}

fn why(attempt: &Attempt<'_>, captured: Option<CaptureError>, outcome: Option<HypervisorError>) -> DumpError {
    if let Some(stopped) = attempt.stopped() {
        return stopped;
    }
    match (captured, outcome) {
        // A stream that broke off is the consequence of a failed call: the call knows the cause.
        (_, Some(error @ HypervisorError::GuestEnded { .. }))
        | (
            None
            | Some(
                CaptureError::Stream { .. }
                | CaptureError::TooShort { .. }
                | CaptureError::HeadersIncomplete { .. },
            ),
            Some(error),
        ) => error.into(),
        // Where the image was given up for what it is, or cannot be written, the call failed because the pipe was closed.
        (Some(error), _) => error.into(),
        (None, None) => DumpError::Shutdown,
    }
}
