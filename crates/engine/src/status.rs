//! From a job in the catalog to the status callers see.

use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_model::{DumpPhase, DumpStatus, JobState, LiveProgress, Message, Millis, Progress, WaitsFor};

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

/// The status of `job`; how far it is is known while it runs.
pub fn of(job: &Job, reached: Option<Reached>) -> DumpStatus {
    // A dump that has just ended may still be on the list of running ones.
    let reached = reached.filter(|_| job.state == JobState::Running);
    let percent = match job.state {
        JobState::Completed => 100.0,
        JobState::Running => reached.map_or(0.0, Reached::percent),
        JobState::Queued | JobState::Failed | JobState::Cancelled => 0.0,
    };
    let waits_for = match job.state {
        JobState::Queued => Some(WaitsFor::Turn),
        JobState::Running => reached.and_then(|reached| reached.waits_for),
        JobState::Completed | JobState::Failed | JobState::Cancelled => None,
    };
    let message = match (job.state, waits_for) {
        (_, Some(waits_for)) => Message::new(waits_for),
        (JobState::Running, None) => Message::new(format_args!("Dump in progress ({percent:.1}%)")),
        _ => job.message.clone(),
    };
    let record = job.record.clone();
    let duration = job.started_at.zip(job.finished_at).map(|(start, end)| end.since(start));
    DumpStatus {
        dump_id: job.dump_id.clone(),
        vm: job.vm.to_string(),
        state: job.state.into(),
        progress: percent,
        message,
        started_at: job.started_at,
        finished_at: job.finished_at,
        dump_path: record.as_ref().and_then(|record| record.dump_path.clone()),
        duration_sec: duration.map(seconds),
        host: None,
        job_state: Some(job.state),
        end_reason: job.end_reason.clone(),
        guest: job.guest.as_ref().map(|guest| guest.name.clone()),
        guest_uuid: job.guest.as_ref().map(|guest| guest.uuid.clone()),
        queued_at: Some(job.queued_at),
        bytes: reached.map(|reached| reached.bytes),
        phase: reached.map(|reached| reached.phase),
        waits_for,
        pause_ms: record.as_ref().and_then(|record| record.pause_ms),
        mode: job.mode,
        fallback: job.fallback.clone(),
        live: reached.and_then(|reached| reached.live),
        record: record.map(Box::new),
    }
}

/// Seconds, to the millisecond.
pub fn seconds(duration: Millis) -> f64 {
    // One division of whole numbers: 1902 ms is 1.902, and not what a sum of seconds and their fraction makes of it.
    Duration::from_millis(duration.0).div_duration_f64(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use memdeck_model::ByteCount;

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

    #[test]
    fn seconds_have_three_digits_at_most() {
        for (millis, expected) in [(0, "0"), (7, "0.007"), (1902, "1.902"), (3_600_001, "3600.001")] {
            assert_eq!(seconds(Millis(millis)).to_string(), expected);
        }
    }
}
