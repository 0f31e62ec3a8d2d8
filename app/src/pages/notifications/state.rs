//! Targets, rules and messages, asked for every few seconds while somebody looks, and what is asked of them here.

use std::collections::BTreeMap;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::notice::{
    DeliveryLog, DeliveryQuery, Rule, RuleList, Target, TargetList, TargetName, TestResult,
};

use crate::api::{self, ApiError};
use crate::data::Loader;
use crate::feed::Feed;
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::sentence;

/// Between two looks: a message that fails is tried again after seconds at first.
const INTERVAL_MS: u32 = 3_000;

/// The most messages that are shown.
pub const MOST_SHOWN: u32 = 100;

/// What the dialog of targets holds.
#[derive(Clone, PartialEq)]
pub enum Editing {
    Nothing,
    /// A target that is changed, or a new one.
    Of(Option<Box<Target>>),
}

/// What is asked about before it is removed.
#[derive(Clone, PartialEq)]
pub enum Removing {
    Target(Target),
    Rule(Rule),
}

/// How the last test of a target goes, or went.
#[derive(Clone, PartialEq)]
pub enum Tried {
    Running,
    Done(TestResult),
    /// It was not tried, and why.
    Refused(String),
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    pub targets: Loader<TargetList>,
    pub rules: Loader<RuleList>,
    pub log: Loader<DeliveryLog>,
    /// Messages of which state are shown; empty for all.
    pub shown: RwSignal<String>,
    pub editing: RwSignal<Editing>,
    pub removing: RwSignal<Option<Removing>>,
    pub tried: RwSignal<BTreeMap<TargetName, Tried>>,
    announcer: Announcer,
    toaster: Toaster,
}

impl State {
    /// Starts to ask, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            targets: Loader::new(),
            rules: Loader::new(),
            log: Loader::new(),
            shown: RwSignal::new(String::new()),
            editing: RwSignal::new(Editing::Nothing),
            removing: RwSignal::new(None),
            tried: RwSignal::new(BTreeMap::new()),
            announcer: Announcer::expect(),
            toaster: Toaster::expect(),
        };
        provide_context(state);
        Feed::expect().on_connected(move || state.fetch());
        let timer = Interval::new(INTERVAL_MS, move || {
            if !untrack(|| state.log.is_pending()) && !document().hidden() {
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

    pub fn fetch(self) {
        self.targets.fetch(api::fetch_notice_targets());
        self.rules.fetch(api::fetch_notice_rules());
        self.fetch_log();
    }

    fn fetch_log(self) {
        let state = self.shown.with_untracked(|state| state.parse().ok());
        let query = DeliveryQuery { state, limit: MOST_SHOWN, ..DeliveryQuery::default() };
        self.log.fetch(api::fetch_deliveries(query));
    }

    /// Shows messages of one state, or of all.
    pub fn show(self, state: String) {
        self.shown.set(state);
        self.fetch_log();
    }

    /// Sends a message to a target now.
    pub fn try_target(self, name: TargetName) {
        self.tried.update(|tried| {
            tried.insert(name.clone(), Tried::Running);
        });
        leptos::task::spawn_local(async move {
            let tried = match api::test_notice_target(name.clone()).await {
                Ok(result) => Tried::Done(result),
                Err(ApiError(problem)) => Tried::Refused(problem.detail.to_string()),
            };
            // Whoever left meanwhile has taken the signal along.
            let _ = self.tried.try_update(|all| all.insert(name, tried));
        });
    }

    /// Sends a message again that was given up.
    pub fn retry(self, id: String) {
        leptos::task::spawn_local(async move {
            match api::retry_delivery(id).await {
                Ok(delivery) => self.tell(&format!("The message to {} is sent again.", delivery.target)),
                Err(ApiError(problem)) => {
                    self.toaster.show(ToastKind::Error, sentence(&problem.detail.to_string()));
                    self.fetch();
                }
            }
        });
    }

    /// Says that something was done, and loads what it has become.
    pub fn tell(self, text: &str) {
        self.announcer.say(text.to_owned());
        self.toaster.show(ToastKind::Success, text);
        self.fetch();
    }
}
