//! Which records the table shows: search, days, state, host, mode.

use gloo_timers::callback::Timeout;
use leptos::ev;
use leptos::prelude::*;
use memdeck_model::{CaptureMode, Day, RecordState, SearchText};

use super::super::state::DumpsState;
use super::view::RecordsView;
use super::{History, Records};
use crate::ui::erase::{dynamic, effect, follow, handler, memo};
use crate::ui::{Button, DateField, Icon, IconView, SearchField, Select};

/// As long as somebody types, nothing is searched.
const TYPING_PAUSE_MS: u32 = 250;

/// The id of all filters but the search.
const MORE: &str = "records-filters";

/// The modes that records can have.
const MODES: [CaptureMode; 2] = [CaptureMode::Live, CaptureMode::Frozen];

/// The fields. What they hold is in the address.
#[component]
pub fn Filters() -> impl IntoView {
    let records = DumpsState::expect().records;
    let search = Search::new(records);
    let view = records.view;
    let text_of = |value: Option<String>| value.unwrap_or_default();
    let from = memo(move || text_of(view.with(|view| view.from.map(|day| day.to_string()))));
    let to = memo(move || text_of(view.with(|view| view.to.map(|day| day.to_string()))));
    let state = memo(move || text_of(view.with(|view| view.state.map(|state| state.as_str().to_owned()))));
    let host = memo(move || text_of(view.with(|view| view.host.clone().map(String::from))));
    let mode = memo(move || text_of(view.with(|view| view.mode.map(|mode| mode.as_str().to_owned()))));
    let hosts = memo(move || {
        let mut hosts = records.hosts.with_data(Clone::clone).unwrap_or_default();
        let chosen = host.get();
        // The address may name a host that no record has.
        if !chosen.is_empty() && !hosts.contains(&chosen) {
            hosts.push(chosen);
        }
        choices("All hosts", hosts.into_iter().map(|host| (host.clone(), host)))
    });
    let states =
        choices("All states", RecordState::ALL.map(|state| (state.as_str().to_owned(), state_name(state))));
    let modes = choices("All modes", MODES.map(|mode| (mode.as_str().to_owned(), mode_name(mode))));
    let has_filter = move || view.with(RecordsView::is_filtered) || search.is_typed();
    let reset = move |()| {
        search.clear();
        records.show(History::Push, RecordsView::clear_filter);
    };
    // On a narrow screen only the search is there at once; what is filtered by is not hidden.
    let in_use = memo(move || view.with(others_in));
    let open = RwSignal::new(in_use.get_untracked() > 0);
    let error = move || why_unusable(records, &search);
    view! {
        <form
            class="filters"
            role="search"
            aria-label="Filter the recorded dumps"
            on:submit=handler(move |event: ev::SubmitEvent| {
                event.prevent_default();
                search.apply();
            })
        >
            <div class="filter-search">
                <SearchField
                    id="records-search"
                    label="Search by VM name, id, SHA-256, case or note"
                    placeholder="Name, id, hash, case or note"
                    value=search.text
                    on_input=move |text| search.type_in(text)
                />
            </div>
            <FilterToggle open in_use />
            <div class="filter-more" class:is-open=open id=MORE>
            <DateField
                id="records-from"
                label="From"
                value=from
                max=to
                on_choose=move |day: String| choose_day(records, &day, |view, day| view.from = day)
            />
            <DateField
                id="records-to"
                label="To"
                value=to
                min=from
                on_choose=move |day: String| choose_day(records, &day, |view, day| view.to = day)
            />
            <Select
                id="records-state"
                label="State"
                value=state
                options=Signal::stored(states)
                on_choose=move |word: String| choose(records, |view| view.state = word.parse().ok())
            />
            <Select
                id="records-host"
                label="Host"
                value=host
                options=hosts
                on_choose=move |word: String| choose(records, |view| view.host = word.parse().ok())
            />
            <Select
                id="records-mode"
                label="Mode"
                value=mode
                options=Signal::stored(modes)
                on_choose=move |word: String| choose(records, |view| view.mode = word.parse().ok())
            />
            <div class="filter-reset">
                <Button on_press=reset disabled=Signal::derive(move || !has_filter())>
                    "Reset filters"
                </Button>
            </div>
            </div>
            <p class="field-error filter-error" role="alert">
                {dynamic(error)}
            </p>
        </form>
    }
}

