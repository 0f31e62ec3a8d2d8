//! Figures over all records, and the health of the parts memdeck depends on.

use leptos::prelude::*;
use memdeck_model::{Capabilities, Event, ForeignImport, FrozenPause, Permission, Rights};

use super::load::Loader;
use crate::api::{self, Overview};
use crate::time::Clock;
use crate::ui::erase::memo;

/// The newest overview.
#[derive(Clone, Copy)]
pub struct OverviewStore {
    overview: Loader<Overview>,
    clock: Clock,
}

impl OverviewStore {
    pub(super) fn new() -> Self {
        Self { overview: Loader::new(), clock: Clock::expect() }
    }

    /// Reads it, once it is known.
    pub fn with<T>(self, read: impl FnOnce(&Overview) -> T) -> Option<T> {
        self.overview.with_data(read)
    }

    /// Whether it was never fetched, and the first fetch goes on.
    pub fn is_loading(self) -> bool {
        !self.overview.has_data() && self.overview.problem().is_none()
    }

    /// Why it could not be fetched.
    pub fn why_failed(self) -> Memo<Option<String>> {
        self.overview.why_failed()
    }

    /// What `read` finds in it, if it is known and holds anything there.
    pub fn find(self, read: fn(&Overview) -> Option<String>) -> Memo<Option<String>> {
        memo(move || self.overview.with_data(read).flatten())
    }

    /// Whether the dump service can do what `read` says. Before it was asked, nothing is ruled out.
    pub fn can(self, read: fn(&Capabilities) -> bool) -> Memo<bool> {
        memo(move || self.overview.with_data(|overview| read(&overview.service.capabilities)).unwrap_or(true))
    }

    /// What the operator may do. Before that is known, nothing is ruled out: the server decides.
    pub fn rights(self) -> Rights {
        self.overview.with_data(|overview| overview.rights).unwrap_or(Rights::ALL)
    }

    /// Whether the operator may do something.
    pub fn may(self, permission: Permission) -> Memo<bool> {
        memo(move || self.rights().may(permission))
    }

    /// The pause limit and what was measured, on the host that takes the dumps; `None` while that is not known.
    pub fn frozen_pause(self) -> Option<FrozenPause> {
        self.overview.with_data(|overview| overview.frozen_pause).flatten()
    }

    /// How far the rows that other tools wrote have been read, where there is a store of such rows.
    pub fn import(self) -> Option<ForeignImport> {
        self.overview.with_data(|overview| overview.import.clone()).flatten()
    }

    /// Whether what is shown, or asked for, may not count the records of such rows.
    pub(super) fn is_outdated_by(self, import: &ForeignImport) -> bool {
        let misses = |known: ForeignImport| import.has_other_records_than(&known);
        untrack(|| self.overview.is_pending() || self.import().is_some_and(misses))
    }

    /// Fetches it.
    pub fn fetch(self) {
        self.overview.fetch_with(api::fetch_overview(), move |data, overview| {
            self.clock.adjust(overview.server_time);
            *data = Some(overview);
        });
    }

    pub(super) fn hear(self, event: &Event) {
        self.overview.change(|overview| match event {
            Event::Service(health) => overview.service = health.clone(),
            Event::Hypervisor(error) => overview.hypervisor.clone_from(error),
            Event::Storage(notice) => overview.storage.clone_from(notice),
            Event::Import(import) => overview.import = Some(import.clone()),
            Event::Hosts(hosts) => overview.hosts.clone_from(hosts),
            Event::Dump(_)
            | Event::Record(_)
            | Event::Verification(_)
            | Event::Guests(_)
            | Event::Sample(_)
            | Event::Summaries(_) => {}
        });
    }
}
