//! Users: who may do what, who is signed in, and the tokens of programs. Whoever manages no users finds their own account.

mod confirm;
mod form;
mod groups;
mod listed;
mod own;
mod people;
mod sessions;
mod state;
mod tokens;
mod words;

use leptos::prelude::*;

use super::title::set_title;
use crate::routes::Page;
use crate::shortcuts::Shortcuts;
use crate::ui::erase::memo;
use crate::ui::{Failure, Show, Skeleton};
use confirm::Confirm;
use groups::Groups;
use own::OwnAccount;
use people::People;
use sessions::Sessions;
use state::UsersState;
use tokens::Tokens;

#[component]
pub fn Users() -> impl IntoView {
    set_title(Page::Users.name());
    let state = UsersState::provide();
    Shortcuts::expect().add("r", "Reload everything", move || state.fetch());
    let problem = state.me.why_failed();
    let is_known = memo(move || state.me.has_data());
    let manages = state.manages();
    view! {
        <header class="page-head">
            <div>
                <h1>{Page::Users.name()}</h1>
                <p class="page-lead">"Who may do what, who is signed in, and the tokens of programs."</p>
            </div>
        </header>
        <Show when=move || problem.with(Option::is_some)>
            <Failure
                title="The accounts could not be loaded."
                detail=Signal::derive(move || problem.get().unwrap_or_default())
                on_retry=move |()| state.fetch()
            />
        </Show>
        <Show when=move || !is_known.get() && problem.with(Option::is_none)>
            <Skeleton rows=6 label="Loading the accounts" />
        </Show>
        <Show when=move || is_known.get()>
            <OwnAccount />
            <Show when=move || manages.get()>
                <People />
                <Groups />
            </Show>
            <Sessions />
            <Show when=move || manages.get()>
                <Tokens />
            </Show>
        </Show>
        <Confirm />
    }
}
