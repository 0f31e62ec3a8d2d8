//! The rules as they are kept and as they are written, what they would do, and holds.

use leptos::prelude::*;
use memdeck_model::ByteCount;
use memdeck_model::retention::{HoldList, Policy, RetentionReport, Rule};

use crate::api;
use crate::data::Loader;
use crate::feed::Feed;
use crate::ui::erase::effect;
use crate::ui::{Announcer, ToastKind, Toaster};

/// A binary gigabyte: what sizes are written in here.
pub const GIB: u64 = 1 << 30;

/// What the parts of the page share.
#[derive(Clone, Copy)]
pub struct State {
    /// The rules that are applied.
    pub kept: Loader<Policy>,
    /// The rules as they are written.
    pub rules: RwSignal<Vec<Rule>>,
    /// Room that is kept free, in GiB; empty for none.
    pub floor: RwSignal<String>,
    /// What the rules that are written would do now.
    pub preview: Loader<RetentionReport>,
    pub holds: Loader<HoldList>,
    announcer: Announcer,
    toaster: Toaster,
}

impl State {
    /// Loads everything, and provides the state to the parts of the page.
    pub fn provide() -> Self {
        let state = Self {
            kept: Loader::new(),
            rules: RwSignal::new(Vec::new()),
            floor: RwSignal::new(String::new()),
            preview: Loader::new(),
            holds: Loader::new(),
            announcer: Announcer::expect(),
            toaster: Toaster::expect(),
        };
        provide_context(state);
        Feed::expect().on_connected(move || state.fetch());
        effect(move || {
            if let Ok(policy) = state.written() {
                state.preview.fetch(api::preview_retention(policy));
            }
        });
        state
    }

    /// The state that [`Self::provide`] made.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Loads the rules, unless others are written, and the holds.
    pub fn fetch(self) {
        let is_written = untrack(|| self.is_changed());
        self.kept.fetch_with(api::fetch_retention(), move |kept, policy| {
            if !is_written {
                self.begin_with(&policy);
            }
            *kept = Some(policy);
        });
        self.holds.fetch(api::fetch_holds());
    }

    /// Writes what is kept.
    pub fn begin_with(self, policy: &Policy) {
        self.rules.set(policy.rules.clone());
        self.floor.set(policy.floor_bytes.map(|bytes| (bytes.0 / GIB).to_string()).unwrap_or_default());
    }

    /// The rules as they are written, or what is wrong with them.
    pub fn written(self) -> Result<Policy, String> {
        let floor = self.floor.with(|text| text.trim().to_owned());
        let floor_bytes = (!floor.is_empty())
            .then(|| floor.parse::<u64>())
            .transpose()
            .map_err(|_| "the free space is a whole number of GiB".to_owned())?
            .map(|gib| ByteCount(gib.saturating_mul(GIB)));
        Ok(Policy { rules: self.rules.get(), floor_bytes })
    }

    /// Whether other rules are written than are kept.
    pub fn is_changed(self) -> bool {
        let Ok(written) = self.written() else { return true };
        self.kept.with_data(|kept| *kept != written).unwrap_or(false)
    }

    /// Says that something was done.
    pub fn tell(self, text: &str) {
        self.announcer.say(text.to_owned());
        self.toaster.show(ToastKind::Success, text);
    }
}
