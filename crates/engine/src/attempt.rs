//! What every way of taking a guest's memory works with, and what it comes to.

use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_hypervisor::{Cut, DumpStream, Valve};
use memdeck_image::{CaptureFacts, Captured, OrderedImage, PartialImage};
use memdeck_model::{CaptureMode, EndReason, Guest, GuestState, Millis};

use crate::dump::DumpError;
use crate::engine::{Lines, Shared};
use crate::stream::StopReason;

/// One dump under way.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub shared: &'a Shared,
    pub job: &'a Job,
    pub lines: &'a Lines,
}

/// A guest's memory, stored and not sealed yet.
pub struct Taken {
    pub captured: Captured,
    pub mode: CaptureMode,
    pub pause: Option<Millis>,
    pub facts: CaptureFacts,
}

/// A guest that stands still is let go when for so long none of its memory came or could be kept: what hangs now will
/// hardly be done within a longer limit either.
const NO_PROGRESS_LIMIT: Duration = Duration::from_secs(10);

/// Whether a pause of the guest costs anybody anything.
pub fn runs(guest: &Guest) -> bool {
    matches!(guest.state, GuestState::Running | GuestState::Blocked)
}

impl Attempt<'_> {
    /// Why the dump was told to stop, as its end; `None` where it was not.
    pub fn stopped(&self) -> Option<DumpError> {
        let reason = match self.lines.switch.reason()? {
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
        if self.shared.clock.monotonic() >= self.lines.deadline {
            self.lines.switch.stop(StopReason::TimeLimit);
        }
        self.lines.switch.is_stopped()
    }

    /// Lets the stream of the guest's memory end when the dump is told to stop, and when the guest has stood still for
    /// too long, which does not matter to one that was stopped before.
    pub fn guard(&self, stream: &DumpStream, guest: &Guest) -> Valve {
        let valve = stream.valve();
        if runs(guest) {
            let pause = self.shared.settings.frozen_pause_limit;
            valve.limit(pause, NO_PROGRESS_LIMIT.min(pause));
        }
        self.lines.switch.attach(valve.clone());
        valve
    }

    /// Why the stream was ended although nobody told the dump to stop.
    pub fn cut(&self, valve: &Valve) -> Option<DumpError> {
        let pause = self.shared.settings.frozen_pause_limit;
        let reason = match valve.cut()? {
            Cut::GivenUp => return None,
            Cut::PauseLimit => EndReason::PauseLimit { limit_ms: Millis::from(pause) },
            Cut::NoProgress => {
                EndReason::NoProgress { waited_ms: Millis::from(NO_PROGRESS_LIMIT.min(pause)) }
            }
        };
        Some(reason.into())
    }

    /// Stores what was received of the guest, which runs.
    pub fn store(&self, received: OrderedImage, image: &mut PartialImage) -> Result<Captured, DumpError> {
        let must_stop = || self.must_stop();
        let mut is_told = false;
        let captured = image.capture(received, &must_stop, &mut |bytes| {
            self.lines.gauge.stored(bytes);
            if !std::mem::replace(&mut is_told, true) {
                self.shared.publish_progress(self.job);
            }
        });
        captured.map_err(|error| self.stopped().unwrap_or_else(|| error.into()))
    }
}
