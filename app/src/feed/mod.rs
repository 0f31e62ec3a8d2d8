//! The feed: one event stream for all tabs of a browser, from which every part of a page hears what changed.
//!
//! Parts subscribe with [`Feed::subscribe`]. A connection that breaks off is made again, and goes on where the last one
//! ended. If the server no longer has what was missed, the stream begins anew, and the parts fetch what they show
//! ([`Feed::on_connected`]). Nothing here knows what a part does with an event.

mod backoff;
mod source;
mod start;
mod stream;

use std::rc::Rc;

use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use memdeck_model::telemetry::Watch;
use memdeck_model::{Event, Millis, Timestamp};

use crate::time::{Clock, browser_now};
use crate::ui::erase::{effect, memo};

/// How current what the page shows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first connection is being made.
    Connecting,
    /// Changes arrive as they happen.
    Current,
    /// The stream broke off a moment ago.
    Reconnecting,
    /// The stream has been gone for a while; the last sign of life came at this time of the browser's clock.
    Stale(Timestamp),
}

/// A stream that breaks off for less than this is nobody's concern.
const STALE_AFTER: Millis = Millis(10_000);

/// A page that opens waits this long for its stream.
const FIRST_WAIT_MS: u32 = 2_500;

/// What the stream does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamState {
    Connecting,
    Open,
    /// With the time of the last sign of life.
    Broken(Timestamp),
}

impl StreamState {
    /// What it means to the operator at `now`.
    fn at(self, now: Timestamp) -> Connection {
        match self {
            Self::Connecting => Connection::Connecting,
            Self::Open => Connection::Current,
            Self::Broken(last_heard) if now.since(last_heard) < STALE_AFTER => Connection::Reconnecting,
            Self::Broken(last_heard) => Connection::Stale(last_heard),
        }
    }
}

type Listener = Rc<dyn Fn(&Event)>;

/// The event stream of this page.
#[derive(Clone, Copy)]
pub struct Feed {
    stream: RwSignal<StreamState>,
    connection: Memo<Connection>,
    connected_count: RwSignal<u32>,
    /// Whether it is known that the first connection is there, or is not to be waited for.
    is_settled: RwSignal<bool>,
    listeners: StoredValue<Listeners, LocalStorage>,
    /// The live values that the stream is to carry: what every part watches, together.
    watch: Memo<Watch>,
    watches: RwSignal<Vec<(u32, Watch)>>,
}

#[derive(Default)]
struct Listeners {
    next_key: u32,
    active: Vec<(u32, Listener)>,
}

impl Feed {
    /// Opens the stream and provides it to every part of the page. It stays open as long as the page.
    pub fn provide() {
        let clock = Clock::expect();
        let stream = RwSignal::new(StreamState::Connecting);
        let watches = RwSignal::new(Vec::new());
        let feed = Self {
            stream,
            connection: memo(move || {
                clock.track();
                stream.get().at(browser_now())
            }),
            connected_count: RwSignal::new(0),
            is_settled: RwSignal::new(false),
            listeners: StoredValue::new_local(Listeners::default()),
            watch: memo(move || watches.with(|watches| together(watches))),
            watches,
        };
        provide_context(feed);
        leptos::task::spawn_local(stream::run(feed));
        leptos::task::spawn_local(async move {
            TimeoutFuture::new(FIRST_WAIT_MS).await;
            feed.settle();
        });
    }

    /// The stream that [`Self::provide`] opened.
    pub fn expect() -> Self {
        expect_context()
    }

    /// How current the page is.
    pub fn connection(self) -> Memo<Connection> {
        self.connection
    }

    /// Calls `listener` with every event until the owner of this call is cleaned up.
    pub fn subscribe(self, listener: impl Fn(&Event) + 'static) {
        let listener: Listener = Rc::new(listener);
        let key = self.listeners.try_update_value(|listeners| {
            let key = listeners.next_key;
            listeners.next_key = key.wrapping_add(1);
            listeners.active.push((key, listener));
            key
        });
        on_cleanup(move || {
            self.listeners.try_update_value(|listeners| {
                listeners.active.retain(|(other, _)| Some(*other) != key);
            });
        });
    }

    /// Has the stream carry the live values of `watch`, until the owner of this call is cleaned up. They come to those who
    /// [subscribe](Self::subscribe).
    pub fn watch(self, watch: Watch) {
        let key = self.watches.with_untracked(|watches| {
            watches.iter().map(|(key, _)| *key).max().map_or(0, |last| last.wrapping_add(1))
        });
        self.watches.update(|watches| watches.push((key, watch)));
        on_cleanup(move || {
            self.watches.try_update(|watches| watches.retain(|(other, _)| *other != key));
        });
    }

    /// Calls `fetch` whenever the stream begins anew, so that nothing that happened before is missed; until the owner of
    /// this call is cleaned up. The first time it waits a moment for the stream, because what is fetched before would have
    /// to be fetched again; but if there is no stream, nothing waits for it.
    pub fn on_connected(self, fetch: impl Fn() + 'static) {
        effect(move || {
            self.connected_count.track();
            if self.is_settled.get() {
                untrack(&fetch);
            }
        });
    }

    fn settle(self) {
        if !self.is_settled.get_untracked() {
            self.is_settled.set(true);
        }
    }

    fn tell(self, event: &Event) {
        let listeners = self.listeners.with_value(|listeners| listeners.active.clone());
        for (_, listener) in listeners {
            listener(event);
        }
    }
}

/// What all of `watches` watch.
fn together(watches: &[(u32, Watch)]) -> Watch {
    watches.iter().fold(Watch::default(), |mut all, (_, watch)| {
        all.all |= watch.all;
        all.guests.extend(watch.guests.iter().cloned());
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_carries_what_any_part_watches() {
        let watches =
            [(0, Watch::guest("b")), (1, Watch::all()), (2, Watch::guest("a")), (3, Watch::guest("b"))];
        assert_eq!(together(&watches).to_string(), "all,a,b");
        assert!(together(&[]).is_empty());
    }

    #[test]
    fn a_short_break_is_a_reconnection_and_a_long_one_is_stale() {
        let at = |second: i64| Timestamp::from_unix_micros(second * 1_000_000).unwrap();
        let broken = StreamState::Broken(at(100));
        assert_eq!(broken.at(at(109)), Connection::Reconnecting);
        assert_eq!(broken.at(at(110)), Connection::Stale(at(100)));
        assert_eq!(StreamState::Open.at(at(999)), Connection::Current);
    }
}
