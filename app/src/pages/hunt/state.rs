//! The hunts, the one that is looked at, and what the form holds.

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_location, use_navigate};
use memdeck_model::{
    Event, Hunt, HuntDetails, HuntHits, HuntId, HuntList, Permission, RecordFilter, RecordPage, RecordQuery,
    RecordState,
};

use super::draft::Draft;
use super::view::{HuntView, address_of};
use super::words::ended;
use crate::api::{self, ApiError};
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::shortcuts::focus_on;
use crate::ui::erase::{effect, memo};
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::sentence;

/// Between two questions how far a hunt is.
const LOOK_INTERVAL_MS: u32 = 1_000;
/// Hits that are fetched at once.
const HITS: u32 = 50;
/// The heading of a hunt that is looked at.
pub const TITLE: &str = "hunt-title";

type Navigate = Box<dyn Fn(&str, NavigateOptions)>;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// Which hunt the address names.
    pub shown: Memo<Option<HuntId>>,
    /// The images that there are.
    pub records: Loader<RecordPage>,
    pub hunts: Loader<HuntList>,
    pub details: Loader<HuntDetails>,
    /// What a hunt found, as far as it was fetched.
    pub hits: Loader<(HuntId, HuntHits)>,
    /// What the form holds, also while a hunt is looked at.
    pub draft: Draft,
    /// Which one is asked about before it is removed.
    pub removing: RwSignal<Option<Hunt>>,
    /// Whether the operator may do anything here.
    pub may_read: Memo<bool>,
    announcer: Announcer,
    toaster: Toaster,
    navigate: StoredValue<Navigate, LocalStorage>,
}

