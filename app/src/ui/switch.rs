//! Something that is on or off, at once.

use leptos::ev;
use leptos::prelude::*;

use super::erase::handler;

/// A labelled switch.
#[component]
pub fn Switch(
    /// Whether it is on.
    #[prop(into)]
    on: Signal<bool>,
    /// Called with what it was switched to.
    #[prop(into)]
    on_change: Callback<bool>,
    /// Whether it cannot be switched now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    children: Children,
) -> impl IntoView {
    view! {
        <label class="switch">
            <input
                type="checkbox"
                role="switch"
                class="switch-track"
                prop:checked=on
                disabled=disabled
                on:change=handler(move |event: ev::Event| on_change.run(event_target_checked(&event)))
            />
            <span>{children()}</span>
        </label>
    }
}
