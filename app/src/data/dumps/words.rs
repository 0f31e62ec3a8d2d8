//! How far a dump is and how it ended, in words.

use memdeck_model::{
    ByteCount, CaptureMode, DumpPhase, DumpStatus, EndReason, JobState, LiveProgress, Message, Millis,
    Timestamp, decimal,
};

use super::jobs::Job;
use crate::ui::ToastKind;
use crate::words::{by_whom_and_when, placed, upper_first};

/// What is known of a dump under way, at `now`.
pub fn figures_of(job: &Job, now: Timestamp) -> String {
    let status = &job.status;
    if status.exact_state() == JobState::Queued {
        return match status.queued_at {
            Some(since) => format!("Queued for {}", whole_seconds(now.since(since))),
            None => "Queued".to_owned(),
        };
    }
    // Nothing is read now, and no guest stands still for it, whatever was read before.
    if status.waits_for.is_some() {
        return status.message.to_string();
    }
    let mut parts = Vec::new();
    let done = status.bytes.map(|bytes| format!("{} of {}", bytes.bytes_done, bytes.bytes_expected));
    let rate = job.rate.bytes_per_second().map(|rate| format!("{}/s", in_mib(rate)));
    match (status.mode, status.phase) {
        (Some(CaptureMode::Live), Some(DumpPhase::Copying)) => {
            parts.extend(done.map(|done| format!("Copying {done}")));
            // The first pass is what is being counted.
            parts.extend(status.live.filter(|live| live.iteration > 1).into_iter().flat_map(copying));
        }
        // What another version of the service counts of a live dump is not known.
        (Some(CaptureMode::Live), None) => parts.extend(status.live.into_iter().flat_map(copying)),
        (Some(_), Some(DumpPhase::Storing)) => {
            parts.extend(done.map(|done| format!("Storing {done}")));
            parts.extend(rate);
        }
        _ => {
            parts.extend(done);
            parts.extend(rate);
            parts.extend(time_left(job).map(|left| match left.0 {
                0..1_000 => "less than 1 s left".to_owned(),
                _ => format!("about {} left", whole_seconds(left)),
            }));
        }
    }
    let taken = status.started_at.map(|started| whole_seconds(now.since(started)));
    match (status.mode, status.pause_ms) {
        (_, Some(pause)) => parts.push(format!("guest was stopped for {pause}")),
        // It is stopped as long as it is being read.
        (Some(CaptureMode::Frozen), None) => {
            parts.extend(taken.map(|taken| format!("guest stopped, {taken} so far")));
        }
        (Some(CaptureMode::Live) | None, None) => parts.extend(taken),
    }
    if parts.is_empty() { status.message.to_string() } else { parts.join(" · ") }
}