/// Shows and hides the filters on a narrow screen; elsewhere it is not there, and they are.
#[component]
fn FilterToggle(
    /// Whether they are shown.
    open: RwSignal<bool>,
    /// How many are in use.
    in_use: Memo<usize>,
) -> impl IntoView {
    let count = move || {
        let count = in_use.get();
        (count > 0).then(
            || view! { <span class="count">{count}<span class="visually-hidden">" in use"</span></span> },
        )
    };
    view! {
        <button
            type="button"
            class="button filter-toggle"
            aria-expanded=follow(move || open.get().to_string())
            aria-controls=MORE
            on:click=handler(move |_| open.update(|open| *open = !*open))
        >
            "Filters"
            {dynamic(count)}
            <IconView icon=Icon::ChevronDown />
        </button>
    }
}

/// The search field: what is typed reaches the address when the operator pauses.
#[derive(Clone, Copy)]
struct Search {
    records: Records,
    text: RwSignal<String>,
    /// What this field has put into the address.
    applied: StoredValue<String>,
    timer: StoredValue<Option<Timeout>, LocalStorage>,
}

impl Search {
    fn new(records: Records) -> Self {
        let present = memo(move || records.view.with(|view| view.search.clone()));
        let search = Self {
            records,
            text: RwSignal::new(present.get_untracked()),
            applied: StoredValue::new(present.get_untracked()),
            timer: StoredValue::new_local(None),
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

    fn is_typed(self) -> bool {
        self.text.with(|text| !text.trim().is_empty())
    }

    /// Why what is typed cannot be searched for.
    fn error(self) -> Option<String> {
        self.text
            .with(|text| if text.trim().is_empty() { None } else { text.parse::<SearchText>().err() })
            .map(|_| {
                format!(
                    "This cannot be searched for: use at most {} characters and no control characters.",
                    SearchText::MAX_CHARS
                )
            })
    }

    fn type_in(self, text: String) {
        self.text.set(text);
        // Setting another timer stops the one before.
        self.timer.set_value(Some(Timeout::new(TYPING_PAUSE_MS, move || self.apply())));
    }

    fn apply(self) {
        self.timer.set_value(None);
        let wanted = self.text.with_untracked(|text| text.parse::<SearchText>());
        let wanted = wanted.map_or_else(|_| String::new(), String::from);
        self.applied.set_value(wanted.clone());
        self.records.show(History::Replace, |view| {
            if view.search != wanted {
                view.search = wanted;
                view.page = 1;
            }
        });
    }

    fn clear(self) {
        self.timer.set_value(None);
        self.applied.set_value(String::new());
        self.text.set(String::new());
    }
}

/// Why what the fields hold cannot be used.
fn why_unusable(records: Records, search: &Search) -> Option<String> {
    match records.filter_error() {
        Some(_) => Some("The last day is before the first.".to_owned()),
        None => search.error(),
    }
}

/// How many filters but the search are in use.
fn others_in(view: &RecordsView) -> usize {
    let RecordsView { from, to, state, host, mode, .. } = view;
    [from.is_some(), to.is_some(), state.is_some(), host.is_some(), mode.is_some()]
        .into_iter()
        .filter(|is_used| *is_used)
        .count()
}

fn choose(records: Records, change: impl FnOnce(&mut RecordsView)) {
    records.show(History::Push, |view| {
        change(view);
        view.page = 1;
    });
}

/// A day that is typed is one step in the history, not one for every digit; what is no day yet changes nothing.
fn choose_day(records: Records, text: &str, change: fn(&mut RecordsView, Option<Day>)) {
    let day = text.parse().ok();
    if day.is_some() || text.is_empty() {
        records.show(History::Replace, |view| {
            change(view, day);
            view.page = 1;
        });
    }
}

fn choices(all: &str, some: impl IntoIterator<Item = (String, String)>) -> Vec<(String, String)> {
    std::iter::once((String::new(), all.to_owned())).chain(some).collect()
}

fn state_name(state: RecordState) -> String {
    match state {
        RecordState::Complete => "Complete".to_owned(),
        RecordState::Failed => "Failed".to_owned(),
    }
}

fn mode_name(mode: CaptureMode) -> String {
    match mode {
        CaptureMode::Live => "Live".to_owned(),
        CaptureMode::Frozen => "Frozen".to_owned(),
    }
}
