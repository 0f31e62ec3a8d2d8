//! What pages share, kept for as long as the app is open: stores that fetch, follow the feed, and are found by every part
//! of every page. How a page looks at it, and what is chosen there, is the page's own.

mod abilities;
mod dumps;
mod guests;
mod load;
mod order;
mod overview;
mod telemetry;
mod verifications;

use leptos::prelude::*;
use memdeck_model::Event;

pub use abilities::{
    MAY_NOT_CANCEL, MAY_NOT_DELETE, MAY_NOT_DUMP, MAY_NOT_HOLD, MAY_NOT_READ, NO_CANCEL, NO_IMAGE, NO_MODE,
    NO_UUID, is_out_of_reach,
};
#[cfg(test)]
pub use dumps::tests;
pub use dumps::{Cancel, Dumps, Job, Jobs, figures_of, result_of};
pub use guests::Guests;
pub use load::Loader;
pub use order::sorted;
pub use overview::OverviewStore;
pub use telemetry::TelemetryStore;
pub use verifications::{VerificationStore, percent_of, verification_in_words};

use crate::feed::Feed;
use crate::ui::Announcer;

/// What every page shares: fetched once, then changed by the feed. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Data {
    /// Guests of the hypervisor, running or not, by name.
    pub guests: Guests,
    /// Figures, and the health of the parts.
    pub overview: OverviewStore,
    /// The dumps that wait, run, or ended a moment ago.
    pub dumps: Dumps,
    /// What is known of verifications.
    pub verifications: VerificationStore,
    /// The live values of guests.
    pub telemetry: TelemetryStore,
    /// How often the operator asked for everything to be loaded again.
    pub refreshes: RwSignal<u32>,
    announcer: Announcer,
}

impl Data {
    /// Starts to fetch and to follow the feed, and provides the stores to every part of the app.
    pub fn provide() {
        let overview = OverviewStore::new();
        let data = Self {
            guests: Guests::new(),
            overview,
            dumps: Dumps::new(overview),
            verifications: VerificationStore::new(),
            telemetry: TelemetryStore::new(),
            refreshes: RwSignal::new(0),
            announcer: Announcer::expect(),
        };
        provide_context(data);
        let feed = Feed::expect();
        feed.subscribe(move |event| data.hear(event));
        feed.on_connected(move || {
            // The feed reports those that still run.
            data.verifications.forget_running();
            data.fetch();
        });
    }

    /// The stores that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Loads everything again because the operator asks for it, and says so.
    pub fn refresh(self) {
        self.fetch();
        self.refreshes.update(|count| *count = count.wrapping_add(1));
        self.announcer.say("Reloading everything.");
    }

    fn fetch(self) {
        self.guests.fetch();
        self.overview.fetch();
        self.dumps.fetch();
    }

    fn hear(self, event: &Event) {
        match event {
            Event::Dump(status) => self.dumps.hear(status),
            // Records are the table's; the figures count them.
            Event::Record(_) => self.overview.fetch(),
            Event::Verification(verification) => self.verifications.hear(verification),
            Event::Guests(guests) => self.guests.hear(guests),
            Event::Sample(_) | Event::Summaries(_) => self.telemetry.hear(event),
            Event::Import(import) => {
                // The figures count records of others too; an answer under way may be older than the event.
                if self.overview.is_outdated_by(import) {
                    self.overview.fetch();
                }
                self.overview.hear(event);
            }
            Event::Service(_) | Event::Hypervisor(_) | Event::Storage(_) | Event::Hosts(_) => {
                self.overview.hear(event);
            }
        }
    }
}
