//! From a job in the catalog to the status callers see.

use std::time::Duration;

use memdeck_catalog::Job;
use memdeck_model::{DumpStatus, JobState, Message, Millis};

use crate::engine::{Reached, Wait};

/// The status of `job`; how far it is is known while it runs.
pub fn of(job: &Job, reached: Option<Reached>) -> DumpStatus {
    // A dump that has just ended may still be on the list of running ones.
    let reached = reached.filter(|_| job.state == JobState::Running);
    let percent = match job.state {
        JobState::Completed => 100.0,
        JobState::Running => reached.map_or(0.0, Reached::percent),
        JobState::Queued | JobState::Failed | JobState::Cancelled => 0.0,
    };
    let message = match job.state {
        JobState::Queued => "Waiting for its turn".into(),
        JobState::Running => match reached.and_then(|reached| reached.waits_for) {
            Some(Wait::Room) => {
                "Waiting until other dumps have ended: the volume may have no room for all of them".into()
            }
            Some(Wait::ForeignJob) => {
                "Waiting until another program's job of this guest has ended (virsh domjobinfo)".into()
            }
            None => Message::new(format_args!("Dump in progress ({percent:.1}%)")),
        },
        JobState::Completed | JobState::Failed | JobState::Cancelled => job.message.clone(),
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
        job_state: Some(job.state),
        end_reason: job.end_reason.clone(),
        guest: job.guest.as_ref().map(|guest| guest.name.clone()),
        guest_uuid: job.guest.as_ref().map(|guest| guest.uuid.clone()),
        queued_at: Some(job.queued_at),
        bytes: reached.map(|reached| reached.bytes),
        phase: reached.map(|reached| reached.phase),
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
    use super::*;

    #[test]
    fn seconds_have_three_digits_at_most() {
        for (millis, expected) in [(0, "0"), (7, "0.007"), (1902, "1.902"), (3_600_001, "3600.001")] {
            assert_eq!(seconds(Millis(millis)).to_string(), expected);
        }
    }
}
