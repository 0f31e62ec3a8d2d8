//! What the page knows, and how answers and events change it.

use std::collections::BTreeSet;

use leptos::prelude::*;
use memdeck_model::{
    DumpId, DumpStatus, Event, FrozenPause, Guest, JobState, Problem, Record, TriggerRequest, Verification,
};

use super::choice;
use super::jobs::{Cancel, Change, Jobs, words};
use super::options::Options;
use super::records::Records;
use super::verification::{Ended, Verifications, words as verification_words};
use crate::api::{self, ApiError, Overview};
use crate::live::Live;
use crate::load::Loader;
use crate::time::{Clock, browser_now};
use crate::ui::{Announcer, ToastKind, Toaster};
use crate::words::{sentence, shown};

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
pub struct State {
    /// The hypervisor's guests.
    pub guests: Loader<Vec<Guest>>,
    /// Figures and health.
    pub overview: Loader<Overview>,
    /// The dumps that wait, run, or ended a moment ago.
    pub jobs: Loader<Jobs>,
    /// The table.
    pub records: Records,
    /// What is known of verifications.
    pub verifications: RwSignal<Verifications>,
    /// The record whose image the operator is asked about deleting.
    pub deleting: RwSignal<Option<Record>>,
    /// UUIDs of the chosen guests.
    pub chosen: RwSignal<BTreeSet<String>>,
    /// How guests are to be dumped.
    pub options: Options,
    /// What became of the last press on a dump button.
    pub trigger: RwSignal<Trigger>,
    /// How often the operator asked for everything to be loaded again.
    pub refreshes: RwSignal<u32>,
    clock: Clock,
    toaster: Toaster,
    announcer: Announcer,
}

