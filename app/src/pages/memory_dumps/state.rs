//! What is chosen on this page, and what the operator asks for here.

use std::collections::BTreeSet;

use leptos::prelude::*;
use memdeck_model::retention::{Hold, HoldList};
use memdeck_model::{DumpId, Guest, Problem, Record, TriggerRequest};

use super::holds::Holding;
use super::records::Records;
use super::trigger::{Options, reference};
use crate::api::{self, ApiError};
use crate::data::{Data, Loader};
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::{sentence, shown, upper_first};

/// What became of the last press on a dump button.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trigger {
    /// Whether the server has not answered yet.
    pub pending: bool,
    /// Why it refused.
    pub problem: Option<Problem>,
}

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct DumpsState {
    /// What all pages share.
    pub data: Data,
    pub records: Records,
    /// The record whose image the operator is asked about deleting.
    pub deleting: RwSignal<Option<Record>>,
    /// Legal holds; fetched when one may matter.
    pub holds: Loader<HoldList>,
    /// The hold that the operator is asked about.
    pub holding: RwSignal<Option<Holding>>,
    /// The chosen guests, by [`Guest::reference`].
    pub chosen: RwSignal<BTreeSet<String>>,
    /// How guests are to be dumped.
    pub options: Options,
    /// What became of the last press on a dump button.
    pub trigger: RwSignal<Trigger>,
    toaster: Toaster,
    announcer: Announcer,
}

impl DumpsState {
    /// Provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            data: Data::expect(),
            records: Records::new(),
            deleting: RwSignal::new(None),
            holds: Loader::new(),
            holding: RwSignal::new(None),
            chosen: RwSignal::new(BTreeSet::new()),
            options: Options::new(),
            trigger: RwSignal::new(Trigger::default()),
            toaster: Toaster::expect(),
            announcer: Announcer::expect(),
        };
        provide_context(state);
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Loads everything again because the operator asks for it.
    pub fn refresh(self) {
        self.data.refresh();
        self.records.refresh();
    }

    /// Says why a download failed: the browser only says that it did.
    pub fn explain_download(self, id: DumpId, name: String) {
        leptos::task::spawn_local(async move {
            let why = match api::fetch_details(id, true).await {
                Ok(details) if details.forms.is_some() => None,
                Ok(details) => match details.problem.or(details.unreadable) {
                    Some(problem) => Some(problem.detail.to_string()),
                    // It was deleted in the meantime.
                    None => details.notices.into_iter().next().map(|notice| notice.detail),
                },
                Err(ApiError(problem)) => Some(problem.detail.to_string()),
            };
            if let Some(why) = why {
                let why = sentence(&why);
                let text = format!("The image of {name} cannot be downloaded. {why}");
                self.toaster.show(ToastKind::Error, text);
            }
        });
    }

    /// Looks which images are under legal hold.
    pub fn fetch_holds(self) {
        self.holds.fetch(api::fetch_holds());
    }

    /// Says that a hold was placed or lifted.
    pub fn tell_of_hold(self, hold: &Hold) {
        let done = if hold.lifted_at.is_some() { "is not held any more" } else { "is held" };
        let text = format!("{} {done}.", upper_first(&hold.of.to_string()));
        self.announcer.say(text.clone());
        self.toaster.show(ToastKind::Success, text);
        self.fetch_holds();
    }

    /// Deletes the image of a dump; `confirm` is what the operator wrote.
    pub async fn delete(self, id: DumpId, confirm: String) -> Result<(), Problem> {
        let record = api::delete_image(id, confirm).await.map_err(|ApiError(problem)| problem)?;
        self.records.hear(&record);
        self.toaster.show(ToastKind::Success, format!("The image of {} was deleted.", shown(&record.dom.0)));
        Ok(())
    }

    /// Asks for dumps of `guests` with the options that are set; does nothing while these cannot be used.
    pub fn dump(self, guests: &[Guest]) {
        let Ok(options) = untrack(|| self.options.read()) else { return };
        let vms = guests.iter().filter_map(reference).collect();
        let request = TriggerRequest { options, ..TriggerRequest::of(vms) };
        self.trigger.set(Trigger { pending: true, problem: None });
        leptos::task::spawn_local(async move {
            let problem = match api::trigger_dumps(request).await {
                Ok(statuses) => {
                    self.announcer.say(match statuses.len() {
                        1 => "1 dump requested.".to_owned(),
                        count => format!("{count} dumps requested."),
                    });
                    for status in &statuses {
                        self.data.dumps.hear(status);
                    }
                    None
                }
                Err(ApiError(problem)) => Some(problem),
            };
            self.trigger.set(Trigger { pending: false, problem });
        });
    }
}
