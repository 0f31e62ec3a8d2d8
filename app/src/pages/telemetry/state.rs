//! The report of the collector, every two seconds while somebody looks, and what is asked of it here.

use std::collections::VecDeque;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::Timestamp;
use memdeck_model::telemetry::{CollectorStatus, Diagnosis, TelemetryReport};

use super::happened::{Happened, Line, happened, take_in};
use crate::api::{self, ApiError};
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::time::Clock;
use crate::ui::erase::memo;
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::sentence;

/// Between two reports.
const REPORT_INTERVAL_MS: u32 = 2_000;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct TelemetryState {
    /// The newest report.
    pub report: Loader<TelemetryReport>,
    /// What happened to the collector, newest first.
    pub activity: RwSignal<VecDeque<Line>>,
    /// What was tried when the operator asked for it last.
    pub diagnosis: Loader<Diagnosis>,
    /// When they asked, once they have.
    pub asked_at: RwSignal<Option<Timestamp>>,
    /// Whether the collector was asked to start or stop, and has not answered.
    pub is_switching: RwSignal<bool>,
    clock: Clock,
    announcer: Announcer,
    toaster: Toaster,
}

impl TelemetryState {
    /// Starts to ask, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            report: Loader::new(),
            activity: RwSignal::new(VecDeque::new()),
            diagnosis: Loader::new(),
            asked_at: RwSignal::new(None),
            is_switching: RwSignal::new(false),
            clock: Clock::expect(),
            announcer: Announcer::expect(),
            toaster: Toaster::expect(),
        };
        provide_context(state);
        Feed::expect().on_connected(move || state.fetch());
        let timer = Interval::new(REPORT_INTERVAL_MS, move || {
            let is_idle = !untrack(|| state.report.is_pending()) && !state.is_switching.get_untracked();
            if is_idle && !document().hidden() {
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

    /// What `read` finds in the newest report.
    pub fn find<T>(self, read: fn(&CollectorStatus) -> T) -> Memo<Option<T>>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        memo(move || self.report.with_data(|report| read(&report.status)))
    }

    /// Asks for the report.
    pub fn fetch(self) {
        self.report.fetch_with(api::fetch_collector(), move |known, report| self.take(known, report));
    }

    /// Loads everything again because the operator asks for it.
    pub fn refresh(self) {
        Data::expect().refresh();
        self.fetch();
    }

    /// Starts or stops the collector.
    pub fn run(self, run: bool) {
        self.is_switching.set(true);
        leptos::task::spawn_local(async move {
            let answer = api::run_collector(run).await;
            if self.is_switching.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(report) => {
                    let mut known = untrack(|| self.report.with_data(Clone::clone));
                    self.take(&mut known, report);
                    if let Some(known) = known {
                        self.report.put(known);
                    }
                    self.announcer.say(if run { "The collector runs." } else { "The collector is stopped." });
                }
                Err(ApiError(problem)) => {
                    let what = if run { "started" } else { "stopped" };
                    let why = sentence(&problem.detail.to_string());
                    self.toaster.show(ToastKind::Error, format!("The collector could not be {what}. {why}"));
                }
            }
        });
    }

    /// Tries everything that telemetry needs.
    pub fn diagnose(self) {
        self.asked_at.set(Some(untrack(|| self.clock.now())));
        self.diagnosis.fetch_with(api::diagnose_telemetry(), move |known, diagnosis| {
            self.announcer.say(super::words::spoken(&diagnosis));
            *known = Some(diagnosis);
        });
    }

    fn take(self, known: &mut Option<TelemetryReport>, report: TelemetryReport) {
        let now = untrack(|| self.clock.now());
        let news: Vec<Happened> = happened(known.as_ref().map(|known| &known.status), &report.status);
        if !news.is_empty() {
            self.activity.update(|lines| news.into_iter().for_each(|news| take_in(lines, news, now)));
        }
        *known = Some(report);
    }
}
