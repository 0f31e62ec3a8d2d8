//! The dump whose inside is looked at, and what is known of it.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{
    DumpId, Event, InsideState, Permission, RecordFilter, RecordPage, RecordQuery, RecordState,
};

use super::view::InsideView;
use crate::api;
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::ui::erase::{effect, memo};
use crate::words::InsideKnown;

/// Between two questions how far the reading is.
const LOOK_INTERVAL_MS: u32 = 1_000;

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// What the address asks for.
    pub view: Memo<InsideView>,
    /// Which dump the address names.
    pub dump: Memo<Option<DumpId>>,
    /// The images that there are.
    pub records: Loader<RecordPage>,
    /// With the dump that it is of.
    pub known: Loader<(DumpId, InsideKnown)>,
    /// Whether the operator may see it.
    pub may_read: Memo<bool>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl State {
    /// Starts to fetch, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let search = use_location().search;
        let view = memo(move || search.with(|query| InsideView::from_query(query)));
        let dump = memo(move || view.with(|view| view.dump.clone()));
        let navigate: Navigate = Box::new(use_navigate());
        let state = Self {
            view,
            dump,
            records: Loader::new(),
            known: Loader::new(),
            may_read: Data::expect().overview.may(Permission::ReadMemory),
            navigate: StoredValue::new_local(navigate),
        };
        provide_context(state);
        let feed = Feed::expect();
        feed.subscribe(move |event| {
            if matches!(event, Event::Record(_)) {
                state.fetch_records();
            }
        });
        feed.on_connected(move || state.fetch_records());
        effect(move || {
            dump.track();
            state.look(false);
        });
        let go_on = move || {
            let is_active = untrack(|| state.state()).is_some_and(InsideState::is_active);
            if is_active && !document().hidden() {
                state.look(false);
            }
        };
        let timer = StoredValue::new_local(Some(Interval::new(LOOK_INTERVAL_MS, go_on)));
        on_cleanup(move || timer.set_value(None));
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// What is known of the dump that the address names.
    pub fn with_known<T>(self, read: impl FnOnce(&InsideKnown) -> T) -> Option<T> {
        let dump = self.dump.get()?;
        self.known.with_data(|(of, known)| (*of == dump).then(|| read(known))).flatten()
    }

    /// How far the reading is, if that is known.
    pub fn state(self) -> Option<InsideState> {
        self.with_known(|known| known.state)
    }

    /// Asks for everything again.
    pub fn refresh(self) {
        self.fetch_records();
        self.look(false);
    }

    /// Asks which images there are.
    pub fn fetch_records(self) {
        let filter = RecordFilter { state: Some(RecordState::Complete), ..RecordFilter::default() };
        let query = RecordQuery { filter, ..RecordQuery::newest(RecordQuery::DEFAULT_LIMIT, 0) };
        self.records.fetch(api::fetch_records(query));
    }

    /// Asks what is known of the dump, and has its image read if that is to begin.
    pub fn look(self, begin: bool) {
        let Some(dump) = self.dump.try_get_untracked().flatten() else { return };
        if self.may_read.get_untracked() {
            let asked = api::ask_inside(dump.clone(), begin);
            self.known.fetch(async move { asked.await.map(|known| (dump, known)) });
        }
    }

    /// Looks at another dump, from the first table on.
    pub fn show_dump(self, dump: Option<DumpId>) {
        self.show(&InsideView { dump, ..InsideView::default() }, false);
    }

    /// Changes what is shown of the dump. What is typed is no step of the browser's history, and a table is.
    pub fn change(self, is_typed: bool, change: impl FnOnce(&mut InsideView)) {
        let mut view = self.view.get_untracked();
        change(&mut view);
        self.show(&view, is_typed);
    }

    fn show(self, view: &InsideView, replace: bool) {
        let options = NavigateOptions { scroll: false, replace, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(&view.href(), options));
    }
}
