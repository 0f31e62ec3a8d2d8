//! The records that the table shows, and how new ones come into it.
//!
//! A record that arrives by itself is put into its place at once, unless that would move what the operator is looking
//! at: with the pointer or the focus in the table, on a page other than the first, or without auto-refresh it is only
//! counted, and appears when they ask for it. While the feed is broken, the server is asked every few seconds.

mod actions;
mod filters;
mod import_notice;
mod options;
mod pager;
mod paging;
mod row;
mod table;
mod view;

use std::collections::BTreeSet;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{
    Actor, DumpId, Event, FilterError, ForeignImport, Record, RecordPage, RecordQuery, Timestamp,
};

use crate::api;
use crate::data::Loader;
use crate::feed::{Connection, Feed};
use crate::time::start_of_local_day;
use crate::ui::erase::{effect, memo};

pub use actions::focus_in_row;
pub use table::RecordsTable;
pub use view::RecordsView;

/// Between two questions while the feed is broken.
const POLL_INTERVAL_MS: u32 = 5_000;

/// A row that the operator points at or is in with the keyboard, and what lies below the rows.
const ROWS_IN_USE: &str = ".records tbody:hover, .records tbody:focus-within, .pager:hover";

/// What a change of the view does to the browser's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Back leads to the view before.
    Push,
    /// It takes the place of the view before: what is typed is one step, not many.
    Replace,
}

/// The table's data and view.
#[derive(Clone, Copy)]
pub struct Records {
    /// What the address asks for.
    pub view: Memo<RecordsView>,
    /// The page of records that is shown.
    pub page: Loader<RecordPage>,
    /// The hosts that records name.
    pub hosts: Loader<Vec<String>>,
    /// How many records arrived and are not shown yet.
    pub unseen: RwSignal<u64>,
    /// The keys of records that arrived while the page was open.
    arrived: StoredValue<BTreeSet<String>>,
    /// What the feed told last of rows that others wrote.
    import: StoredValue<Option<ForeignImport>>,
    /// The deletions among the records that are shown: nothing else of a record changes.
    deletions: Memo<Vec<(DumpId, Deleted)>>,
    /// Whether the details that are shown were opened here: then the entry before in the browser's history is the
    /// table without them.
    details_opened_here: StoredValue<bool>,
    /// Whether the operator waits for the fetch under way.
    is_awaited: RwSignal<bool>,
    query: Memo<Result<RecordQuery, FilterError>>,
    connection: Memo<Connection>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

/// What happened to the image of a dump instead of being kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// When it was deleted.
    pub at: Timestamp,
    /// By whom, if that is known.
    pub by: Option<Actor>,
}

impl Deleted {
    /// Of an image that is there still: none.
    pub fn of(record: &Record) -> Option<Self> {
        record.deleted_at.map(|at| Self { at, by: record.deleted_by.clone() })
    }
}

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

impl Records {
    /// Starts fetching and listening. Call it where the page's routes are.
    pub fn new() -> Self {
        let feed = Feed::expect();
        // The raw text: the router's own map of parameters decodes them twice.
        let search = use_location().search;
        let view = memo(move || search.with(|query| RecordsView::from_query(query)));
        let page = Loader::<RecordPage>::new();
        let records = Self {
            view,
            page,
            hosts: Loader::new(),
            unseen: RwSignal::new(0),
            arrived: StoredValue::new(BTreeSet::new()),
            import: StoredValue::new(None),
            deletions: memo(move || page.with_data(deletions_of).unwrap_or_default()),
            details_opened_here: StoredValue::new(false),
            is_awaited: RwSignal::new(true),
            query: memo(move || view.with(|view| view.query(start_of_local_day))),
            connection: feed.connection(),
            navigate: StoredValue::new_local(Box::new(use_navigate())),
        };
        feed.subscribe(move |event| match event {
            Event::Record(record) => records.hear(record),
            Event::Import(import) => records.hear_import(import),
            _ => {}
        });
        feed.on_connected(move || {
            records.fetch_hosts();
            records.refresh();
        });
        Effect::new(move |before: Option<Result<RecordQuery, FilterError>>| {
            let query = records.query.get();
            if before.is_some_and(|before| before != query) {
                untrack(|| records.fetch());
            }
            query
        });
        effect(move || {
            if view.with(|view| view.dump.is_none()) {
                records.details_opened_here.set_value(false);
            }
        });
        records.poll();
        records
    }

    /// Shows the details of a dump. Back leads to the table as it is.
    pub fn open_details(self, dump: &str) {
        self.details_opened_here.set_value(true);
        self.show(History::Push, |view| view.dump = Some(dump.to_owned()));
    }

    /// Shows the table without details, and leaves no step in the browser's history that would bring them back.
    pub fn close_details(self) {
        if self.view.with_untracked(|view| view.dump.is_none()) {
            return;
        }
        let is_step_back = self.details_opened_here.get_value();
        if !(is_step_back && window().history().is_ok_and(|history| history.back().is_ok())) {
            self.show(History::Replace, |view| view.dump = None);
        }
    }

    /// What became of the image of a dump that is shown, if it was deleted.
    pub fn deletion_of(self, dump: &DumpId) -> Option<Deleted> {
        let of_dump = |deletions: &Vec<(DumpId, Deleted)>| {
            deletions.iter().find(|(id, _)| id == dump).map(|(_, deleted)| deleted.clone())
        };
        self.deletions.with(of_dump)
    }

