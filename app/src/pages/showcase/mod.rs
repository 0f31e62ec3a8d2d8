//! `/ui`: every component in every state, to look at while it is being changed. Only in development builds.

mod actions;
mod fields;
mod messages;
mod structure;

use leptos::prelude::*;

use super::title::set_title;
use actions::Actions;
use fields::Fields;
use messages::Messages;
use structure::Structure;

#[component]
pub fn Showcase() -> impl IntoView {
    set_title("Components");
    view! {
        <header class="page-head">
            <h1>"Components"</h1>
            <p class="page-lead">"What the pages are made of, in every state."</p>
        </header>
        <div class="showcase">
            <Actions />
            <Fields />
            <Messages />
            <Structure />
        </div>
    }
}

/// A state and its name.
#[component]
fn Specimen(
    /// What it shows.
    name: &'static str,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="specimen">
            <p class="specimen-name">{name}</p>
            <div class="specimen-body">{children()}</div>
        </div>
    }
}
