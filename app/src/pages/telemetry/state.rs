//! The report of the collector, every two seconds while somebody looks, and what is asked of it here.

use std::collections::VecDeque;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use memdeck_model::telemetry::{CollectorStatus, Diagnosis, HostCollector, TelemetryReport};
use memdeck_model::{HostId, Problem, ProblemKind, Timestamp};

use super::happened::{Happened, Line, happened, take_in};
use crate::api::{self, ApiError};
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::time::Clock;
use crate::ui::erase::{effect, memo};
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::sentence;

/// Between two reports.
const REPORT_INTERVAL_MS: u32 = 2_000;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct TelemetryState {
    /// The collectors of all hosts, where there are several.
    pub hosts: Loader<Vec<HostCollector>>,
    /// The host whose collector is shown: the one in the address, else the first. None where there is one host only.
    pub host: Memo<Option<HostId>>,
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
        let search = use_location().search;
        let hosts = Loader::<Vec<HostCollector>>::new();
        let host = memo(move || {
            let named = search.with(|query| host_in(query));
            let first = || hosts.with_data(|hosts| hosts.first().map(|of| of.host.clone())).flatten();
            named.or_else(first)
        });
        let state = Self {
            hosts,
            host,
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
        let before = StoredValue::new(host.get_untracked());
        effect(move || {
            let host = host.get();
            let is_other = before.with_value(|before| before.is_some() && *before != host);
            before.set_value(host);
            if is_other {
                untrack(|| state.show_other());
            }
        });
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
        self.report.fetch_with(self.look(), move |known, report| self.take(known, report));
    }

    /// The hosts first: which one is shown where none is named depends on them.
    async fn look(self) -> Result<TelemetryReport, ApiError> {
        let hosts = api::fetch_collectors().await?;
        if self.is_switching.try_get_untracked().is_none() {
            // The page was left: nobody waits for an answer.
            return Err(ApiError(Problem::new(ProblemKind::Gone, "")));
        }
        self.hosts.put(hosts);
        api::fetch_collector(self.host.get_untracked()).await
    }

    /// Another host is shown: what is known of the one before is not about it.
    fn show_other(self) {
        self.report.clear();
        self.diagnosis.clear();
        self.activity.set(VecDeque::new());
        self.asked_at.set(None);
        self.fetch();
    }

    /// Loads everything again because the operator asks for it.
    pub fn refresh(self) {
        Data::expect().refresh();
        self.fetch();
    }

    /// Starts or stops the collector.
    pub fn run(self, run: bool) {
        self.is_switching.set(true);
        let host = self.host.get_untracked();
        leptos::task::spawn_local(async move {
            let answer = api::run_collector(host.clone(), run).await;
            if self.is_switching.try_set(false).is_some() {
                return;
            }
            match answer {
                Ok(report) => {
                    let mut known = untrack(|| self.report.with_data(Clone::clone));
                    // Another host may be looked at by now.
                    let is_shown = self.host.get_untracked() == host;
                    if is_shown {
                        self.take(&mut known, report);
                    }
                    if let Some(known) = known.filter(|_| is_shown) {
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
        let host = self.host.get_untracked();
        self.diagnosis.fetch_with(api::diagnose_telemetry(host), move |known, diagnosis| {
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

/// The host that an address names.
fn host_in(query: &str) -> Option<HostId> {
    let mut pairs = form_urlencoded::parse(query.trim_start_matches('?').as_bytes());
    pairs.find(|(name, _)| name == "host").and_then(|(_, host)| host.parse().ok())
}