    /// Shows the table in another way.
    pub fn show(self, history: History, change: impl FnOnce(&mut RecordsView)) {
        let before = self.view.get_untracked();
        let mut view = before.clone();
        change(&mut view);
        if view != before {
            // The operator stays where they look.
            let replace = history == History::Replace;
            let options = NavigateOptions { replace, scroll: false, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&view.href(), options));
        }
    }

    /// Why the filter cannot be used.
    pub fn filter_error(self) -> Option<FilterError> {
        self.query.with(|query| query.as_ref().err().copied())
    }

    /// Whether the operator waits for records.
    pub fn is_loading(self) -> bool {
        self.is_awaited.get() && self.page.is_pending()
    }

    /// Whether the record came while the page was open.
    pub fn has_arrived(self, record: &Record) -> bool {
        self.arrived.with_value(|arrived| arrived.contains(&paging::key_of(record)))
    }

    /// Whether the feed brings new records.
    pub fn is_followed(self) -> bool {
        self.connection.get() == Connection::Current
    }

    /// Fetches what the address asks for, because the operator wants to see it.
    pub fn fetch(self) {
        let Ok(query) = self.query.get_untracked() else { return };
        self.is_awaited.set(true);
        self.page.fetch_with(api::fetch_records(query), move |shown, page| {
            self.unseen.set(0);
            *shown = Some(page);
        });
    }

    /// Fetches what the address asks for; rows stay as they are while the operator is busy with them.
    pub fn refresh(self) {
        let Ok(query) = self.query.get_untracked() else { return };
        self.is_awaited.set(untrack(|| !self.page.has_data()));
        self.page.fetch_with(api::fetch_records(query), move |shown, page| match shown {
            Some(shown) if !paging::same_rows(shown, &page) && self.must_hold() => {
                let more = page.total.saturating_sub(shown.total).max(1);
                self.unseen.set(more);
            }
            _ => {
                self.unseen.set(0);
                *shown = Some(page);
            }
        });
    }

    /// Shows the records that were held back: they are on the first page.
    pub fn show_unseen(self) {
        if self.view.with_untracked(|view| view.page) > 1 {
            self.show(History::Push, |view| view.page = 1);
        } else {
            self.fetch();
        }
    }

    fn fetch_hosts(self) {
        self.hosts.fetch(api::fetch_record_hosts());
    }

    /// Takes in a record that is new, or whose image was deleted.
    pub fn hear(self, record: &Record) {
        let is_deletion = record.deleted_at.is_some();
        if !is_deletion {
            self.arrived.update_value(|arrived| {
                arrived.insert(paging::key_of(record));
            });
        }
        let is_new_host = record.host.as_ref().is_some_and(|host| {
            untrack(|| self.hosts.with_data(|hosts| !hosts.contains(host))).unwrap_or(false)
        });
        if is_new_host {
            self.fetch_hosts();
        }
        let Ok(query) = self.query.get_untracked() else { return };
        if !query.filter.matches(record) {
            return;
        }
        if untrack(|| self.page.is_pending()) {
            self.fetch_again();
            return;
        }
        let mut is_shown = false;
        self.page.change(|page| is_shown = paging::replace(page, record));
        if is_shown {
            return;
        }
        if is_deletion {
            // Of a record on another page, nearly always; a new one that came with its deletion is counted by this.
            self.refresh();
            return;
        }
        if self.must_hold() {
            self.unseen.update(|unseen| *unseen = unseen.saturating_add(1));
        } else if self.unseen.get_untracked() > 0 {
            self.refresh();
        } else {
            self.page.change(|page| paging::take_in(page, record.clone(), query.sort));
        }
    }

    /// Takes in what became of rows that others wrote: they come many at once, and anywhere in the table.
    fn hear_import(self, import: &ForeignImport) {
        let before = self.import.try_update_value(|known| known.replace(import.clone())).flatten();
        // Of the first word it is only known that the answer under way may be older.
        let is_news = before.map_or_else(
            || untrack(|| self.page.is_pending()),
            |before| import.has_other_records_than(&before),
        );
        if is_news {
            self.fetch_hosts();
            self.fetch_again();
        }
    }

    /// Fetches what something new may belong to; an answer under way may be older than that.
    fn fetch_again(self) {
        if untrack(|| self.page.is_pending()) && self.is_awaited.get_untracked() {
            self.fetch();
        } else {
            self.refresh();
        }
    }

    /// Whether new rows would move what the operator is looking at, or are not wanted.
    fn must_hold(self) -> bool {
        let is_elsewhere = self.view.with_untracked(|view| !view.auto_refresh || view.page > 1);
        is_elsewhere || document().query_selector(ROWS_IN_USE).is_ok_and(|rows| rows.is_some())
    }

    fn poll(self) {
        let timer = Interval::new(POLL_INTERVAL_MS, move || {
            let wants_it = self.view.try_with_untracked(|view| view.auto_refresh).unwrap_or(false);
            if wants_it && self.connection.get_untracked() != Connection::Current && !document().hidden() {
                self.refresh();
            }
        });
        let timer = StoredValue::new_local(Some(timer));
        on_cleanup(move || timer.set_value(None));
    }
}

fn deletions_of(page: &RecordPage) -> Vec<(DumpId, Deleted)> {
    let deleted =
        page.records.iter().filter_map(|record| Some((record.dump_id.clone()?, Deleted::of(record)?)));
    deleted.collect()
}
