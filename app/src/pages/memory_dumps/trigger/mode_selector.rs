//! How guests are to be dumped.

use leptos::prelude::*;
use memdeck_model::ModeChoice;

use super::super::state::DumpsState;
use super::mode_words::{hint, name};
use crate::data::NO_MODE;
use crate::ui::Show;
use crate::ui::erase::{dynamic, effect, follow, handler};

/// The modes to choose from, each with what it does to the guest.
#[component]
pub fn ModeSelector() -> impl IntoView {
    let state = DumpsState::expect();
    let mode = state.options.mode;
    let can_choose = state.data.overview.can(|service| service.options);
    // What was chosen before the service said so is not asked of it.
    effect(move || {
        if !can_choose.get() {
            mode.set(ModeChoice::Auto);
        }
    });
    let option = move |choice: ModeChoice| {
        let hint_id = format!("mode-{choice}-hint");
        view! {
            <label class="segment">
                <input
                    id=format!("mode-{choice}")
                    type="radio"
                    name="mode"
                    value=choice.as_str()
                    prop:checked=follow(move || mode.get() == choice)
                    disabled=follow(move || !can_choose.get())
                    aria-describedby=hint_id.clone()
                    on:change=handler(move |_| mode.set(choice))
                />
                {name(choice)}
            </label>
            // What each does is described to whoever goes through them; the eye reads it of the chosen one.
            <span id=hint_id hidden>
                {dynamic(move || hint(choice, state.data.overview.frozen_pause().as_ref()))}
            </span>
        }
    };
    view! {
        <fieldset class="mode-list">
            <legend class="field-label">"Mode"</legend>
            <div class="segments mode-segments">{ModeChoice::ALL.map(option).collect_view()}</div>
            <p class="mode-hint" aria-hidden="true">
                {dynamic(move || hint(mode.get(), state.data.overview.frozen_pause().as_ref()))}
            </p>
            <Show when=move || !can_choose.get()>
                <p class="secondary">{NO_MODE}</p>
            </Show>
        </fieldset>
    }
}
