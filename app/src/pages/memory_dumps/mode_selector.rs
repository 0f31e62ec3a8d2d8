//! How guests are to be dumped.

use leptos::prelude::*;
use memdeck_model::ModeChoice;

use super::mode_words::{hint, name};
use super::state::State;

/// The modes to choose from, each with what it does to the guest.
#[component]
pub fn ModeSelector() -> impl IntoView {
    let mode = State::expect().options.mode;
    let option = move |choice: ModeChoice| {
        let name_id = format!("mode-{choice}");
        let hint_id = format!("mode-{choice}-hint");
        view! {
            <label class="mode">
                <input
                    type="radio"
                    name="mode"
                    value=choice.as_str()
                    prop:checked=move || mode.get() == choice
                    aria-labelledby=name_id.clone()
                    aria-describedby=hint_id.clone()
                    on:change=move |_| mode.set(choice)
                />
                <span class="mode-name" id=name_id>
                    {name(choice)}
                </span>
                <span class="mode-hint" id=hint_id>
                    {hint(choice)}
                </span>
            </label>
        }
    };
    view! {
        <fieldset class="mode-list">
            <legend class="field-label">"Mode"</legend>
            {ModeChoice::ALL.map(option).collect_view()}
        </fieldset>
    }
}
