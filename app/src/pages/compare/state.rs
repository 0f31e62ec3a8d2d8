//! The two dumps that are compared, and what came of it.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{
    ComparedBytes, DrawnComparison, DumpId, Event, GuestPhysAddr, MapView, RecordFilter, RecordPage,
    RecordQuery, RecordState,
};

use super::dumps::{GuestDumps, by_guest};
use super::view::CompareView;
use crate::api;
use crate::data::Loader;
use crate::feed::Feed;
use crate::time::local_time;
use crate::ui::erase::{effect, memo};

/// Cells of the map: 64 rows of 64.
const CELLS: u32 = 4096;

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// What the address asks for.
    pub view: Memo<CompareView>,
    pub records: Loader<RecordPage>,
    /// What can be compared.
    pub guests: Memo<Vec<GuestDumps>>,
    pub drawn: Loader<DrawnComparison>,
    pub bytes: Loader<ComparedBytes>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl State {
    /// Starts to fetch, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let search = use_location().search;
        let view = memo(move || search.with(|query| CompareView::from_query(query)));
        let records = Loader::<RecordPage>::new();
        let guests = memo(move || {
            let told = |record: &memdeck_model::Record| {
                let taken = local_time(record.timestamp);
                format!("{} {}", taken.date, taken.clock)
            };
            records.with_data(|page| by_guest(&page.records, told)).unwrap_or_default()
        });
        let navigate: Navigate = Box::new(use_navigate());
        let state = Self {
            view,
            records,
            guests,
            drawn: Loader::new(),
            bytes: Loader::new(),
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
        let drawn = memo(move || view.with(|view| (view.pair(), view.part)));
        effect(move || {
            if let (Some((first, second)), part) = drawn.get() {
                state.draw(first, second, part);
            }
        });
        let shown = memo(move || view.with(|view| (view.pair(), view.page)));
        effect(move || {
            if let (Some((first, second)), Some(page)) = shown.get() {
                state.bytes.fetch(api::compare_page(first, second, page));
            }
        });
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Asks for everything again.
    pub fn refresh(self) {
        self.fetch_records();
        self.compare();
    }

    /// Asks which images there are.
    pub fn fetch_records(self) {
        let filter = RecordFilter { state: Some(RecordState::Complete), ..RecordFilter::default() };
        let query = RecordQuery { filter, ..RecordQuery::newest(RecordQuery::DEFAULT_LIMIT, 0) };
        self.records.fetch(api::fetch_records(query));
    }

    /// Compares the dumps that the address names.
    pub fn compare(self) {
        let Some(view) = self.view.try_get_untracked() else { return };
        if let Some((first, second)) = view.pair() {
            self.draw(first, second, view.part);
        }
    }

    fn draw(self, first: DumpId, second: DumpId, part: Option<(GuestPhysAddr, GuestPhysAddr)>) {
        let whole = MapView::whole(CELLS);
        let drawn = part.map_or(whole, |(from, until)| MapView { from, until, ..whole });
        self.drawn.fetch(api::compare_dumps(first, second, drawn));
    }

    /// Compares two other dumps: all of their memory.
    pub fn show_pair(self, first: Option<DumpId>, second: Option<DumpId>) {
        self.show(&CompareView { first, second, ..CompareView::default() });
    }

    /// Shows a part of memory on the map; all of it for none.
    pub fn show_part(self, part: Option<(GuestPhysAddr, GuestPhysAddr)>) {
        self.show(&CompareView { part, page: None, ..self.view.get_untracked() });
    }

    /// Shows the bytes of a page; those of none.
    pub fn show_page(self, page: Option<GuestPhysAddr>) {
        self.show(&CompareView { page, ..self.view.get_untracked() });
    }

    /// Each is a step back in the browser's history.
    fn show(self, view: &CompareView) {
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(&view.href(), options));
    }
}
