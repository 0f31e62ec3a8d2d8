//! What became of the runs of a schedule.

use leptos::prelude::*;
use memdeck_model::schedule::{RunGuest, ScheduleRun};

use super::state::State;
use super::words::{outcome, state_of, state_of_guest};
use crate::pages::dump_links::details_of;
use crate::ui::erase::{dynamic, effect};
use crate::ui::{Badge, Dialog, EmptyState, Failure, Icon, Instant, Show, Skeleton};
use crate::words::placed;

/// The newest runs, each with its guests.
#[component]
pub fn History() -> impl IntoView {
    let state = State::expect();
    let open = RwSignal::new(false);
    effect(move || open.set(state.shown.with(Option::is_some)));
    effect(move || {
        if !open.get() && state.shown.with_untracked(Option::is_some) {
            state.shown.set(None);
        }
    });
    let title = Signal::derive(move || {
        state.shown.with(|name| name.as_ref().map(|name| format!("Runs of {name}"))).unwrap_or_default()
    });
    let problem = state.runs.why_failed();
    view! {
        <Dialog open id="schedule-runs" title wide=true>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The runs could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                />
            </Show>
            {dynamic(move || match state.runs.with_data(|list| list.runs.clone()) {
                None if problem.with(Option::is_some) => ().into_any(),
                None => view! { <Skeleton rows=4 label="Loading the runs" /> }.into_any(),
                Some(runs) if runs.is_empty() => {
                    view! {
                        <EmptyState title="No runs yet" icon=Icon::Clock>
                            "Each run stands here, also one that was missed."
                        </EmptyState>
                    }
                        .into_any()
                }
                Some(runs) => {
                    view! { <ul class="schedule-runs" tabindex="0" aria-label="Runs">{runs.into_iter().map(run_view).collect_view()}</ul> }
                        .into_any()
                }
            })}
        </Dialog>
    }
}

fn run_view(run: ScheduleRun) -> AnyView {
    let (word, tone, icon) = state_of(&run);
    view! {
        <li>
            <p>
                <Badge tone icon>{word}</Badge>
                " "
                <Instant instant=run.planned />
                {(run.count > 1).then(|| view! { " to " <Instant instant=run.last_planned /> })}
            </p>
            <p class="secondary">{outcome(&run)}</p>
            <ul class="schedule-run-guests">{run.each.into_iter().map(guest_view).collect_view()}</ul>
        </li>
    }
    .into_any()
}

fn guest_view(guest: RunGuest) -> AnyView {
    let (word, tone, icon) = state_of_guest(guest.state);
    let name = placed(guest.host.as_ref(), &guest.name.0);
    let name = match &guest.dump_id {
        Some(id) => view! { <a href=details_of(id)>{name}</a> }.into_any(),
        None => view! { <span>{name}</span> }.into_any(),
    };
    view! {
        <li>
            <Badge tone icon>{word}</Badge>
            " "
            {name}
            {guest.reason.map(|reason| view! { <span class="secondary">{format!(" {reason}")}</span> })}
        </li>
    }
    .into_any()
}
