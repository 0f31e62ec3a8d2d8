//! One dump that waits, runs, or ended a moment ago.

use leptos::prelude::*;
use memdeck_model::{DumpId, JobState, decimal};

use super::button::{CancelQuestion, JobButton, is_asked};
use crate::data::{Cancel, Data, Job, NO_UUID, figures_of, result_of};
use crate::time::Clock;
use crate::ui::erase::{dynamic, follow, memo};
use crate::ui::{Badge, Icon, ProgressBar, Show, Tone};
use crate::words::{because, placed};

/// State, mode, progress, figures and a way to cancel it; the result and a way to dismiss it when it has ended.
#[component]
pub fn JobRow(id: DumpId) -> impl IntoView {
    let Data { dumps, overview, .. } = Data::expect();
    let clock = Clock::expect();
    let id = StoredValue::new(id);
    let job = memo(move || id.with_value(|id| dumps.with(|jobs| jobs.get(id).cloned()).flatten()));
    let of = move |read: fn(&Job) -> String| move || job.with(|job| job.as_ref().map(read));
    let phase = memo(move || job.with(|job| job.as_ref().map(|job| job.status.exact_state())));
    let mode = memo(move || job.with(|job| job.as_ref().and_then(|job| job.status.mode)));
    let fallback = memo(move || job.with(|job| job.as_ref().and_then(fallback_of)));
    let refusal = memo(move || job.with(|job| job.as_ref().and_then(refusal_of)));
    let knows_guests = overview.can(|service| service.uuids);
    let is_unverified =
        memo(move || !knows_guests.get() && job.with(|job| job.as_ref().is_some_and(is_by_name)));
    let name = memo(move || {
        of(|job| placed(job.status.host.as_ref(), job.status.display_name()))().unwrap_or_default()
    });
    let progress = memo(move || job.with(|job| job.as_ref().map_or(0.0, |job| job.status.progress)));
    let is_final = memo(move || phase.get().is_some_and(JobState::is_final));
    let words = move || {
        if is_final.get() {
            return of(|job| result_of(&job.status))();
        }
        let clock_now = clock.now();
        job.with(|job| job.as_ref().map(|job| kept_together(&figures_of(job, clock_now))))
    };
    let is_running = move || phase.get() == Some(JobState::Running);
    let result_class = move || match phase.get() {
        Some(JobState::Failed) => "job-words number is-bad",
        _ => "job-words number",
    };
    let asking = RwSignal::new(false);
    let is_asked = memo(move || job.with(|job| is_asked(job.as_ref(), asking.get())));
    view! {
        <li class="job">
            <div class="job-head">
                <span class="job-title">
                    <span class="job-name">{name}</span>
                    {dynamic(move || phase.get().map(state_badge))}
                </span>
                <JobButton job name asking />
            </div>
            // Before and after, a bar at rest in its place: no row moves because a dump begins or ends.
            <div class="job-progress">
                <Show
                    when=is_running
                    fallback=move || view! {
                        <progress class="progress is-resting" aria-hidden="true" max="100" value=follow(move || percent(progress.get()))></progress>
                    }
                >
                    <ProgressBar
                        percent=Signal::derive(move || Some(progress.get()))
                        label=Signal::derive(move || format!("Dump of {}", name.get()))
                    />
                    <span class="job-percent number">{dynamic(move || percent(progress.get()) + " %")}</span>
                </Show>
            </div>
            <Show
                when=move || is_asked.get()
                fallback=move || view! {
                    <p class=follow(result_class)>
                        {dynamic(move || mode.get().map(|mode| view! { <span class="job-mode">{mode.as_str()}</span> " · " }))}
                        {dynamic(words)}
                    </p>
                }
            >
                <div class="job-cancel" role="group" aria-label="Cancel the dump?">
                    <CancelQuestion job name asking />
                </div>
            </Show>
            {dynamic(move || is_unverified.get().then(|| view! { <p class="job-words">{NO_UUID}</p> }))}
            {dynamic(move || fallback.get().map(|why| view! { <p class="job-words">{why}</p> }))}
            {dynamic(move || refusal.get().map(|why| view! { <p class="job-words is-bad" role="alert">{why}</p> }))}
        </li>
    }
}

fn percent(progress: f64) -> String {
    decimal(progress, 1).to_string()
}

/// Numbers stay beside their units: a line breaks between figures only.
fn kept_together(figures: &str) -> String {
    const LONGEST: usize = 32;
    let keep = |figure: &str| {
        if figure.len() <= LONGEST { figure.replace(' ', "\u{a0}") } else { figure.to_owned() }
    };
    figures.split(" · ").map(keep).collect::<Vec<_>>().join(" · ")
}

fn fallback_of(job: &Job) -> Option<String> {
    job.status.fallback.as_ref().map(|reason| because(job.status.mode, reason))
}

/// Whether a dump that was begun names its guest by the text of the request alone.
fn is_by_name(job: &Job) -> bool {
    let state = job.status.exact_state();
    job.status.guest_uuid.is_none() && matches!(state, JobState::Running | JobState::Completed)
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
    let (tone, icon) = match state {
        JobState::Queued => (Tone::Waiting, Icon::Clock),
        JobState::Running => (Tone::Active, Icon::Activity),
        JobState::Completed => (Tone::Good, Icon::Check),
        JobState::Failed => (Tone::Bad, Icon::Alert),
        JobState::Cancelled => (Tone::Neutral, Icon::Ban),
    };
    view! {
        <Badge tone icon>
            {state.as_str()}
        </Badge>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests::job_in as job;

    #[test]
    fn a_line_of_figures_breaks_between_them_only() {
        assert_eq!(kept_together("4 s left · 2 MiB/s"), "4\u{a0}s\u{a0}left · 2\u{a0}MiB/s");
        let sentence = "A sentence of a service that is not memdeck";
        assert_eq!(kept_together(sentence), sentence);
    }

    #[test]
    fn a_refusal_is_told_while_the_dump_goes_on() {
        let refused = || Some(Cancel::Refused("no answer".into()));
        let told = refusal_of(&job("running", refused()));
        assert_eq!(told.as_deref(), Some("The dump was not cancelled: no answer"));
        assert_eq!(refusal_of(&job("completed", refused())), None);
    }
}
