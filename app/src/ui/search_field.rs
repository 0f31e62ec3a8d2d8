//! A field to search with.

use leptos::ev;
use leptos::prelude::*;

use super::erase::handler;
use super::icon::{Icon, IconView};

/// A search field. Its name is for screen readers; the eye has the icon and the placeholder.
#[component]
pub fn SearchField(
    /// The id of the control.
    id: &'static str,
    /// Its name: `Search guests`.
    label: &'static str,
    /// What can be searched for.
    #[prop(optional)]
    placeholder: Option<&'static str>,
    /// What it holds.
    #[prop(into)]
    value: Signal<String>,
    /// Called with every change.
    #[prop(into)]
    on_input: Callback<String>,
) -> impl IntoView {
    view! {
        <div class="field-group">
            <label class="visually-hidden" for=id>
                {label}
            </label>
            <span class="search-frame">
                <IconView icon=Icon::Search />
                <input
                    class="field"
                    id=id
                    type="search"
                    autocomplete="off"
                    spellcheck="false"
                    placeholder=placeholder
                    prop:value=value
                    on:input=handler(move |event: ev::Event| on_input.run(event_target_value(&event)))
                />
            </span>
        </div>
    }
}
