//! Which guests are shown, and in what order. What the fields hold is in the address.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use memdeck_model::SearchText;

use super::cards::Cards;
use super::view::{STATES, Sort, VmsView};
use crate::ui::erase::{effect, memo};
use crate::ui::{Button, SearchField, Select, Show, Switch};

/// As long as somebody types, nothing is searched.
const TYPING_PAUSE_MS: u32 = 250;
/// The id of the field that the cards are searched with.
pub const SEARCH: &str = "vms-search";

#[component]
pub fn Filters(cards: Cards) -> impl IntoView {
    let view = cards.view;
    let text = RwSignal::new(view.with_untracked(|view| view.search.clone()));
    let applied = StoredValue::new(text.get_untracked());
    let timer = StoredValue::new_local(None::<Timeout>);
    let present = memo(move || view.with(|view| view.search.clone()));
    // Back and links change the address too; what is being typed must not be overwritten by its own effect.
    effect(move || {
        let present = present.get();
        if applied.with_value(|applied| *applied != present) {
            timer.set_value(None);
            applied.set_value(present.clone());
            text.set(present);
        }
    });
    on_cleanup(move || timer.set_value(None));
    let apply = move || {
        timer.set_value(None);
        let wanted = text.with_untracked(|text| text.parse::<SearchText>());
        let wanted = wanted.map_or_else(|_| String::new(), String::from);
        applied.set_value(wanted.clone());
        cards.show(true, |view| view.search = wanted);
    };
    let state =
        memo(move || view.with(|view| view.state.map(|state| state.as_str().to_owned())).unwrap_or_default());
    let sort = memo(move || view.with(|view| view.sort.as_str().to_owned()));
    let all_states = std::iter::once((String::new(), "All states".to_owned()));
    let states = STATES.map(|state| (state.as_str().to_owned(), state.as_str().to_owned()));
    let sorts = Sort::ALL.map(|sort| (sort.as_str().to_owned(), sort.title().to_owned()));
    let clear = move |()| {
        timer.set_value(None);
        applied.set_value(String::new());
        text.set(String::new());
        cards.show(false, |view| {
            *view = VmsView { sort: view.sort, by_host: view.by_host, ..VmsView::default() }
        });
    };
    view! {
        <div class="vm-filters" role="search" aria-label="Filter the VMs">
            <SearchField
                id=SEARCH
                label="Search VMs by name, id or UUID"
                placeholder="Name, id or UUID"
                value=text
                on_input=move |typed| {
                    text.set(typed);
                    // Setting another timer stops the one before.
                    timer.set_value(Some(Timeout::new(TYPING_PAUSE_MS, apply)));
                }
            />
            <Select
                id="vms-state"
                label="State"
                value=state
                options=Signal::stored(all_states.chain(states).collect())
                on_choose=move |word: String| cards.show(false, |view| {
                    view.state = STATES.into_iter().find(|state| state.as_str() == word);
                })
            />
            <Select
                id="vms-sort"
                label="Sort by"
                value=sort
                options=Signal::stored(sorts.to_vec())
                on_choose=move |word: String| cards.show(false, |view| {
                    view.sort = Sort::ALL.into_iter().find(|sort| sort.as_str() == word).unwrap_or_default();
                })
            />
            <Button on_press=clear disabled=Signal::derive(move || !view.with(VmsView::is_filtered))>
                "Reset filters"
            </Button>
            <Show when=move || cards.has_hosts.get()>
                <Switch
                    on=Signal::derive(move || view.with(|view| view.by_host))
                    on_change=move |on: bool| cards.show(false, |view| view.by_host = on)
                >
                    "Group by host"
                </Switch>
            </Show>
        </div>
    }
}
