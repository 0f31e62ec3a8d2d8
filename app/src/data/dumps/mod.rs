//! The dumps that wait or run, and for a while those that ended: what the server says of them, and what the operator wants
//! to become of them.

mod jobs;
mod rate;
#[cfg(test)]
pub mod tests;
mod words;

use leptos::prelude::*;
use memdeck_model::{DumpId, DumpStatus};

use super::load::Loader;
use super::overview::OverviewStore;
use crate::api::{self, ApiError};
use crate::time::browser_now;
use crate::ui::{Announcer, Toaster};
use crate::words::placed;
use jobs::Change;
use words::outcome_of;

pub use jobs::{Cancel, Job, Jobs};
pub use words::{figures_of, result_of};

/// Dumps that wait, run or ended lately, kept up to date by the feed, and what the operator asks of them.
#[derive(Clone, Copy)]
pub struct Dumps {
    jobs: Loader<Jobs>,
    overview: OverviewStore,
    toaster: Toaster,
    announcer: Announcer,
}

impl Dumps {
    pub(super) fn new(overview: OverviewStore) -> Self {
        Self { jobs: Loader::new(), overview, toaster: Toaster::expect(), announcer: Announcer::expect() }
    }

    /// Reads them, once they are known.
    pub fn with<T>(self, read: impl FnOnce(&Jobs) -> T) -> Option<T> {
        self.jobs.with_data(read)
    }

    /// Why they could not be fetched.
    pub fn why_failed(self) -> Memo<Option<String>> {
        self.jobs.why_failed()
    }

    /// Fetches them.
    pub fn fetch(self) {
        let active_before = untrack(|| self.with(Jobs::active_ids)).unwrap_or_default();
        self.jobs.fetch_with(api::fetch_dumps(), move |data, list| {
            data.get_or_insert_default().reconcile(list, &active_before, browser_now());
        });
    }

    /// Takes in the present state of a dump. If it has ended, a toast says how.
    pub fn hear(self, status: &DumpStatus) {
        let mut change = Change::Ordinary;
        let mut was_asked = false;
        self.jobs.change_or_default(|jobs| {
            was_asked = jobs.get(&status.dump_id).is_some_and(|job| job.cancel == Some(Cancel::Asked));
            change = jobs.tell(status.clone(), browser_now());
        });
        if change == Change::Ended {
            let (kind, text) = outcome_of(status, was_asked);
            self.toaster.show(kind, text);
            self.overview.fetch();
        }
    }

    /// Asks for the end of the dump `id`, once. The end comes as an event.
    pub fn cancel(self, id: DumpId) {
        let mut name = None;
        self.jobs.change(|jobs| {
            if jobs.ask_cancel(&id) {
                name = jobs.get(&id).map(|job| placed(job.status.host.as_ref(), job.status.display_name()));
            }
        });
        let Some(name) = name else { return };
        self.announcer.say(format!("Cancelling the dump of {name}."));
        leptos::task::spawn_local(async move {
            if let Err(ApiError(problem)) = api::cancel_dump(id.clone()).await {
                self.jobs.change(|jobs| jobs.refuse_cancel(&id, problem.detail.to_string()));
            }
        });
    }

    /// Takes the result of an ended dump off the list.
    pub fn dismiss(self, id: &DumpId) {
        self.jobs.change(|jobs| jobs.dismiss(id));
    }
}
