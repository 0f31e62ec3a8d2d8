//! The audit: who did what, from where, on what, with what result; and whether somebody changed that.

mod check;
mod filters;
mod state;
mod table;
mod view;

use leptos::prelude::*;

use super::title::set_title;
use crate::base;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::time::start_of_local_day;
use crate::ui::erase::follow;
use crate::ui::{Card, Failure, Icon, IconView, Show};
use check::Check;
use filters::Filters;
use state::State;
use table::Entries;

#[component]
pub fn Audit() -> impl IntoView {
    set_title(Page::Audit.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.fetch());
    let problem = state.lines.why_failed();
    let file = move |form: &'static str| {
        let href = move || state.view.with(|view| view.export_href(form, start_of_local_day));
        follow(move || base::href(&href()))
    };
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Audit.name()}</h1>
                <p class="page-lead">
                    "Who took memory, read it, deleted it or changed a setting, from where, and how it went."
                </p>
            </div>
        </header>
        <Check />
        <Card id="audit" title="What was done" class="audit-card">
            <Filters />
            <p class="audit-files">
                <a class="button button-small" href=file("csv") download="memdeck-audit.csv">
                    <IconView icon=Icon::Download />
                    "CSV"
                </a>
                <a class="button button-small" href=file("jsonl") download="memdeck-audit.jsonl">
                    <IconView icon=Icon::Download />
                    "JSON lines"
                </a>
            </p>
            <Show when=move || problem.with(Option::is_some)>
                <Failure
                    title="The audit could not be loaded."
                    detail=Signal::derive(move || problem.get().unwrap_or_default())
                    on_retry=move |()| state.fetch()
                />
            </Show>
            <Entries />
        </Card>
    }
}
