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
        let hint_id = format!("mode-{choice}-hint");
        view! {
            <label class="segment">
                <input
                    id=format!("mode-{choice}")
                    type="radio"
                    name="mode"
                    value=choice.as_str()
                    prop:checked=move || mode.get() == choice
                    aria-describedby=hint_id.clone()
                    on:change=move |_| mode.set(choice)
                />
                {name(choice)}
            </label>
            // What each does is described to whoever goes through them; the eye reads it of the chosen one.
            <span id=hint_id hidden>
                {hint(choice)}
            </span>
        }
    };
    view! {
        <fieldset class="mode-list">
            <legend class="field-label">"Mode"</legend>
            <div class="segments mode-segments">{ModeChoice::ALL.map(option).collect_view()}</div>
            <p class="mode-hint" aria-hidden="true">
                {move || hint(mode.get())}
            </p>
        </fieldset>
    }
}
