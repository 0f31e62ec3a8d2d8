//! The schedules, asked for every few seconds while somebody looks, and what is asked of them here.

use std::future::Future;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::schedule::{RunList, Schedule, ScheduleList, ScheduleName};

use crate::api::{self, ApiError};
use crate::data::Loader;
use crate::feed::Feed;
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::sentence;

/// Between two looks. A run moves on once a second, and nobody waits for it here.
const INTERVAL_MS: u32 = 3_000;

/// What the editor holds.
#[derive(Clone, PartialEq)]
pub enum Editing {
    Nothing,
    /// A schedule that is changed, or a new one.
    Of(Option<Box<Schedule>>),
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    pub list: Loader<ScheduleList>,
    /// What the editor holds.
    pub editing: RwSignal<Editing>,
    /// Whose runs are shown.
    pub shown: RwSignal<Option<ScheduleName>>,
    pub runs: Loader<RunList>,
    /// Which one is asked about before it is removed.
    pub removing: RwSignal<Option<Schedule>>,
    announcer: Announcer,
    toaster: Toaster,
}

impl State {
    /// Starts to ask, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            list: Loader::new(),
            editing: RwSignal::new(Editing::Nothing),
            shown: RwSignal::new(None),
            runs: Loader::new(),
            removing: RwSignal::new(None),
            announcer: Announcer::expect(),
            toaster: Toaster::expect(),
        };
        provide_context(state);
        Feed::expect().on_connected(move || state.fetch());
        let timer = Interval::new(INTERVAL_MS, move || {
            if !untrack(|| state.list.is_pending()) && !document().hidden() {
                state.fetch();
            }
        });
        let timer = StoredValue::new_local(Some(timer));
        on_cleanup(move || timer.set_value(None));
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Asks for the schedules, and for the runs that are shown.
    pub fn fetch(self) {
        self.list.fetch(api::fetch_schedules());
        if let Some(name) = self.shown.get_untracked() {
            self.runs.fetch(api::fetch_schedule_runs(name));
        }
    }

    /// Opens the editor, for a new schedule or for one that is there.
    pub fn edit(self, schedule: Option<Schedule>) {
        self.editing.set(Editing::Of(schedule.map(Box::new)));
    }

    /// Shows what became of the runs of a schedule.
    pub fn show_runs(self, name: ScheduleName) {
        self.runs.fetch_with(api::fetch_schedule_runs(name.clone()), |runs, answer| *runs = Some(answer));
        self.shown.set(Some(name));
    }

    pub fn pause(self, name: ScheduleName, paused: bool) {
        let done = if paused { "is paused" } else { "runs again" };
        self.ask(name.clone(), api::pause_schedule(name, paused), done);
    }

    pub fn run_now(self, name: ScheduleName) {
        self.ask(name.clone(), api::run_schedule(name), "has started a run");
    }

    /// Says that something was done, and loads what it has become.
    pub fn tell(self, text: &str) {
        self.announcer.say(text.to_owned());
        self.toaster.show(ToastKind::Success, text);
        self.fetch();
    }

    fn ask<F>(self, name: ScheduleName, request: F, done: &'static str)
    where
        F: Future<Output = Result<Schedule, ApiError>> + 'static,
    {
        leptos::task::spawn_local(async move {
            match request.await {
                Ok(_) => self.tell(&format!("{name} {done}.")),
                Err(ApiError(problem)) => {
                    self.toaster.show(ToastKind::Error, sentence(&problem.detail.to_string()));
                }
            }
        });
    }
}
