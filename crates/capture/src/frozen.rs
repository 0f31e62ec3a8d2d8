//! Reads a guest that stands still: one ELF core, written by QEMU while the guest is stopped.

use memdeck_hypervisor::FrozenDump;
use memdeck_image::{CaptureFacts, PartialImage};
use memdeck_model::{ByteCount, CaptureMode, Guest, Millis};

use crate::attempt::{Attempt, Taken, progress_hold_point};
use crate::dump::DumpError;
use crate::stream::StoppableReader;

/// Takes the memory. When this returns, libvirt's call has returned.
pub fn take(attempt: &Attempt<'_>, guest: &Guest, image: &mut PartialImage) -> Result<Taken, DumpError> {
    let Attempt { shared, job, switch, deadline } = *attempt;
    let FrozenDump { stream, call } = shared.hypervisor.begin_frozen_dump(&guest.uuid)?;
    let point_in_time = shared.clock.now();
    let reader = StoppableReader::new(stream, switch.clone(), shared.clock.as_ref(), deadline);
    let captured = image.capture(reader, &mut |mut progress| {
        if progress.bytes_expected == ByteCount(0) {
            progress.bytes_expected = guest.memory_max;
        }
        shared.report_progress(job, progress, None);
        progress_hold_point(progress);
    });
    // The read end is closed by now: a dump that was given up has failed in QEMU, and the guest resumes.
    let outcome = call.finish();
    match (captured, outcome) {
        // Told to stop after the last byte: the image is whole, and evidence is not thrown away.
        (Ok(captured), Ok(outcome)) => Ok(Taken {
            captured,
            mode: CaptureMode::Frozen,
            pause: outcome.pause.map(Millis::from),
            facts: CaptureFacts { point_in_time: Some(point_in_time), ..CaptureFacts::default() },
        }),
        (captured, outcome) => Err(attempt.stopped().unwrap_or_else(|| match outcome {
            // A stream that broke off is the consequence of a failed call: the call knows the cause.
            Err(error) => error.into(),
            Ok(_) => captured.map_or_else(DumpError::from, |_| DumpError::Shutdown),
        })),
    }
}
