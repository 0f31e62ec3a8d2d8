//! Notifications: where they go, what is told to whom, and what became of each message.

mod draft;
mod log;
mod remove_dialog;
mod rule_dialog;
mod rules;
mod state;
mod target_dialog;
mod targets;
mod words;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use log::Log;
use remove_dialog::RemoveDialog;
use rules::Rules;
use state::State;
use target_dialog::TargetDialog;
use targets::Targets;

#[component]
pub fn Notifications() -> impl IntoView {
    set_title(Page::Notifications.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.fetch());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Notifications.name()}</h1>
                <p class="page-lead">
                    "Who is told when something happens that somebody should know, and what became of each message."
                </p>
            </div>
        </header>
        <Targets />
        <Rules />
        <Log />
        <TargetDialog />
        <RemoveDialog />
    }
}
