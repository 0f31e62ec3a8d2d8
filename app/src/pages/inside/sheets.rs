//! The tables, of which one is shown, and the field that searches them.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;

use super::sheet::SheetView;
use super::state::State;
use crate::ui::erase::{effect, memo};
use crate::ui::{SearchField, Tab, Tabs};
use crate::words::SHEETS;

/// As long as somebody types, nothing is searched.
const TYPING_PAUSE_MS: u32 = 250;

#[component]
pub fn Sheets() -> impl IntoView {
    let state = State::expect();
    let part = memo(move || state.view.with(|view| view.part));
    let chosen = RwSignal::new(part.get_untracked());
    // The address and the tabs follow each other; what is as it should be is left alone.
    effect(move || {
        let part = part.get();
        if chosen.get_untracked() != part {
            chosen.set(part);
        }
    });
    effect(move || {
        let chosen = chosen.get();
        if part.get_untracked() != chosen {
            state.change(false, |view| view.part = chosen);
        }
    });
    let search = memo(move || state.view.with(|view| view.search.clone()));
    let text = RwSignal::new(search.get_untracked());
    let applied = StoredValue::new(text.get_untracked());
    let timer = StoredValue::new_local(None::<Timeout>);
    // Back and links change the address too; what is being typed must not be overwritten by its own effect.
    effect(move || {
        let search = search.get();
        if applied.with_value(|applied| *applied != search) {
            timer.set_value(None);
            applied.set_value(search.clone());
            text.set(search);
        }
    });
    on_cleanup(move || timer.set_value(None));
    let apply = move || {
        let wanted = text.get_untracked();
        applied.set_value(wanted.clone());
        state.change(true, |view| view.search = wanted);
    };
    let tabs = SHEETS
        .into_iter()
        .enumerate()
        .map(|(place, name)| Tab::new(name, move || view! { <SheetView place name /> }))
        .collect();
    view! {
        <section class="card inside-tables" aria-label="Tables">
            <SearchField
                id="inside-search"
                label="Search the table"
                placeholder="Name, path, number or address"
                value=text
                on_input=move |typed| {
                    text.set(typed);
                    // Setting another timer stops the one before.
                    timer.set_value(Some(Timeout::new(TYPING_PAUSE_MS, apply)));
                }
            />
            <Tabs id="inside-table" label="What was read" tabs chosen />
        </section>
    }
}
