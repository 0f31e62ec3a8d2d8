//! Reads a guest that stands still: one ELF core, written by QEMU while the guest is stopped.
//!
//! ```text
//! pipe ──► spool ─ end, pipe closed ─► libvirt's call returns, the guest runs ─► hash, compress, write ──► image
//! ```

use memdeck_hypervisor::{FrozenDump, HypervisorError, Valve};
use memdeck_image::{CaptureError, CaptureFacts, FrozenCapture, PartialImage, SpoolError};
use memdeck_model::{CaptureMode, EndReason, Guest, Millis};

use super::attempt::{Attempt, StoredMemory};
use super::failpoints::HeldAtHalf;
use crate::aftercare::TouchedGuest;
use crate::error::DumpError;

/// Takes the memory. When this returns, libvirt's call has returned; the guest is let go as soon as it has.
pub fn capture(
    attempt: &Attempt<'_>,
    guest: &Guest,
    touched: TouchedGuest<'_>,
    image: &mut PartialImage,
) -> Result<StoredMemory, DumpError> {
    let context = attempt.context;
    let capture = FrozenCapture::prepare(&context.store).map_err(CaptureError::Spool)?;
    let FrozenDump { stream, call } = context.hypervisor.begin_frozen_dump(&guest.uuid)?;
    let point_in_time = context.clock.now();
    let signs = call.signs();
    let valve = attempt.guard(&stream, guest);
    let give_up = || attempt.must_stop() || signs.has_failed() || valve.cut().is_some();
    let pipe = HeldAtHalf::new(stream, guest.memory_max, give_up);
    let received = capture.receive(pipe, &give_up, &mut |bytes| {
        attempt.controls.gauge.copied(bytes);
    });
    // The read end is closed by now: a dump that was given up has failed in QEMU, and the guest resumes.
    let outcome = call.finish();
    touched.let_go();
    let (received, outcome) = match (received, outcome) {
        (Ok(received), Ok(outcome)) => (received, outcome),
        (received, outcome) => return Err(failure(attempt, &valve, received.err(), outcome.err())),
    };
    attempt.store(received, image)?;
    Ok(StoredMemory {
        mode: CaptureMode::Frozen,
        pause: outcome.pause.map(Millis::from),
        facts: CaptureFacts {
            point_in_time: Some(outcome.stopped_at.unwrap_or(point_in_time)),
            pause_source: outcome.pause_source,
            ..CaptureFacts::default()
        },
    })
}

fn failure(
    attempt: &Attempt<'_>,
    valve: &Valve,
    received: Option<CaptureError>,
    outcome: Option<HypervisorError>,
) -> DumpError {
    if let Some(stopped) = attempt.stop_error().or_else(|| attempt.cut_error(valve)) {
        return stopped;
    }
    match (received, outcome) {
        // A stream that broke off, or whose rest was no longer waited for, is the consequence of a failed call: the
        // call knows the cause.
        (_, Some(error @ HypervisorError::GuestEnded { .. }))
        | (
            None
            | Some(
                CaptureError::Stream { .. }
                | CaptureError::TooShort { .. }
                | CaptureError::HeadersIncomplete { .. }
                | CaptureError::Spool(SpoolError::Stopped),
            ),
            Some(error),
        ) => error.into(),
        // Where the image was given up for what it is, or cannot be written, the call failed because the pipe was closed.
        (Some(error), _) => error.into(),
        (None, None) => EndReason::Shutdown.into(),
    }
}
