//! Something that holds or does not, sent with a form.

use leptos::ev;
use leptos::prelude::*;

use super::erase::handler;

/// A labelled checkbox.
#[component]
pub fn Checkbox(
    /// Whether it is checked.
    #[prop(into)]
    checked: Signal<bool>,
    /// Called with what it was changed to.
    #[prop(into)]
    on_change: Callback<bool>,
    /// Whether it cannot be changed now.
    #[prop(optional, into)]
    disabled: Signal<bool>,
    children: Children,
) -> impl IntoView {
    view! {
        <label class="check">
            <input
                type="checkbox"
                class="check-box"
                prop:checked=checked
                disabled=disabled
                on:change=handler(move |event: ev::Event| on_change.run(event_target_checked(&event)))
            />
            <span>{children()}</span>
        </label>
    }
}