/// How long the rest takes at the present rate; `None` while that is not known or nothing moves.
fn time_left(job: &Job) -> Option<Millis> {
    let bytes = job.status.bytes?;
    let rate = job.rate.bytes_per_second()?;
    let left = u128::from(bytes.bytes_expected.0.saturating_sub(bytes.bytes_done.0));
    let millis = (left * 1000).checked_div(u128::from(rate.0))?;
    (left > 0).then(|| Millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// How a live dump copies.
fn copying(live: LiveProgress) -> impl Iterator<Item = String> {
    // How fast the guest changes its memory is known only after the first pass.
    let rate = live.dirty_bytes_per_s;
    [
        (live.iteration > 0).then(|| format!("pass {}", live.iteration)),
        (rate.0 > 0).then(|| format!("guest changes {rate}/s")),
    ]
    .into_iter()
    .flatten()
}

/// How a dump ended.
pub fn result_of(status: &DumpStatus) -> String {
    match status.exact_state() {
        JobState::Completed => stored(status),
        JobState::Cancelled => match &status.end_reason {
            Some(EndReason::Cancelled { by, before_start }) => {
                format!("Cancelled {}.", by_whom_and_when(by, *before_start))
            }
            _ => told(&status.message),
        },
        JobState::Failed | JobState::Queued | JobState::Running => told(&status.message),
    }
}

/// What to say of a dump that has ended; `was_asked`: after the operator of this page cancelled it.
pub fn outcome_of(status: &DumpStatus, was_asked: bool) -> (ToastKind, String) {
    let name = placed(status.host.as_ref(), status.display_name());
    let message = &status.message;
    match status.exact_state() {
        JobState::Failed => (ToastKind::Error, format!("The dump of {name} failed: {message}")),
        JobState::Cancelled if was_asked => {
            (ToastKind::Success, format!("The dump of {name} was cancelled."))
        }
        JobState::Cancelled => {
            (ToastKind::Warning, format!("The dump of {name} ended. {}", result_of(status)))
        }
        JobState::Completed | JobState::Queued | JobState::Running => {
            (ToastKind::Success, format!("{name} was dumped and hashed."))
        }
    }
}

fn told(message: &Message) -> String {
    let shown = message.to_string();
    if shown.is_empty() { "No reason was given.".to_owned() } else { upper_first(&shown) }
}

fn stored(status: &DumpStatus) -> String {
    let record = status.record.as_deref();
    let stored = record.and_then(|record| record.gzip_size_bytes);
    let mut parts = vec![stored.map_or("Stored".to_owned(), |bytes| format!("Stored {bytes}"))];
    let pause = status.pause_ms.or_else(|| record.and_then(|record| record.pause_ms));
    parts.extend(pause.map(|pause| format!("guest paused {pause}")));
    parts.extend(status.duration_sec.map(|seconds| format!("took {} s", decimal(seconds, 2))));
    parts.join(", ")
}

/// Always MiB, so that a rate keeps its width while it changes.
fn in_mib(bytes: ByteCount) -> String {
    format!("{} MiB", bytes.0 / (1024 * 1024))
}

fn whole_seconds(duration: Millis) -> String {
    match duration.0 / 1000 {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => Millis(seconds * 1000).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dumps::jobs::Jobs;
    use crate::data::dumps::tests::{at, job};

    #[test]
    fn a_running_dump_tells_what_is_known() {
        let known = job(serde_json::json!({
            "started_at": at(90),
            "bytes": {"bytes_done": 268_435_456, "bytes_expected": 536_870_912},
        }));
        assert_eq!(figures_of(&known, at(100)), "256 MiB of 512 MiB · 10 s");
        let foreign = job(serde_json::json!({"message": "Dump in progress (50.0%)"}));
        assert_eq!(figures_of(&foreign, at(100)), "Dump in progress (50.0%)");
    }

    #[test]
    fn a_frozen_dump_tells_its_rate_what_is_left_and_that_the_guest_is_stopped() {
        let status = |done: u64| {
            let fields = serde_json::json!({
                "mode": "frozen",
                "started_at": at(90),
                "bytes": {"bytes_done": done, "bytes_expected": 536_870_912},
            });
            job(fields).status
        };
        let mut jobs = Jobs::default();
        jobs.tell(status(134_217_728), at(99));
        let mut told = Vec::new();
        for (done, second) in [(268_435_456, 101), (268_435_456, 111)] {
            jobs.tell(status(done), at(second));
            told.push(figures_of(jobs.get(&"a".parse().unwrap()).unwrap(), at(second)));
        }
        assert_eq!(
            told,
            [
                "256 MiB of 512 MiB · 64 MiB/s · about 4 s left · guest stopped, 11 s so far",
                "256 MiB of 512 MiB · 0 MiB/s · guest stopped, 21 s so far",
            ]
        );
    }

    #[test]
    fn a_live_dump_tells_what_it_does_with_which_bytes() {
        let live = |phase, live| {
            let job = job(serde_json::json!({
                "mode": "live",
                "phase": phase,
                "started_at": at(90),
                "bytes": {"bytes_done": 134_217_728, "bytes_expected": 536_870_912},
                "live": live,
            }));
            figures_of(&job, at(100))
        };
        let pass = |iteration, rate| Some(LiveProgress { iteration, dirty_bytes_per_s: ByteCount(rate) });
        let copying = Some(DumpPhase::Copying);
        let told = [
            live(copying, pass(1, 0)),
            live(copying, pass(2, 8 << 20)),
            live(Some(DumpPhase::Storing), None),
            live(None, pass(1, 0)),
        ];
        assert_eq!(
            told,
            [
                "Copying 128 MiB of 512 MiB · 10 s",
                "Copying 128 MiB of 512 MiB · pass 2 · guest changes 8.00 MiB/s · 10 s",
                "Storing 128 MiB of 512 MiB · 10 s",
                "pass 1 · 10 s",
            ]
        );
    }

    #[test]
    fn a_waiting_dump_tells_for_how_long() {
        let waiting = job(serde_json::json!({"state": "queued", "queued_at": at(35)}));
        assert_eq!(figures_of(&waiting, at(100)), "Queued for 1 min 05 s");
    }

    #[test]
    fn a_running_dump_that_waits_says_what_for_and_not_that_its_guest_is_stopped() {
        let waiting = job(serde_json::json!({
            "mode": "frozen",
            "started_at": at(90),
            "bytes": {"bytes_done": 0, "bytes_expected": 536_870_912},
            "waits_for": "foreign_job",
            "message": "Waiting until another program's job has ended",
        }));
        assert_eq!(figures_of(&waiting, at(100)), "Waiting until another program's job has ended");
    }

    #[test]
    fn the_end_is_told_with_what_is_known_of_it() {
        let completed =
            job(serde_json::json!({"state": "completed", "pause_ms": 620, "duration_sec": 1.234}));
        assert_eq!(result_of(&completed.status), "Stored, guest paused 620 ms, took 1.23 s");
        let failed = job(serde_json::json!({"state": "failed", "message": "There is no VM 'x'."}));
        assert_eq!(result_of(&failed.status), "There is no VM 'x'.");
    }

    #[test]
    fn a_cancelled_dump_says_by_whom() {
        let cancelled = |message, reason| {
            let job = job(serde_json::json!({
                "state": "failed", "job_state": "cancelled", "message": message, "end_reason": reason,
            }));
            result_of(&job.status)
        };
        let reason = serde_json::json!({"kind": "cancelled", "by": "page", "before_start": true});
        assert_eq!(cancelled("stopped", reason), "Cancelled on the page before it began.");
        let unread = serde_json::json!({"kind": "shutdown"});
        assert_eq!(cancelled("cancelled by a restart", unread), "Cancelled by a restart");
    }
}
