//! The running dumps: how far they are, who is told when, and what ends them in time.
//!
//! ```text
//! thread that reads ──stores──► Gauge ◄──samples── publisher ──► events
//!                   StopSwitch ◄──time limit── watchdog ──► guardian: we are alive
//! ```
//!
//! The lock of the state is never held while anything waits: not for the catalog, not for libvirt, not for a volume.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, Job};
use memdeck_model::{ByteCount, CaptureMode, DumpPhase, DumpStatus, Event, LiveProgress, Progress, WaitsFor};

use super::Shared;
use super::gauge::Gauge;
use crate::status;
use crate::stream::{StopReason, StopSwitch};

/// The shortest time between two progress events of one dump, by the engine's clock.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// How often the publisher looks at the running dumps.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// How often running dumps are compared with the clock, and the guardian is told that this process is alive.
const WATCHDOG_INTERVAL: Duration = Duration::from_millis(100);

/// How far a dump is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    pub phase: DumpPhase,
    /// Of this phase.
    pub bytes: Progress,
    /// While a live dump copies.
    pub live: Option<LiveProgress>,
    pub waits_for: Option<WaitsFor>,
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

/// What the thread of a dump and the rest of the engine have in common.
#[derive(Clone, Debug)]
pub struct Lines {
    pub switch: StopSwitch,
    pub gauge: Arc<Gauge>,
    /// When the dump is cancelled, on the monotonic scale of the clock.
    pub deadline: Duration,
}

/// A dump that runs now.
pub(super) struct Running {
    job: Job,
    lines: Lines,
    told: Option<Reached>,
    told_at: Duration,
}

impl Running {
    pub(super) fn new(job: Job, lines: Lines) -> Self {
        Self { job, lines, told: None, told_at: Duration::ZERO }
    }

    pub(super) fn stop(&self, reason: StopReason) {
        self.lines.switch.stop(reason);
    }
}

impl Shared {
    /// Records what a dump that begins will read, and publishes it.
    pub(crate) fn expect(&self, job: &Job, bytes_expected: ByteCount) {
        self.change(job, |gauge| gauge.expect(bytes_expected));
    }

    /// Records and publishes what a dump waits for, or that it does not wait any more.
    pub(crate) fn report_waiting(&self, job: &Job, waits_for: Option<WaitsFor>) {
        self.change(job, |gauge| gauge.wait_for(waits_for));
    }

    /// Records and publishes how a dump is taken.
    pub(crate) fn decide(
        &self,
        job: &Job,
        mode: CaptureMode,
        fallback: Option<&str>,
    ) -> Result<Job, CatalogError> {
        let job = self.catalog.decide(&job.dump_id, mode, fallback)?;
        self.change(&job, Gauge::begin_mode);
        Ok(job)
    }

    /// Publishes how far a dump is, out of turn: its phase has changed.
    pub(crate) fn publish_progress(&self, job: &Job) {
        self.change(job, |_| ());
    }

    pub(super) fn status_of(&self, job: &Job) -> DumpStatus {
        let state = self.state.lock();
        let reached = state.running.get(&job.dump_id).map(|running| running.lines.gauge.read());
        let ended = state.unrecorded.iter().find(|end| end.dump_id == job.dump_id).cloned();
        drop(state);
        match ended {
            Some(end) => status::of(&end.apply(job), None),
            None => status::of(job, reached),
        }
    }

    /// Changes what is known of a dump, and publishes it.
    fn change(&self, job: &Job, change: impl FnOnce(&Gauge)) {
        let now = self.clock.monotonic();
        let reached = self.state.lock().running.get_mut(&job.dump_id).map(|running| {
            change(&running.lines.gauge);
            let reached = running.lines.gauge.read();
            running.job = job.clone();
            running.told = Some(reached);
            running.told_at = now;
            reached
        });
        self.publish(Event::Dump(Box::new(status::of(job, reached))));
    }

    /// What has moved on since it was published last.
    fn moved_on(&self) -> Vec<DumpStatus> {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        let moved = state.running.values_mut().filter_map(|running| {
            if now.saturating_sub(running.told_at) < PROGRESS_INTERVAL {
                return None;
            }
            running.told_at = now;
            let reached = running.lines.gauge.read();
            (running.told.replace(reached) != Some(reached)).then(|| status::of(&running.job, Some(reached)))
        });
        moved.collect()
    }

    /// Waits so long, and as long as no dump runs; false once the engine has closed and none runs any more.
    fn wait_while_dumps_run(&self, interval: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.running.is_empty() && !state.closing);
        self.changed.wait_while_for(&mut state, |state| !state.running.is_empty(), interval);
        !(state.closing && state.running.is_empty())
    }
}

/// The publisher's thread: tells how far running dumps are.
pub(super) fn publish(shared: &Arc<Shared>) {
    while shared.wait_while_dumps_run(PUBLISH_INTERVAL) {
        for status in shared.moved_on() {
            shared.publish(Event::Dump(Box::new(status)));
        }
    }
}

/// The watchdog's thread: stops dumps whose time is over, whatever their own threads wait for, and tells the guardian
/// that this process is alive. It does no I/O that can wait.
pub(super) fn watch(shared: &Arc<Shared>) {
    while shared.wait_while_dumps_run(WATCHDOG_INTERVAL) {
        let now = shared.clock.monotonic();
        for running in shared.state.lock().running.values().filter(|running| running.lines.deadline <= now) {
            running.stop(StopReason::TimeLimit);
        }
        shared.guardian.beat();
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
