//! How the hosts stand: fetched, changed by the feed, and asked again every few seconds while somebody looks, because clocks
//! and room change without an event.

use std::collections::BTreeMap;

use gloo_timers::callback::Interval;
use leptos::prelude::*;
use memdeck_model::{Event, HostId, HostList, HostState, NewHost, Permission, Problem, Timestamp};

use super::words;
use crate::api::{self, ApiError};
use crate::data::{Data, Loader};
use crate::feed::Feed;
use crate::time::{Clock, browser_now};
use crate::ui::Announcer;
use crate::ui::erase::memo;

/// Between two lists.
const LIST_INTERVAL_MS: u32 = 5_000;

/// How far the test of a host is.
#[derive(Clone, Debug, PartialEq)]
pub enum Tested {
    Running,
    /// What it found, when, and after how many milliseconds.
    Told {
        at: Timestamp,
        after_ms: i64,
        host: Box<HostState>,
    },
    /// memdeck itself did not answer, and why.
    Failed(Problem),
}

/// What the operator is asked before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Whether the host is to take no new dumps, or to take them again.
    Drain,
    Remove,
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct HostsState {
    pub hosts: Loader<HostList>,
    /// By the name of the host.
    pub tests: RwSignal<BTreeMap<String, Tested>>,
    /// The host about which the operator is asked something.
    pub asked: RwSignal<Option<(HostId, Ask)>>,
    /// Whether the operator may add and remove hosts.
    pub may_configure: Memo<bool>,
    clock: Clock,
    announcer: Announcer,
}

impl HostsState {
    /// Starts to ask, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            hosts: Loader::new(),
            tests: RwSignal::new(BTreeMap::new()),
            asked: RwSignal::new(None),
            may_configure: Data::expect().overview.may(Permission::Configure),
            clock: Clock::expect(),
            announcer: Announcer::expect(),
        };
        provide_context(state);
        let feed = Feed::expect();
        feed.on_connected(move || state.fetch());
        feed.subscribe(move |event| {
            if let Event::Hosts(hosts) = event {
                state.take(hosts.clone());
            }
        });
        let timer = Interval::new(LIST_INTERVAL_MS, move || {
            if !untrack(|| state.hosts.is_pending()) && !document().hidden() {
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

    /// What `read` finds about the host of this name.
    pub fn find<T>(self, name: StoredValue<String>, read: fn(&HostState) -> T) -> Memo<Option<T>>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        memo(move || {
            let of = |list: &HostList| {
                name.with_value(|name| list.hosts.iter().find(|host| host.name.as_str() == name).map(read))
            };
            self.hosts.with_data(of).flatten()
        })
    }

    /// The host that the operator is asked about.
    pub fn asked_host(self) -> Option<HostState> {
        let (asked, _) = self.asked.get()?;
        let find = |list: &HostList| list.hosts.iter().find(|host| host.name == asked).cloned();
        self.hosts.with_data(find).flatten()
    }

    pub fn fetch(self) {
        self.hosts.fetch(api::fetch_hosts());
    }

    /// Loads everything again because the operator asks for it.
    pub fn refresh(self) {
        Data::expect().refresh();
        self.fetch();
    }

    /// Asks a host at once whether it answers.
    pub fn test(self, name: HostId) {
        self.tests.update(|tests| {
            tests.insert(name.to_string(), Tested::Running);
        });
        let begun = browser_now();
        leptos::task::spawn_local(async move {
            let answer = api::test_host(name.clone()).await;
            let after_ms = (browser_now().unix_micros() - begun.unix_micros()) / 1000;
            let tested = match answer {
                Ok(host) => {
                    self.replace(host.clone());
                    let Some(at) = untrack(|| self.tests.try_with(|_| self.clock.now())) else { return };
                    Tested::Told { at, after_ms, host: Box::new(host) }
                }
                Err(ApiError(problem)) => Tested::Failed(problem),
            };
            self.announcer.say(format!("{name}: {}", words::tested(&tested)));
            let _ = self.tests.try_update(|tests| tests.insert(name.to_string(), tested));
        });
    }

    /// Keeps a host from taking new dumps, or lets it take them again.
    ///
    /// # Errors
    /// That was refused, or memdeck does not answer.
    pub async fn drain(self, name: HostId, drain: bool) -> Result<(), Problem> {
        let host = api::drain_host(name.clone(), drain).await.map_err(|ApiError(problem)| problem)?;
        self.replace(host);
        let now = if drain { "takes no new dumps." } else { "takes new dumps again." };
        self.announcer.say(format!("{name} {now}"));
        Ok(())
    }

    /// Adds a host.
    ///
    /// # Errors
    /// That was refused, or memdeck does not answer.
    pub async fn add(self, host: NewHost) -> Result<(), Problem> {
        let name = host.name.clone();
        let host = api::add_host(host).await.map_err(|ApiError(problem)| problem)?;
        let now = if host.condition.is_up() { "can be used." } else { "cannot be used yet: see its state." };
        self.announcer.say(format!("{name} is added and {now}"));
        self.fetch();
        Ok(())
    }

    /// Removes a host.
    ///
    /// # Errors
    /// That was refused, or memdeck does not answer.
    pub async fn remove(self, name: HostId) -> Result<(), Problem> {
        let hosts = api::remove_host(name.clone()).await.map_err(|ApiError(problem)| problem)?;
        let is_gone = hosts.hosts.iter().all(|host| host.name != name);
        self.hosts.put(hosts);
        let now = if is_gone { "is removed." } else { "goes as soon as its dumps have ended." };
        self.announcer.say(format!("{name} {now}"));
        Ok(())
    }

    fn replace(self, host: HostState) {
        self.hosts.change(|list| {
            if let Some(known) = list.hosts.iter_mut().find(|known| known.name == host.name) {
                *known = host;
            }
        });
    }

    fn take(self, hosts: Vec<HostState>) {
        let timestamp = untrack(|| self.clock.now());
        self.hosts.put(HostList { count: hosts.len(), hosts, timestamp });
    }
}
