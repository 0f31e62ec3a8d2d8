//! The entries that are looked at, and the last check.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::Event;
use memdeck_model::audit::{AuditLines, AuditVerdict};

use super::view::AuditView;
use crate::api;
use crate::data::Loader;
use crate::feed::Feed;
use crate::time::start_of_local_day;
use crate::ui::erase::{effect, memo};

/// Of things that happen together only the last is waited for.
const PAUSE_MS: u32 = 1_000;

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// What the address asks for.
    pub view: Memo<AuditView>,
    pub lines: Loader<AuditLines>,
    pub verdict: Loader<AuditVerdict>,
    /// Whether older entries than those of the first page were fetched: then news does not replace them.
    is_further: StoredValue<bool>,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl State {
    /// Starts to fetch, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let search = use_location().search;
        let view = memo(move || search.with(|query| AuditView::from_query(query)));
        let navigate: Navigate = Box::new(use_navigate());
        let state = Self {
            view,
            lines: Loader::new(),
            verdict: Loader::new(),
            is_further: StoredValue::new(false),
            navigate: StoredValue::new_local(navigate),
        };
        provide_context(state);
        let timer = StoredValue::new_local(None::<Timeout>);
        let feed = Feed::expect();
        feed.subscribe(move |event| {
            let is_news = match event {
                Event::Record(_) | Event::Verification(_) => true,
                Event::Dump(status) => status.exact_state().is_final(),
                _ => false,
            };
            if is_news && !state.is_further.get_value() {
                timer.set_value(Some(Timeout::new(PAUSE_MS, move || state.fetch())));
            }
        });
        on_cleanup(move || timer.set_value(None));
        feed.on_connected(move || state.fetch());
        let fetched = StoredValue::new(view.get_untracked());
        effect(move || {
            let view = view.get();
            if fetched.with_value(|fetched| *fetched != view) {
                fetched.set_value(view);
                state.fetch();
            }
        });
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Looks at other entries. `replace` says that it is no step of its own in the browser's history.
    pub fn show(self, replace: bool, change: impl FnOnce(&mut AuditView)) {
        let mut view = self.view.get_untracked();
        change(&mut view);
        if self.view.with_untracked(|now| *now != view) {
            let options = NavigateOptions { scroll: false, replace, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&view.href(), options));
        }
    }

    /// Asks for the newest entries.
    pub fn fetch(self) {
        let Some(view) = self.view.try_get_untracked() else { return };
        if view.problem().is_none() {
            self.is_further.set_value(false);
            self.lines.fetch(api::fetch_audit(view.query(None, start_of_local_day)));
        }
    }

    /// Asks for older ones, to stand behind those that are there.
    pub fn fetch_older(self) {
        let Some(before) = untrack(|| self.lines.with_data(|lines| lines.next)).flatten() else { return };
        self.is_further.set_value(true);
        let query = self.view.with_untracked(|view| view.query(Some(before), start_of_local_day));
        self.lines.fetch_with(api::fetch_audit(query), |lines, older: AuditLines| {
            let lines = lines.get_or_insert_default();
            lines.lines.extend(older.lines);
            lines.next = older.next;
        });
    }
}
