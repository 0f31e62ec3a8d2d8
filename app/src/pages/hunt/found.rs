//! One hunt: what was looked for, how far it is, and what it found.

use leptos::prelude::*;
use memdeck_model::Hunt;

use super::hits::Hits;
use super::row::{EndButton, Progress, Stands};
use super::state::{State, TITLE};
use super::tallies::Tallies;
use super::view::{csv_of, link_to};
use super::words::{counted, manner, progress, sought};
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Failure, Icon, IconView, Instant, Show, Skeleton};
use crate::words::{by_whom, grouped, lower_first, sentence};

#[component]
pub fn Found() -> impl IntoView {
    let state = State::expect();
    let problem = state.details.why_failed();
    let hunt = memo(move || state.with_shown(|details| details.hunt.clone()));
    let is_known = memo(move || hunt.with(Option::is_some));
    let is_active = memo(move || hunt.with(|hunt| hunt.as_ref().is_some_and(|hunt| !hunt.state.is_final())));
    let title = move || match hunt.with(|hunt| hunt.as_ref().map(sought)) {
        Some(sought) => format!("Hunt for {sought}"),
        None => "A hunt".to_owned(),
    };
    let retry = move |()| {
        if let Some(id) = state.shown.get_untracked() {
            state.fetch_details(id);
        }
    };
    view! {
        <p class="hunt-back">
            <a href=link_to(None)>"All hunts"</a>
        </p>
        <section class="card" aria-labelledby=TITLE>
            <header class="card-head hunt-head">
                <h2 class="card-title" id=TITLE tabindex="-1">{dynamic(title)}</h2>
                <Stands hunt />
            </header>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The hunt could not be loaded."
                    detail=Signal::derive(move || problem.get().map(|why| sentence(&why)).unwrap_or_default())
                    on_retry=retry
                />
            </Show>
            <Show when=move || !is_known.get() && problem.with(Option::is_none)>
                <Skeleton rows=4 label="Loading the hunt" />
            </Show>
            <Show when=move || is_known.get()>
                <Show when=move || is_active.get()>
                    <Progress hunt />
                </Show>
                {dynamic(move || hunt.with(|hunt| hunt.as_ref().map(facts)))}
                <div class="hunt-buttons">
                    <EndButton hunt />
                    {dynamic(move || state.shown.get().map(|id| view! {
                        <a class="button button-small" href=csv_of(&id) download="memdeck-hunt.csv">
                            <IconView icon=Icon::Download />
                            "All hits as CSV"
                        </a>
                    }))}
                </div>
            </Show>
        </section>
        <Show when=move || is_known.get()>
            <Hits />
            <Tallies />
        </Show>
    }
}

/// Who asked for what, and what it came to.
fn facts(hunt: &Hunt) -> AnyView {
    // While it runs, that stands beside the bar.
    let searched = hunt
        .started_at
        .zip(hunt.ended_at)
        .map(|(start, end)| format!("{}, within {}", progress(hunt), end.since(start)));
    let reason = hunt.reason.as_ref().map(|reason| sentence(&reason.to_string()));
    view! {
        <dl class="hunt-facts">
            <div>
                <dt>"Looked for"</dt>
                <dd>{format!("{}: {}", counted(hunt.pattern_count, "pattern"), lower_first(&manner(hunt)))}</dd>
            </div>
            <div>
                <dt>"Asked for"</dt>
                <dd><Instant instant=hunt.requested_at /> " " {by_whom(&hunt.requested_by)}</dd>
            </div>
            {searched.map(|searched| view! {
                <div>
                    <dt>"Searched"</dt>
                    <dd class="number">{searched}</dd>
                </div>
            })}
            <div>
                <dt>"Found"</dt>
                <dd class="number">{format!("{} (limit {})", counted(hunt.tally.hits, "hit"), grouped(hunt.limit.into()))}</dd>
            </div>
        </dl>
        {reason.map(|reason| view! { <p>{reason}</p> })}
    }
    .into_any()
}
