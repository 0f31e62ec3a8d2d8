//! What every way of taking a guest's memory works with, and what it comes to.

use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_image::{CaptureFacts, Captured, OrderedImage, PartialImage};
use memdeck_model::{CaptureMode, DumpPhase, EndReason, Millis};

use crate::dump::DumpError;
use crate::engine::{Reached, Shared};
use crate::stream::{StopReason, StopSwitch};

/// One dump under way.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub shared: &'a Shared,
    pub job: &'a Job,
    pub switch: &'a StopSwitch,
    /// On the monotonic scale of the clock.
    pub deadline: Duration,
}

/// A guest's memory, stored and not sealed yet.
pub struct Taken {
    pub captured: Captured,
    pub mode: CaptureMode,
    pub pause: Option<Millis>,
    pub facts: CaptureFacts,
}

impl Attempt<'_> {
    /// Why the dump was told to stop, as its end; `None` where it was not.
    pub fn stopped(&self) -> Option<DumpError> {
        let reason = match self.switch.reason()? {
            StopReason::TimeLimit => {
                EndReason::TimeLimit { limit_ms: Millis::from(self.shared.settings.time_limit) }
            }
            StopReason::Cancelled { by } => EndReason::Cancelled { by, before_start: false },
            StopReason::Shutdown => EndReason::Shutdown,
        };
        Some(reason.into())
    }

    /// Notes that the time is up, where it is; whether the dump shall stop, for this or another reason.
    pub fn must_stop(&self) -> bool {
        if self.shared.clock.monotonic() >= self.deadline {
            self.switch.stop(StopReason::TimeLimit);
        }
        self.switch.reason().is_some()
    }

    /// Stores what was received of the guest, which runs.
    pub fn store(&self, received: OrderedImage, image: &mut PartialImage) -> Result<Captured, DumpError> {
        let must_stop = || self.must_stop();
        let captured = image.capture(received, &must_stop, &mut |bytes| {
            self.shared.report(self.job, Reached { phase: DumpPhase::Storing, bytes, ..Reached::default() });
        });
        captured.map_err(|error| self.stopped().unwrap_or_else(|| error.into()))
    }
}
