//! One dump that waits, runs, or ended a moment ago.

use leptos::prelude::*;
use memdeck_model::{ByteCount, DumpId, DumpStatus, JobState, Millis, Timestamp};

use super::jobs::Job;
use super::state::State;
use crate::time::Clock;
use crate::ui::{Icon, IconView};

/// State, progress, figures; the result and a way to dismiss it when it has ended.
#[component]
pub fn JobRow(id: DumpId) -> impl IntoView {
    let state = State::expect();
    let clock = Clock::expect();
    let id = StoredValue::new(id);
    let job =
        Memo::new(move |_| id.with_value(|id| state.jobs.with_data(|jobs| jobs.get(id).cloned()).flatten()));
    let of = move |read: fn(&Job) -> String| move || job.with(|job| job.as_ref().map(read));
    let phase = Memo::new(move |_| job.with(|job| job.as_ref().map(|job| job.status.exact_state())));
    let name = Memo::new(move |_| of(|job| job.status.display_name().to_owned())().unwrap_or_default());
    let progress = Memo::new(move |_| job.with(|job| job.as_ref().map_or(0.0, |job| job.status.progress)));
    let figures = move || {
        let clock_now = clock.now();
        job.with(|job| job.as_ref().map(|job| figures_of(job, clock_now)))
    };
    let dismiss = move |_| state.jobs.change(|jobs| id.with_value(|id| jobs.dismiss(id)));
    let is_running = move || phase.get() == Some(JobState::Running);
    let is_final = move || phase.get().is_some_and(JobState::is_final);
    let result_class = move || match phase.get() {
        Some(JobState::Failed | JobState::Cancelled) => "job-result is-bad",
        _ => "job-result",
    };
    view! {
        <li class="job">
            <div class="job-head">
                <span class="job-name">{name}</span>
                {move || phase.get().map(state_badge)}
                <Show when=is_running>
                    <span class="job-percent number">{move || format!("{:.1} %", progress.get())}</span>
                </Show>
                <Show when=is_final>
                    <button
                        type="button"
                        class="button button-quiet button-icon job-dismiss"
                        aria-label=move || format!("Dismiss the result of {}", name.get())
                        on:click=dismiss
                    >
                        <IconView icon=Icon::Close />
                    </button>
                </Show>
            </div>
            <Show when=is_running>
                <progress
                    class="progress"
                    max="100"
                    value=move || format!("{:.1}", progress.get())
                    aria-label=move || format!("Dump of {}", name.get())
                ></progress>
            </Show>
            <Show
                when=is_final
                fallback=move || view! { <p class="job-figures number">{figures}</p> }
            >
                <p class=result_class>{of(|job| result_of(&job.status))}</p>
            </Show>
        </li>
    }
}

fn state_badge(state: JobState) -> impl IntoView {
    let (class, icon) = match state {
        JobState::Queued => ("badge badge-waiting", Icon::Clock),
        JobState::Running => ("badge badge-active", Icon::Activity),
        JobState::Completed => ("badge badge-good", Icon::Check),
        JobState::Failed => ("badge badge-bad", Icon::Alert),
        JobState::Cancelled => ("badge badge-bad", Icon::Close),
    };
    view! {
        <span class=class>
            <IconView icon />
            {state.as_str()}
        </span>
    }
}

/// What is known of a dump under way, at `now`: bytes, rate, elapsed time.
fn figures_of(job: &Job, now: Timestamp) -> String {
    let status = &job.status;
    if status.exact_state() == JobState::Queued {
        return match status.queued_at {
            Some(since) => format!("Waiting for its turn for {}", whole_seconds(now.since(since))),
            None => "Waiting for its turn".to_owned(),
        };
    }
    let mut parts = Vec::new();
    if let Some(bytes) = status.bytes {
        parts.push(format!("{} of {}", bytes.bytes_done, bytes.bytes_expected));
    }
    if let Some(rate) = job.rate.bytes_per_second() {
        parts.push(format!("{}/s", in_mib(rate)));
    }
    if let Some(started) = status.started_at {
        parts.push(whole_seconds(now.since(started)));
    }
    if parts.is_empty() { status.message.clone() } else { parts.join(" · ") }
}

/// How a dump ended.
fn result_of(status: &DumpStatus) -> String {
    if status.exact_state() != JobState::Completed {
        return if status.message.is_empty() {
            "No reason was told.".to_owned()
        } else {
            status.message.clone()
        };
    }
    let stored = status.record.as_ref().and_then(|record| record.gzip_size_bytes);
    let mut parts = vec![stored.map_or("Stored".to_owned(), |bytes| format!("Stored {bytes}"))];
    let pause = status.pause_ms.or_else(|| status.record.as_ref().and_then(|record| record.pause_ms));
    parts.extend(pause.map(|pause| format!("guest paused {pause}")));
    parts.extend(status.duration_sec.map(|seconds| format!("took {seconds:.2} s")));
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
    use crate::pages::memory_dumps::jobs::Jobs;

    fn job(fields: serde_json::Value) -> Job {
        let mut status =
            serde_json::json!({"dump_id": "a", "vm": "web-01", "state": "running", "progress": 50.0});
        let serde_json::Value::Object(fields) = fields else { panic!("fields are an object") };
        status.as_object_mut().unwrap().extend(fields);
        let mut jobs = Jobs::default();
        jobs.tell(serde_json::from_value(status).unwrap(), at(100));
        jobs.get(&"a".parse().unwrap()).unwrap().clone()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000).unwrap()
    }

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
    fn a_waiting_dump_tells_for_how_long() {
        let waiting = job(serde_json::json!({"state": "queued", "queued_at": at(35)}));
        assert_eq!(figures_of(&waiting, at(100)), "Waiting for its turn for 1 min 05 s");
    }

    #[test]
    fn the_end_is_told_with_what_is_known_of_it() {
        let completed =
            job(serde_json::json!({"state": "completed", "pause_ms": 620, "duration_sec": 1.234}));
        assert_eq!(result_of(&completed.status), "Stored, guest paused 620 ms, took 1.23 s");
        let failed = job(serde_json::json!({"state": "failed", "message": "There is no VM 'x'."}));
        assert_eq!(result_of(&failed.status), "There is no VM 'x'.");
    }
}
