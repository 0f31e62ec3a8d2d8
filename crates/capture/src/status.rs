//! From a job in the catalog to the status callers see.

use memdeck_catalog::Job;
use memdeck_model::{CaptureMode, DumpStatus, JobState, Progress};

/// The status of `job`; `progress` is known while it runs.
pub fn of(job: &Job, progress: Option<Progress>) -> DumpStatus {
    let percent = match job.state {
        JobState::Completed => 100.0,
        JobState::Running => progress.unwrap_or_default().percent(),
        JobState::Queued | JobState::Failed | JobState::Cancelled => 0.0,
    };
    let message = match job.state {
        JobState::Queued => "Waiting for its turn".to_owned(),
        JobState::Running => format!("Dump in progress ({percent:.1}%)"),
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
        guest: job.guest.as_ref().map(|guest| guest.name.clone()),
        queued_at: Some(job.queued_at),
        bytes: progress,
        pause_ms: record.as_ref().and_then(|record| record.pause_ms),
        record: record.map(Box::new),
    }
}

/// Seconds, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "a dump lasts hours at most: exact in 53 bits")]
pub fn seconds(duration: memdeck_model::Millis) -> f64 {
    duration.0 as f64 / 1000.0
}

/// The mode of every dump this engine takes.
pub const MODE: CaptureMode = CaptureMode::Frozen;