impl State {
    /// Starts to fetch, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let search = use_location().search;
        let view = memo(move || search.with(|query| HuntView::from_query(query)));
        let navigate: Navigate = Box::new(use_navigate());
        let state = Self {
            shown: memo(move || view.with(|view| view.hunt.clone())),
            records: Loader::new(),
            hunts: Loader::new(),
            details: Loader::new(),
            hits: Loader::new(),
            draft: Draft::new(),
            removing: RwSignal::new(None),
            may_read: Data::expect().overview.may(Permission::ReadMemory),
            announcer: Announcer::expect(),
            toaster: Toaster::expect(),
            navigate: StoredValue::new_local(navigate),
        };
        provide_context(state);
        effect(move || {
            if let Some(dump) = view.with(|view| view.dump.clone()) {
                state.draft.choose_dump(dump);
            }
        });
        let feed = Feed::expect();
        feed.subscribe(move |event| {
            if matches!(event, Event::Record(_)) {
                state.fetch_records();
            }
        });
        feed.on_connected(move || state.fetch());
        state.follow();
        state.keep_focus();
        let go_on = move || {
            let is_active = |list: &HuntList| list.hunts.iter().any(|hunt| !hunt.state.is_final());
            let is_active = untrack(|| state.hunts.with_data(is_active)).unwrap_or_default();
            if is_active && !document().hidden() {
                state.fetch_hunts();
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

    /// What is shown of a hunt follows the list, which is looked at while one runs.
    fn follow(self) {
        let listed = memo(move || self.shown.get().and_then(|id| self.find(&id)));
        effect(move || {
            let (Some(id), listed) = (self.shown.get(), listed.get()) else { return };
            let known = untrack(|| self.with_shown(|details| details.hunt.clone()));
            if known.is_none() || listed != known {
                self.fetch_details(id);
            }
        });
        // The first hits are fetched once; each look is noted in the audit.
        let has_hits = memo(move || {
            let has_hits = |details: &HuntDetails| details.dumps.iter().any(|dump| dump.hits > 0);
            self.shown.get().filter(|_| self.with_shown(has_hits).unwrap_or_default())
        });
        effect(move || {
            if let Some(id) = has_hits.get() {
                self.fetch_hits(id, 0);
            }
        });
        Effect::new(move |before: Option<Vec<Hunt>>| {
            let now = self.hunts.with_data(|list| list.hunts.clone()).unwrap_or_default();
            for hunt in before.iter().flatten().filter(|hunt| !hunt.state.is_final()) {
                if let Some(end) = now.iter().find(|other| other.id == hunt.id && other.state.is_final()) {
                    self.announcer.say(ended(end));
                }
            }
            now
        });
    }

    /// Whoever goes to a hunt is at its heading, and whoever comes back at its row.
    fn keep_focus(self) {
        Effect::new(move |before: Option<Option<HuntId>>| {
            let now = self.shown.get();
            // The page that is opened has its own place to begin.
            let Some(before) = before else { return now };
            let target = if now.is_some() { Some(TITLE.to_owned()) } else { before.as_ref().map(row_of) };
            request_animation_frame(move || focus_on(&target.unwrap_or_default()));
            now
        });
    }

    /// A hunt of the list.
    pub fn find(self, id: &HuntId) -> Option<Hunt> {
        self.hunts.with_data(|list| list.hunts.iter().find(|hunt| hunt.id == *id).cloned()).flatten()
    }

    /// What is known of the hunt that the address names.
    pub fn with_shown<T>(self, read: impl FnOnce(&HuntDetails) -> T) -> Option<T> {
        let shown = self.shown.get()?;
        self.details.with_data(|details| (details.hunt.id == shown).then(|| read(details))).flatten()
    }

    /// What was fetched of what that hunt found.
    pub fn with_hits<T>(self, read: impl FnOnce(&HuntHits) -> T) -> Option<T> {
        let shown = self.shown.get()?;
        self.hits.with_data(|(of, hits)| (*of == shown).then(|| read(hits))).flatten()
    }

    fn fetch(self) {
        self.fetch_records();
        self.fetch_hunts();
    }

    /// Asks for everything again.
    pub fn refresh(self) {
        self.fetch();
        if let Some(id) = self.shown.get_untracked() {
            self.fetch_details(id);
        }
    }

    /// Asks which images there are.
    pub fn fetch_records(self) {
        let filter = RecordFilter { state: Some(RecordState::Complete), ..RecordFilter::default() };
        let query = RecordQuery { filter, ..RecordQuery::newest(RecordQuery::DEFAULT_LIMIT, 0) };
        self.records.fetch(api::fetch_records(query));
    }

    /// Asks how the hunts stand.
    pub fn fetch_hunts(self) {
        if self.may_read.get_untracked() {
            self.hunts.fetch(api::fetch_hunts());
        }
    }

    /// Asks for a hunt with its patterns and dumps.
    pub fn fetch_details(self, id: HuntId) {
        if self.may_read.get_untracked() {
            self.details.fetch(api::fetch_hunt(id));
        }
    }

    /// Asks for what a hunt found behind the hit of that number, to stand behind what is there.
    pub fn fetch_hits(self, id: HuntId, after: u32) {
        let request = api::fetch_hunt_hits(id.clone(), after, HITS);
        self.hits.fetch_with(request, move |known, page: HuntHits| match known {
            Some((of, hits)) if *of == id && after > 0 => {
                hits.hits.extend(page.hits);
                hits.next = page.next;
            }
            _ => *known = Some((id, page)),
        });
    }

    /// Looks at a hunt that was just asked for.
    pub fn show_new(self, hunt: &Hunt) {
        self.toaster.show(ToastKind::Success, "The hunt is queued.");
        self.fetch_hunts();
        let options = NavigateOptions { scroll: true, ..NavigateOptions::default() };
        self.navigate.with_value(|navigate| navigate(&address_of(Some(&hunt.id)), options));
    }

    /// Cancels a hunt; `asked` is unset where that is refused.
    pub fn cancel(self, id: HuntId, asked: RwSignal<bool>) {
        leptos::task::spawn_local(async move {
            match api::cancel_hunt(id).await {
                Ok(_) => self.toaster.show(ToastKind::Success, "The hunt ends. What it found stays."),
                Err(ApiError(problem)) => {
                    let _ = asked.try_set(false);
                    self.toaster.show(ToastKind::Error, sentence(&problem.detail.to_string()));
                }
            }
            self.fetch_hunts();
        });
    }

    /// A hunt is gone: nobody looks at it any more.
    pub fn forget(self, id: &HuntId) {
        self.toaster.show(ToastKind::Success, "The hunt is removed.");
        self.hunts.change(|list| list.hunts.retain(|hunt| hunt.id != *id));
        self.fetch_hunts();
        if self.shown.get_untracked().as_ref() == Some(id) {
            let options = NavigateOptions { replace: true, ..NavigateOptions::default() };
            self.navigate.with_value(|navigate| navigate(&address_of(None), options));
        }
    }
}

/// The id of the link to a hunt.
pub fn row_of(id: &HuntId) -> String {
    format!("hunt-{id}")
}
