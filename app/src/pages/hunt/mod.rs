//! Hunt: where text, bytes, regular expressions or pages are in the memory of dumps. What is looked for and where, the hunts that
//! are kept, and what each found.

mod around;
mod draft;
mod form;
mod found;
mod hits;
mod hunts;
mod patterns;
mod places;
mod remove_dialog;
mod row;
mod state;
mod tallies;
mod view;
mod words;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::{EmptyState, Icon, Show};
use form::Form;
use found::Found;
use hunts::Hunts;
use remove_dialog::RemoveDialog;
use state::State;

#[component]
pub fn Hunt() -> impl IntoView {
    set_title(Page::Hunt.name());
    let state = State::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.refresh());
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Hunt.name()}</h1>
                <p class="page-lead">"Where a text, bytes or a whole page are in the memory of dumps."</p>
            </div>
        </header>
        <Show
            when=move || state.may_read.get()
            fallback=|| {
                view! {
                    <EmptyState title="You may not see this" icon=Icon::Ban>
                        <p>"What is looked for and what was found say what is in the memory of VMs, and your role reads none."</p>
                    </EmptyState>
                }
            }
        >
            <Show when=move || state.shown.with(Option::is_some) fallback=|| view! { <Form /> <Hunts /> }>
                <Found />
            </Show>
            <RemoveDialog />
        </Show>
    }
}
