//! The live values of guests, as the feed brings them for what pages watch.

use std::collections::HashMap;

use leptos::prelude::*;
use memdeck_model::Event;
use memdeck_model::telemetry::{LiveSample, LiveSummary, Watch};

use crate::feed::Feed;

type ByGuest<T> = HashMap<String, ArcRwSignal<Option<T>>>;

/// The newest values of each guest that a page watches or watched. Each guest has signals of its own, so that a change of
/// one redraws nothing of the others.
#[derive(Clone, Copy)]
pub struct TelemetryStore {
    samples: StoredValue<ByGuest<LiveSample>>,
    summaries: StoredValue<ByGuest<LiveSummary>>,
}

impl TelemetryStore {
    pub(super) fn new() -> Self {
        Self { samples: StoredValue::default(), summaries: StoredValue::default() }
    }

    /// Everything about the guest `uuid`, each second until the owner of this call is cleaned up.
    pub fn watch_guest(self, uuid: &str) -> ArcRwSignal<Option<LiveSample>> {
        Feed::expect().watch(Watch::guest(uuid));
        signal_of(self.samples, uuid)
    }

    /// Has the summaries of all guests sent each second, until the owner of this call is cleaned up.
    pub fn watch_all(self) {
        Feed::expect().watch(Watch::all());
    }

    /// The summary of the guest `uuid`, as long as [somebody watches](Self::watch_all).
    pub fn summary(self, uuid: &str) -> ArcRwSignal<Option<LiveSummary>> {
        signal_of(self.summaries, uuid)
    }

    pub(super) fn hear(self, event: &Event) {
        match event {
            Event::Sample(sample) => {
                signal_of(self.samples, &sample.uuid).set(Some(LiveSample::clone(sample)))
            }
            Event::Summaries(summaries) => {
                for summary in summaries {
                    signal_of(self.summaries, &summary.uuid).set(Some(summary.clone()));
                }
            }
            _ => {}
        }
    }
}

fn signal_of<T: Send + Sync + 'static>(store: StoredValue<ByGuest<T>>, uuid: &str) -> ArcRwSignal<Option<T>> {
    let known = store.with_value(|all| all.get(uuid).cloned());
    known.unwrap_or_else(|| {
        let signal = ArcRwSignal::new(None);
        store.update_value(|all| drop(all.insert(uuid.to_owned(), signal.clone())));
        signal
    })
}
