//! Retention: which images go by rules, what the rules would do now, and what nobody may delete.

mod hold_dialogs;
mod holds;
mod preview;
mod rule_dialog;
mod rules;
mod save_dialog;
mod state;
mod words;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::{Failure, Show};
use holds::Holds;
use preview::Preview;
use rules::Rules;
use state::State;

#[component]
pub fn Retention() -> impl IntoView {
    set_title(Page::Retention.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.fetch());
    let problem = state.kept.why_failed();
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Retention.name()}</h1>
                <p class="page-lead">
                    "Which images are removed by rules, and which nobody may delete. Records stay in any case."
                </p>
            </div>
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The rules could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Rules />
        <Preview />
        <Holds />
    }
}
