//! The trends of the stretch of time that is looked at, and the memory of a guest, fetched again when a dump has ended.

use gloo_timers::callback::Timeout;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{Day, Event, GuestName, GuestTimeline, LastDump, TrendRange, Trends};

use super::view::{TrendsView, address, guest_of};
use crate::api;
use crate::data::Loader;
use crate::feed::Feed;
use crate::time::{Clock, local_date, start_of_local_day};
use crate::ui::erase::{effect, memo};

/// Of dumps that end together only the last is waited for.
const PAUSE_MS: u32 = 1_000;
/// Between two questions about dumps that are not all looked at yet.
const PENDING_MS: u32 = 200;

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// What the address asks for.
    pub view: Memo<TrendsView>,
    pub trends: Loader<Trends>,
    /// Whose memory is looked at.
    pub guest: Memo<Option<GuestName>>,
    /// The guests that were dumped.
    pub guests: Loader<Vec<LastDump>>,
    pub timeline: Loader<GuestTimeline>,
    clock: Clock,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl State {
    /// Starts to fetch, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let search = use_location().search;
        let view = memo(move || search.with(|query| TrendsView::from_query(query)));
        let navigate: Navigate = Box::new(use_navigate());
        let state = Self {
            view,
            trends: Loader::new(),
            guest: memo(move || search.with(|query| guest_of(query))),
            guests: Loader::new(),
            timeline: Loader::new(),
            clock: Clock::expect(),
            navigate: StoredValue::new_local(navigate),
        };
        provide_context(state);
        let timer = StoredValue::new_local(None::<Timeout>);
        let feed = Feed::expect();
        feed.subscribe(move |event| {
            let is_news = match event {
                Event::Record(_) => true,
                Event::Dump(status) => status.exact_state().is_final(),
                _ => false,
            };
            if is_news {
                timer.set_value(Some(Timeout::new(PAUSE_MS, move || {
                    state.fetch();
                    state.fetch_timeline();
                })));
            }
        });
        on_cleanup(move || timer.set_value(None));
        feed.on_connected(move || {
            state.fetch();
            state.fetch_timeline();
        });
        let fetched = StoredValue::new(view.get_untracked());
        effect(move || {
            let view = view.get();
            if fetched.with_value(|fetched| *fetched != view) {
                fetched.set_value(view);
                state.fetch();
            }
        });
        state.follow_guest();
        state
    }

    /// Asks for the memory of another guest when the address names one, and again until all dumps were looked at.
    fn follow_guest(self) {
        let timer = StoredValue::new_local(None::<Timeout>);
        on_cleanup(move || timer.set_value(None));
        effect(move || {
            self.guest.track();
            self.timeline.clear();
            self.fetch_timeline();
        });
        effect(move || {
            if self.timeline.with_data(|timeline| timeline.pending > 0).unwrap_or(false) {
                timer.set_value(Some(Timeout::new(PENDING_MS, move || self.fetch_timeline())));
            }
        });
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Shows another stretch of time. It is a step back in the browser's history.
    pub fn show(self, view: TrendsView) {
        self.go(&address(view, self.guest.get_untracked().as_ref()));
    }

    /// Shows the memory of a guest; of none.
    pub fn show_guest(self, guest: Option<&GuestName>) {
        self.go(&address(self.view.get_untracked(), guest));
    }

    fn go(self, address: &str) {
        let options = NavigateOptions { scroll: false, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(address, options));
    }

    /// Asks for the memory of the guest that the address names.
    pub fn fetch_timeline(self) {
        if let Some(guest) = self.guest.try_get_untracked().flatten() {
            self.timeline.fetch(api::fetch_timeline(guest));
        }
    }

    /// Asks for the trends.
    pub fn fetch(self) {
        if let Some(range) = untrack(|| self.range()) {
            self.trends.fetch(api::fetch_trends(range));
            self.guests.fetch(api::fetch_last_dumps());
        }
    }

    /// Today, as the operator's calendar has it.
    pub fn today(self) -> Option<Day> {
        local_date(self.clock.now_untracked()).parse().ok()
    }

    /// Whole days of the operator's calendar.
    fn range(self) -> Option<TrendRange> {
        match self.view.try_get()? {
            TrendsView::Last(days) => {
                let end = start_of_local_day(self.today()?.next());
                Some(TrendRange::days_before(end, days))
            }
            TrendsView::Between(from, to) => {
                TrendRange::new(start_of_local_day(from), start_of_local_day(to.next())).ok()
            }
        }
    }
}
