//! Schedules: dumps by plan, when each runs next, and what became of its runs.

mod draft;
mod editor;
mod history;
mod item;
mod remove_dialog;
mod state;
mod words;

use leptos::prelude::*;
use memdeck_model::schedule::Schedule;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::{dynamic, memo};
use crate::ui::{Button, ButtonKind, EmptyState, Failure, Icon, Show, Skeleton, list};
use editor::Editor;
use history::History;
use item::Item;
use remove_dialog::RemoveDialog;
use state::State;

#[component]
pub fn Schedules() -> impl IntoView {
    set_title(Page::Schedules.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.fetch());
    let problem = state.list.why_failed();
    let is_empty = memo(move || state.list.with_data(|list| list.schedules.is_empty()));
    let schedules = move || state.list.with_data(|list| list.schedules.clone()).unwrap_or_default();
    // A row is made anew when anything of it changes.
    let key = |schedule: &Schedule| format!("{schedule:?}");
    view! {
        <header class="page-head page-head-tools">
            <div>
                <h1>{Page::Schedules.name()}</h1>
                <p class="page-lead">"Dumps that are taken by plan, while this dashboard runs."</p>
            </div>
            <Button kind=ButtonKind::Primary on_press=move |()| state.edit(None)>
                "New schedule…"
            </Button>
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The schedules could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        {dynamic(move || match is_empty.get() {
            None if problem.with(Option::is_some) => ().into_any(),
            None => view! { <Skeleton rows=4 label="Loading the schedules" /> }.into_any(),
            Some(true) => {
                view! {
                    <EmptyState title="No schedules" icon=Icon::Clock>
                        "A schedule dumps guests every hour, day, week or month, or as a cron expression says."
                    </EmptyState>
                }
                    .into_any()
            }
            Some(false) => {
                view! {
                    <ul class="schedules">{list(schedules, key, |schedule| view! { <Item schedule /> })}</ul>
                }
                    .into_any()
            }
        })}
        <Editor />
        <History />
        <RemoveDialog />
    }
}
