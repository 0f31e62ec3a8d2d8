//! Which entries are shown: days, who, guest, what, result.

use gloo_timers::callback::Timeout;
use leptos::ev;
use leptos::prelude::*;
use memdeck_model::audit::{AuditAction, AuditResult};
use memdeck_model::{Day, SearchText};

use super::state::State;
use super::view::AuditView;
use crate::ui::erase::{dynamic, effect, handler, memo};
use crate::ui::{Button, DateField, SearchField, Select};

/// As long as somebody types, nothing is searched.
const TYPING_PAUSE_MS: u32 = 250;

/// The fields. What they hold is in the address.
#[component]
pub fn Filters() -> impl IntoView {
    let state = State::expect();
    let view = state.view;
    let actor = Search::new(state, |view| &mut view.actor);
    let guest = Search::new(state, |view| &mut view.guest);
    let day = |day: Option<Day>| day.map(|day| day.to_string()).unwrap_or_default();
    let from = memo(move || day(view.with(|view| view.from)));
    let to = memo(move || day(view.with(|view| view.to)));
    let action = memo(move || {
        view.with(|view| view.action.map_or_else(String::new, |action| action.as_str().to_owned()))
    });
    let result = memo(move || {
        view.with(|view| view.result.map_or_else(String::new, |result| result.as_str().to_owned()))
    });
    let mut actions: Vec<(&str, &str)> =
        AuditAction::ALL.iter().map(|action| (action.as_str(), action.label())).collect();
    actions.sort_by_key(|(_, label)| *label);
    let actions = choices("Everything", actions);
    let results = choices("Any", AuditResult::ALL.iter().map(|result| (result.as_str(), result.label())));
    let choose_day = move |text: String, change: fn(&mut AuditView, Option<Day>)| {
        let day = text.parse().ok();
        if day.is_some() || text.is_empty() {
            state.show(true, |view| change(view, day));
        }
    };
    let reset = move |()| {
        actor.clear();
        guest.clear();
        state.show(false, |view| *view = AuditView::default());
    };
    let is_filtered = memo(move || view.with(AuditView::is_filtered));
    view! {
        <form
            class="audit-filters"
            role="search"
            aria-label="Filter the audit"
            on:submit=handler(move |event: ev::SubmitEvent| {
                event.prevent_default();
                actor.apply();
                guest.apply();
            })
        >
            <SearchField
                id="audit-actor"
                label="Search by who or by address"
                placeholder="Who, or an address"
                value=actor.text
                on_input=move |text| actor.type_in(text)
            />
            <SearchField
                id="audit-guest"
                label="Search by VM"
                placeholder="VM name or UUID"
                value=guest.text
                on_input=move |text| guest.type_in(text)
            />
            <Select
                id="audit-action"
                label="What"
                value=action
                options=Signal::stored(actions)
                on_choose=move |word: String| state.show(false, |view| view.action = word.parse().ok())
            />
            <Select
                id="audit-result"
                label="Result"
                value=result
                options=Signal::stored(results)
                on_choose=move |word: String| state.show(false, |view| view.result = word.parse().ok())
            />
            <DateField
                id="audit-from"
                label="From"
                value=from
                max=to
                on_choose=move |text: String| choose_day(text, |view, day| view.from = day)
            />
            <DateField
                id="audit-to"
                label="To"
                value=to
                min=from
                on_choose=move |text: String| choose_day(text, |view, day| view.to = day)
            />
            <div class="audit-reset">
                <Button on_press=reset disabled=Signal::derive(move || !is_filtered.get())>
                    "Reset filters"
                </Button>
            </div>
            <p class="field-error" role="alert">
                {dynamic(move || view.with(AuditView::problem))}
            </p>
        </form>
    }
}

/// A search field: what is typed reaches the address when the operator pauses.
#[derive(Clone, Copy)]
struct Search {
    state: State,
    text: RwSignal<String>,
    /// What this field has put into the address.
    applied: StoredValue<String>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
    place: fn(&mut AuditView) -> &mut String,
}

impl Search {
    fn new(state: State, place: fn(&mut AuditView) -> &mut String) -> Self {
        let present = memo(move || state.view.with(|view| place(&mut view.clone()).clone()));
        let search = Self {
            state,
            text: RwSignal::new(present.get_untracked()),
            applied: StoredValue::new(present.get_untracked()),
            timer: StoredValue::new_local(None),
            place,
        };
        // Back and links change the address too; what is being typed must not be overwritten by its own effect.
        effect(move || {
            let present = present.get();
            if search.applied.with_value(|applied| *applied != present) {
                search.timer.set_value(None);
                search.applied.set_value(present.clone());
                search.text.set(present);
            }
        });
        on_cleanup(move || search.timer.set_value(None));
        search
    }

    fn type_in(self, text: String) {
        self.text.set(text);
        self.timer.set_value(Some(Timeout::new(TYPING_PAUSE_MS, move || self.apply())));
    }

    fn apply(self) {
        self.timer.set_value(None);
        let wanted = self.text.with_untracked(|text| text.parse::<SearchText>());
        let wanted = wanted.map_or_else(|_| String::new(), String::from);
        self.applied.set_value(wanted.clone());
        self.state.show(true, |view| *(self.place)(view) = wanted);
    }

    fn clear(self) {
        self.timer.set_value(None);
        self.applied.set_value(String::new());
        self.text.set(String::new());
    }
}

fn choices<'a>(all: &str, some: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let some = some.into_iter().map(|(word, label)| (word.to_owned(), label.to_owned()));
    std::iter::once((String::new(), all.to_owned())).chain(some).collect()
}
