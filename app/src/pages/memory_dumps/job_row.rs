//! One dump that waits, runs, or ended a moment ago.

use leptos::prelude::*;
use memdeck_model::{DumpId, JobState};

use super::job_words::{figures_of, result_of};
use super::jobs::{Cancel, Job};
use super::mode_words::because;
use super::state::State;
use crate::time::Clock;
use crate::ui::{Icon, IconView};

/// State, mode, progress, figures and a way to cancel it; the result and a way to dismiss it when it has ended.
#[component]
pub fn JobRow(id: DumpId) -> impl IntoView {
    let state = State::expect();
    let clock = Clock::expect();
    let id = StoredValue::new(id);
    let job =
        Memo::new(move |_| id.with_value(|id| state.jobs.with_data(|jobs| jobs.get(id).cloned()).flatten()));
    let of = move |read: fn(&Job) -> String| move || job.with(|job| job.as_ref().map(read));
    let phase = Memo::new(move |_| job.with(|job| job.as_ref().map(|job| job.status.exact_state())));
    let mode = Memo::new(move |_| job.with(|job| job.as_ref().and_then(|job| job.status.mode)));
    let fallback = Memo::new(move |_| job.with(|job| job.as_ref().and_then(fallback_of)));
    let refusal = Memo::new(move |_| job.with(|job| job.as_ref().and_then(refusal_of)));
    let name = Memo::new(move |_| of(|job| job.status.display_name().to_owned())().unwrap_or_default());
    let progress = Memo::new(move |_| job.with(|job| job.as_ref().map_or(0.0, |job| job.status.progress)));
    let figures = move || {
        let clock_now = clock.now();
        job.with(|job| job.as_ref().map(|job| figures_of(job, clock_now)))
    };
    let is_running = move || phase.get() == Some(JobState::Running);
    let is_final = move || phase.get().is_some_and(JobState::is_final);
    let result_class = move || match phase.get() {
        Some(JobState::Failed) => "job-result is-bad",
        _ => "job-result",
    };
    view! {
        <li class="job">
            <div class="job-head">
                <span class="job-title">
                    <span class="job-name">{name}</span>
                    {move || phase.get().map(state_badge)}
                    {move || mode.get().map(|mode| view! { <span class="badge">{mode.as_str()}</span> })}
                </span>
                <Show when=is_running>
                    <span class="job-percent number">{move || format!("{:.1} %", progress.get())}</span>
                </Show>
                <JobButton job name />
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
            {move || fallback.get().map(|why| view! { <p class="job-figures">{why}</p> })}
            {move || refusal.get().map(|why| view! { <p class="job-result is-bad" role="alert">{why}</p> })}
        </li>
    }
}

/// Cancels the dump, and dismisses its result when it has ended. One button for both: the one that has the focus is
/// still there when the dump ends.
#[component]
fn JobButton(job: Memo<Option<Job>>, name: Memo<String>) -> impl IntoView {
    let state = State::expect();
    let use_of = Memo::new(move |_| job.with(|job| job.as_ref().map_or(ButtonUse::Dismiss, use_of)));
    let press = move |_| {
        let id = job.with_untracked(|job| job.as_ref().map(|job| job.status.dump_id.clone()));
        let Some(id) = id else { return };
        match use_of.get_untracked() {
            ButtonUse::Cancel => state.cancel(id),
            ButtonUse::Cancelling => {}
            ButtonUse::Dismiss => state.jobs.change(|jobs| jobs.dismiss(&id)),
        }
    };
    let label = move || match use_of.get() {
        ButtonUse::Cancel => format!("Cancel the dump of {}", name.get()),
        ButtonUse::Cancelling => format!("Cancelling… the dump of {}", name.get()),
        ButtonUse::Dismiss => format!("Dismiss the result of {}", name.get()),
    };
    view! {
        <button
            type="button"
            class="button job-button"
            class:button-quiet=move || use_of.get() == ButtonUse::Dismiss
            class:button-icon=move || use_of.get() == ButtonUse::Dismiss
            aria-label=label
            aria-disabled=move || (use_of.get() == ButtonUse::Cancelling).then_some("true")
            on:click=press
        >
            {move || match use_of.get() {
                ButtonUse::Cancel => "Cancel".into_any(),
                ButtonUse::Cancelling => "Cancelling…".into_any(),
                ButtonUse::Dismiss => view! { <IconView icon=Icon::Close /> }.into_any(),
            }}
        </button>
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ButtonUse {
    Cancel,
    Cancelling,
    Dismiss,
}

fn use_of(job: &Job) -> ButtonUse {
    match &job.cancel {
        _ if job.status.exact_state().is_final() => ButtonUse::Dismiss,
        Some(Cancel::Asked) => ButtonUse::Cancelling,
        Some(Cancel::Refused(_)) | None => ButtonUse::Cancel,
    }
}

fn fallback_of(job: &Job) -> Option<String> {
    job.status.fallback.as_deref().map(|reason| because(job.status.mode, reason))
}

/// Why the dump goes on although it was to be cancelled.
fn refusal_of(job: &Job) -> Option<String> {
    match &job.cancel {
        Some(Cancel::Refused(why)) if !job.status.exact_state().is_final() => {
            Some(format!("The dump was not cancelled: {why}"))
        }
        _ => None,
    }
}

fn state_badge(state: JobState) -> impl IntoView {
    let (class, icon) = match state {
        JobState::Queued => ("badge badge-waiting", Icon::Clock),
        JobState::Running => ("badge badge-active", Icon::Activity),
        JobState::Completed => ("badge badge-good", Icon::Check),
        JobState::Failed => ("badge badge-bad", Icon::Alert),
        JobState::Cancelled => ("badge", Icon::Close),
    };
    view! {
        <span class=class>
            <IconView icon />
            {state.as_str()}
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::memory_dumps::jobs::Jobs;

    fn job(state: &str, cancel: Option<Cancel>) -> Job {
        let json = serde_json::json!({"dump_id": "a", "vm": "web-01", "state": state, "progress": 1.0});
        let mut jobs = Jobs::default();
        jobs.tell(serde_json::from_value(json).unwrap(), std::time::UNIX_EPOCH.into());
        let mut job = jobs.get(&"a".parse().unwrap()).unwrap().clone();
        job.cancel = cancel;
        job
    }

    #[test]
    fn a_dump_can_be_cancelled_until_it_was_asked_for_or_has_ended() {
        let refused = || Some(Cancel::Refused("no answer".into()));
        assert_eq!(use_of(&job("queued", None)), ButtonUse::Cancel);
        assert_eq!(use_of(&job("running", Some(Cancel::Asked))), ButtonUse::Cancelling);
        assert_eq!(use_of(&job("running", refused())), ButtonUse::Cancel);
        assert_eq!(use_of(&job("completed", Some(Cancel::Asked))), ButtonUse::Dismiss);
    }

    #[test]
    fn a_refusal_is_told_while_the_dump_goes_on() {
        let refused = || Some(Cancel::Refused("no answer".into()));
        let told = refusal_of(&job("running", refused()));
        assert_eq!(told.as_deref(), Some("The dump was not cancelled: no answer"));
        assert_eq!(refusal_of(&job("completed", refused())), None);
    }
}
