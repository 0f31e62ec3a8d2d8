//! A field for a day, with the browser's own calendar.

use leptos::ev;
use leptos::prelude::*;

use super::erase::{follow, handler};

/// A labelled date. Its value is `YYYY-MM-DD`, or empty.
#[component]
pub fn DateField(
    /// The id of the control.
    id: &'static str,
    label: &'static str,
    #[prop(into)] value: Signal<String>,
    /// Called with the day that was chosen, or with an empty text.
    #[prop(into)]
    on_choose: Callback<String>,
    /// The first day that can be chosen.
    #[prop(optional, into)]
    min: MaybeProp<String>,
    /// The last day that can be chosen.
    #[prop(optional, into)]
    max: MaybeProp<String>,
) -> impl IntoView {
    view! {
        <div class="field-group">
            <label class="field-label" for=id>
                {label}
            </label>
            <input
                class="field"
                id=id
                type="date"
                prop:value=value
                min=follow(move || min.get())
                max=follow(move || max.get())
                on:change=handler(move |event: ev::Event| on_choose.run(event_target_value(&event)))
            />
        </div>
    }
}
