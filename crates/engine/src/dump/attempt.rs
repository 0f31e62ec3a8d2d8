//! What every way of taking a guest's memory works with, and what it comes to.

use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_hypervisor::{Cut, DumpStream, Valve};
use memdeck_image::{CaptureFacts, OrderedImage, PartialImage, ReceivedImage as _};
use memdeck_model::{CaptureMode, EndReason, Guest, GuestState, Message, Millis};

use super::difference;
use crate::aftercare::Aftercare;
use crate::board::{Board, Controls, StopReason};
use crate::context::Context;
use crate::error::DumpError;

/// One dump under way.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub context: &'a Context,
    pub board: &'a Board,
    pub aftercare: &'a Aftercare,
    pub job: &'a Job,
    pub controls: &'a Controls,
}

/// A guest's memory, stored and not sealed yet.
pub struct StoredMemory {
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
    /// The same dump with its job as it is now.
    pub fn with<'b>(&'b self, job: &'b Job) -> Attempt<'b> {
        Attempt { job, ..*self }
    }

    /// Records and publishes how the guest is read.
    pub fn decide(&self, mode: CaptureMode, fallback: Option<&Message>) -> Result<Job, CatalogError> {
        let job = self.context.catalog.decide(&self.job.dump_id, mode, fallback)?;
        self.board.begin_mode(&job);
        Ok(job)
    }

    /// Why the dump was stopped, as its end; `None` if it was not.
    pub fn stop_error(&self) -> Option<DumpError> {
        let reason = match self.controls.switch.reason()? {
            StopReason::TimeLimit => {
                EndReason::TimeLimit { limit_ms: Millis::from(self.context.settings.time_limit) }
            }
            StopReason::Cancelled { by } => EndReason::Cancelled { by, before_start: false },
            StopReason::Shutdown => EndReason::Shutdown,
        };
        Some(reason.into())
    }

    /// Notes that the time is up, where it is; whether the dump shall stop, for this or another reason.
    pub fn must_stop(&self) -> bool {
        if self.context.clock.monotonic() >= self.controls.deadline {
            self.controls.switch.stop(StopReason::TimeLimit);
        }
        self.controls.switch.is_stopped()
    }

    /// Ends the stream of the guest's memory when the dump is stopped, and when the guest has stood still for
    /// too long, which does not matter to one that was stopped before.
    pub fn guard(&self, stream: &DumpStream, guest: &Guest) -> Valve {
        let valve = stream.valve();
        if runs(guest) {
            let pause = self.context.settings.frozen_pause_limit;
            valve.limit(pause, NO_PROGRESS_LIMIT.min(pause));
        }
        self.controls.switch.attach(valve.clone());
        valve
    }

    /// Why the stream ended although nobody stopped the dump.
    pub fn cut_error(&self, valve: &Valve) -> Option<DumpError> {
        let pause = self.context.settings.frozen_pause_limit;
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
    pub fn store(&self, received: OrderedImage, image: &mut PartialImage) -> Result<(), DumpError> {
        let must_stop = || self.must_stop();
        let mut is_published = false;
        let base = difference::base_for(self, received.core());
        let captured = image.capture_against(received, base, &must_stop, &mut |bytes| {
            self.controls.gauge.stored(bytes);
            if !std::mem::replace(&mut is_published, true) {
                self.board.publish_progress(self.job);
            }
        });
        captured.map(drop).map_err(|error| self.stop_error().unwrap_or_else(|| error.into()))
    }
}
