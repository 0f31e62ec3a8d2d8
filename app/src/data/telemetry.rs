//! The live values of guests, as the feed brings them for what pages watch.

use std::collections::{HashMap, VecDeque};

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use memdeck_model::Event;
use memdeck_model::telemetry::{LiveSample, LiveSummary, Watch};

use crate::feed::Feed;

/// By [`Guest::reference`](memdeck_model::Guest::reference).
type ByGuest<T> = HashMap<String, ArcRwSignal<Option<T>>>;

/// So many guests change at once. What hundreds of cards show changes within a second, and not in one long task, in which
/// the browser would answer to nobody.
const PORTION: usize = 10;
/// Between two portions: as long as a picture stands, so that each picture draws one of them.
const PAUSE_MS: u32 = 16;

/// The newest values of each guest that a page watches or watched. Each guest has signals of its own, so that a change of
/// one redraws nothing of the others.
#[derive(Clone, Copy)]
pub struct TelemetryStore {
    samples: StoredValue<ByGuest<LiveSample>>,
    summaries: StoredValue<ByGuest<LiveSummary>>,
    /// Summaries that are not handed on yet.
    waiting: StoredValue<VecDeque<LiveSummary>>,
}

impl TelemetryStore {
    pub(super) fn new() -> Self {
        Self {
            samples: StoredValue::default(),
            summaries: StoredValue::default(),
            waiting: StoredValue::default(),
        }
    }

    /// Everything about a guest, by [`Guest::reference`](memdeck_model::Guest::reference), each second until the owner of this call
    /// is cleaned up.
    pub fn watch_guest(self, reference: &str) -> ArcRwSignal<Option<LiveSample>> {
        Feed::expect().watch(Watch::guest(reference));
        signal_of(self.samples, reference)
    }

    /// Has the summaries of all guests sent each second, until the owner of this call is cleaned up.
    pub fn watch_all() {
        Feed::expect().watch(Watch::all());
    }

    /// The summary of a guest, by [`Guest::reference`](memdeck_model::Guest::reference), as long as
    /// [somebody watches](Self::watch_all).
    pub fn summary(self, reference: &str) -> ArcRwSignal<Option<LiveSummary>> {
        signal_of(self.summaries, reference)
    }

    pub(super) fn hear(self, event: &Event) {
        match event {
            Event::Sample(sample) => {
                signal_of(self.samples, &sample.reference()).set(Some(LiveSample::clone(sample)));
            }
            Event::Summaries(summaries) => self.take_in(summaries),
            _ => {}
        }
    }

    /// Hands the summaries on in portions, with room for the browser between them.
    fn take_in(self, summaries: &[LiveSummary]) {
        let was_idle = self.waiting.with_value(VecDeque::is_empty);
        self.waiting.update_value(|waiting| {
            for summary in summaries {
                match waiting
                    .iter_mut()
                    .find(|other| (&other.uuid, &other.host) == (&summary.uuid, &summary.host))
                {
                    // The browser is slower than the collector: the older values are skipped.
                    Some(older) => *older = summary.clone(),
                    None => waiting.push_back(summary.clone()),
                }
            }
        });
        if was_idle {
            leptos::task::spawn_local(async move {
                while self.hand_on() {
                    TimeoutFuture::new(PAUSE_MS).await;
                }
            });
        }
    }

    /// Hands on the next portion; false where nothing waits after it.
    fn hand_on(self) -> bool {
        let portion = self.waiting.try_update_value(|waiting| {
            let count = waiting.len().min(PORTION);
            let portion: Vec<_> = waiting.drain(..count).collect();
            (portion, !waiting.is_empty())
        });
        let (portion, are_more) = portion.unwrap_or_default();
        for summary in portion {
            signal_of(self.summaries, &summary.reference()).set(Some(summary));
        }
        are_more
    }
}

fn signal_of<T: Send + Sync + 'static>(
    store: StoredValue<ByGuest<T>>,
    reference: &str,
) -> ArcRwSignal<Option<T>> {
    let known = store.with_value(|all| all.get(reference).cloned());
    known.unwrap_or_else(|| {
        let signal = ArcRwSignal::new(None);
        store.update_value(|all| drop(all.insert(reference.to_owned(), signal.clone())));
        signal
    })
}
