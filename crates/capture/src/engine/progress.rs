//! How far the running dumps are, and who is told when.

use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_model::{ByteCount, CaptureMode, DumpPhase, DumpStatus, Event, LiveProgress, Progress};

use super::Shared;
use crate::status;
use crate::stream::{StopReason, StopSwitch};

/// The shortest time between two progress events of one dump.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// How far a dump is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    pub phase: DumpPhase,
    /// Of this phase.
    pub bytes: Progress,
    /// While a live dump copies.
    pub live: Option<LiveProgress>,
    /// Other dumps may still need the room that this one needs; its guest was not touched yet.
    pub waits_for_room: bool,
}

impl Reached {
    /// Of the whole way, 0 to 99.9. A dump goes over the memory twice, out of the guest and into the image, so each is
    /// one half.
    pub fn percent(self) -> f64 {
        let before = match self.phase {
            DumpPhase::Copying => 0.0,
            DumpPhase::Storing => 50.0,
        };
        ((before + self.bytes.percent() / 2.0) * 10.0).floor() / 10.0
    }
}

/// A dump that runs now.
pub(super) struct Running {
    reached: Reached,
    told_at: Duration,
    switch: StopSwitch,
}

impl Running {
    /// A dump that began `now`.
    pub(super) fn new(switch: StopSwitch, now: Duration) -> Self {
        Self { reached: Reached::default(), told_at: now, switch }
    }

    pub(super) fn stop(&self, reason: StopReason) {
        self.switch.stop(reason);
    }
}

impl Shared {
    /// Notes what a dump that begins will read, and tells about it.
    pub(crate) fn expect(&self, job: &Job, bytes_expected: ByteCount) {
        let bytes = Progress { bytes_done: ByteCount(0), bytes_expected };
        self.change(job, |running| running.reached.bytes = bytes);
    }

    /// Notes and tells that a dump waits for the end of others.
    pub(crate) fn report_waiting(&self, job: &Job) {
        self.change(job, |running| running.reached.waits_for_room = true);
    }

    /// Notes and tells how a dump is taken.
    pub(crate) fn decide(
        &self,
        job: &Job,
        mode: CaptureMode,
        fallback: Option<&str>,
    ) -> Result<Job, CatalogError> {
        let job = self.catalog.decide(&job.dump_id, mode, fallback)?;
        self.change(&job, |running| {
            // Whatever an earlier mode had read counts no more.
            let bytes = Progress { bytes_done: ByteCount(0), ..running.reached.bytes };
            running.reached = Reached { bytes, ..Reached::default() };
        });
        Ok(job)
    }

    /// Notes how far a dump is, and tells about it now and then, and when it comes to its next phase.
    pub(crate) fn report(&self, job: &Job, reached: Reached) {
        self.note(job, |running| running.reached = reached);
    }

    pub(super) fn status_of(&self, job: &Job) -> DumpStatus {
        let state = self.state.lock();
        status::of(job, state.running.get(&job.dump_id).map(|running| running.reached))
    }

    /// Changes what is known of a dump, and tells it.
    fn change(&self, job: &Job, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.state.lock().running.get_mut(&job.dump_id) {
            change(running);
        }
        self.publish(Event::Dump(Box::new(self.status_of(job))));
    }

    /// Changes what is known of a dump, and tells it at most every [`PROGRESS_INTERVAL`] in one phase.
    fn note(&self, job: &Job, change: impl FnOnce(&mut Running)) {
        let now = self.clock.monotonic();
        let reached = {
            let mut state = self.state.lock();
            let Some(running) = state.running.get_mut(&job.dump_id) else { return };
            let phase = running.reached.phase;
            change(running);
            let is_recent = now.saturating_sub(running.told_at) < PROGRESS_INTERVAL;
            if is_recent && running.reached.phase == phase {
                return;
            }
            running.told_at = now;
            running.reached
        };
        self.publish(Event::Dump(Box::new(status::of(job, Some(reached)))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copying_and_storing_are_the_halves_of_a_dump() {
        let percent = |phase, done| {
            let bytes = Progress { bytes_done: ByteCount(done), bytes_expected: ByteCount(1000) };
            Reached { phase, bytes, ..Reached::default() }.percent().to_string()
        };
        let [copying, storing] = [DumpPhase::Copying, DumpPhase::Storing]
            .map(|phase| [0, 500, 1000].map(|done| percent(phase, done)));
        assert_eq!(
            (copying, storing),
            (["0", "25", "49.9"].map(Into::into), ["50", "75", "99.9"].map(Into::into))
        );
    }
}