impl State {
    /// Starts fetching and listening, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            guests: Loader::new(),
            overview: Loader::new(),
            jobs: Loader::new(),
            records: Records::new(),
            verifications: RwSignal::new(Verifications::default()),
            deleting: RwSignal::new(None),
            chosen: RwSignal::new(BTreeSet::new()),
            options: Options::new(),
            trigger: RwSignal::new(Trigger::default()),
            refreshes: RwSignal::new(0),
            clock: Clock::expect(),
            toaster: Toaster::expect(),
            announcer: Announcer::expect(),
        };
        provide_context(state);
        let live = Live::expect();
        live.subscribe(move |event| state.hear(event));
        live.on_connected(move || {
            // The stream tells those that go on.
            state.verifications.update(Verifications::forget_running);
            state.fetch_all();
        });
        state
    }

    /// Loads everything again because the operator asks for it, and says so.
    pub fn refresh(self) {
        self.fetch_all();
        self.records.refresh();
        self.refreshes.update(|count| *count = count.wrapping_add(1));
        self.announcer.say("Loading everything again.");
    }

    fn fetch_all(self) {
        self.fetch_guests();
        self.fetch_overview();
        self.fetch_jobs();
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// The pause limit and what was measured, where the dumps are taken; `None` while that is not known.
    pub fn frozen_pause(self) -> Option<FrozenPause> {
        self.overview.with_data(|overview| overview.frozen_pause).flatten()
    }

    /// Fetches the guests.
    pub fn fetch_guests(self) {
        self.guests.fetch_with(api::fetch_guests(), |data, mut guests| {
            sort(&mut guests);
            *data = Some(guests);
        });
    }

    /// Fetches figures and health.
    pub fn fetch_overview(self) {
        self.overview.fetch_with(api::fetch_overview(), move |data, overview| {
            self.clock.adjust(overview.server_time);
            *data = Some(overview);
        });
    }

    /// Fetches the dumps that wait or run.
    pub fn fetch_jobs(self) {
        let active_before = untrack(|| self.jobs.with_data(Jobs::active_ids)).unwrap_or_default();
        self.jobs.fetch_with(api::fetch_dumps(), move |data, list| {
            data.get_or_insert_default().reconcile(list, &active_before, browser_now());
        });
    }

    /// Asks how far the newest verification of an image is.
    pub async fn look_at_verification(self, id: DumpId) -> Result<(), Problem> {
        let present = api::ask_verification(id, false).await.map_err(|ApiError(problem)| problem)?;
        self.hear_verification(&present);
        Ok(())
    }

    /// Asks for a verification of the image of a dump of the guest `name`, once. Its end is told.
    pub fn verify(self, id: DumpId, name: String) {
        let mut is_new = false;
        self.verifications.update(|known| is_new = known.ask(&id, &name));
        if !is_new {
            return;
        }
        self.announcer.say(format!("Verifying the image of {name}."));
        leptos::task::spawn_local(async move {
            match api::ask_verification(id.clone(), true).await {
                Ok(begun) => self.hear_verification(&begun),
                Err(ApiError(problem)) => {
                    self.verifications.update(|known| known.refuse(&id, problem.detail.to_string()));
                    if !self.shows_details_of(&id) {
                        let text = format!("The image of {name} is not verified. {}", problem.detail);
                        self.toaster.show(ToastKind::Error, text);
                    }
                }
            }
        });
    }

    /// Says why where a download that was asked for cannot be had: the browser only says that it failed.
    pub fn explain_download(self, id: DumpId, name: String) {
        leptos::task::spawn_local(async move {
            let why = match api::fetch_details(id, true).await {
                Ok(details) if details.forms.is_some() => None,
                Ok(details) => match details.problem {
                    Some(problem) => Some(problem.detail.to_string()),
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

    /// Deletes the image of a dump; `confirm` is what the operator wrote.
    pub async fn delete(self, id: DumpId, confirm: String) -> Result<(), Problem> {
        let record = api::delete_image(id, confirm).await.map_err(|ApiError(problem)| problem)?;
        self.records.hear(&record);
        self.toaster.show(ToastKind::Success, format!("The image of {} is deleted.", shown(&record.dom.0)));
        Ok(())
    }

    fn hear_verification(self, verification: &Verification) {
        let mut ended = None;
        self.verifications.update(|known| ended = known.tell(verification.clone()));
        let Some(Ended { guest }) = ended else { return };
        let (kind, text) = verification_words::outcome_of(verification, &guest);
        if self.shows_details_of(&verification.dump_id) {
            self.announcer.say(text);
        } else {
            self.toaster.show(kind, text);
        }
    }

    fn shows_details_of(self, id: &DumpId) -> bool {
        self.records.view.with_untracked(|view| view.dump.as_deref() == Some(id.as_str()))
    }

    /// Asks for dumps of `guests` with the options that are set; does nothing while these cannot be used.
    pub fn dump(self, guests: &[Guest]) {
        let Ok(options) = untrack(|| self.options.read()) else { return };
        let vms = guests.iter().filter_map(choice::reference).collect();
        let request = TriggerRequest { options, ..TriggerRequest::of(vms) };
        self.trigger.set(Trigger { pending: true, problem: None });
        leptos::task::spawn_local(async move {
            let problem = match api::trigger_dumps(request).await {
                Ok(statuses) => {
                    self.announcer.say(match statuses.len() {
                        1 => "1 dump asked for.".to_owned(),
                        count => format!("{count} dumps asked for."),
                    });
                    for status in &statuses {
                        self.hear_dump(status);
                    }
                    None
                }
                Err(ApiError(problem)) => Some(problem),
            };
            self.trigger.set(Trigger { pending: false, problem });
        });
    }

    /// Asks for the end of the dump `id`, once. The end comes as an event.
    pub fn cancel(self, id: DumpId) {
        let mut name = None;
        self.jobs.change(|jobs| {
            if jobs.ask_cancel(&id) {
                name = jobs.get(&id).map(|job| shown(job.status.display_name()));
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

    fn hear(self, event: &Event) {
        match event {
            Event::Dump(status) => self.hear_dump(status),
            // The table hears it itself.
            Event::Record(_) => self.fetch_overview(),
            Event::Verification(verification) => self.hear_verification(verification),
            Event::Guests(guests) => {
                let mut guests = guests.clone();
                sort(&mut guests);
                self.guests.put(guests);
            }
            Event::Service(health) => self.overview.change(|overview| overview.service = health.clone()),
            Event::Hypervisor(error) => {
                self.overview.change(|overview| overview.hypervisor.clone_from(error));
            }
            Event::Storage(notice) => self.overview.change(|overview| overview.storage.clone_from(notice)),
        }
    }

    fn hear_dump(self, status: &DumpStatus) {
        let mut change = Change::Ordinary;
        let mut was_asked = false;
        self.jobs.change_or_default(|jobs| {
            was_asked = jobs.get(&status.dump_id).is_some_and(|job| job.cancel == Some(Cancel::Asked));
            change = jobs.tell(status.clone(), browser_now());
        });
        if change == Change::Ended {
            let (kind, text) = outcome_of(status, was_asked);
            self.toaster.show(kind, text);
            self.fetch_overview();
        }
    }
}

fn sort(guests: &mut [Guest]) {
    guests.sort_by(|a, b| a.name.cmp(&b.name));
}

/// What to say of a dump that has ended; `was_asked`: after the operator of this page cancelled it.
fn outcome_of(status: &DumpStatus, was_asked: bool) -> (ToastKind, String) {
    let name = shown(status.display_name());
    let message = &status.message;
    match status.exact_state() {
        JobState::Failed => (ToastKind::Error, format!("The dump of {name} failed: {message}")),
        JobState::Cancelled if was_asked => (ToastKind::Success, format!("The dump of {name} is cancelled.")),
        JobState::Cancelled => {
            (ToastKind::Warning, format!("The dump of {name} ended. {}", words::result_of(status)))
        }
        JobState::Completed | JobState::Queued | JobState::Running => {
            (ToastKind::Success, format!("{name} is dumped and hashed."))
        }
    }
}
