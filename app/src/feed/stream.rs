//! Events for the page, from the stream that the tabs of a browser share or from one of its own.
//!
//! ```text
//!             open                  error, or nothing heard for 40 s
//! connecting ──────► live ──────────────────────────────► reconnecting ──► (wait, longer each time) ──► connecting
//!                     │
//!                     └──► resting ──► (page visible) ──► connecting
//!             page hidden for 1 min
//! ```
//!
//! A browser has few connections to a server, so all its tabs listen to one stream, which a shared worker holds
//! (`public/events.js`). Without shared workers a page has a stream of its own, and closes it as soon as it is
//! hidden. Both are a [`Source`].
//!
//! The browser's own reconnection is not relied on: it gives up for good on an answer that is not an event stream.
//! So the id of the last event is sent along in the address: the server sends what was missed, or says that it cannot.

use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures_util::future::{Either, select};
use futures_util::{FutureExt, StreamExt};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use memdeck_model::{Event, Timestamp};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

use super::source::{OwnStream, SharedStream, Source};
use super::{Feed, StreamState, backoff};
use crate::api;
use crate::time;
use crate::ui::erase::effect;

/// Pings come every 15 s: two may be lost.
const SILENCE_LIMIT_MS: u32 = 40_000;

/// A hidden page listens to the shared stream this long, so that a short look at another tab costs nothing.
const HIDDEN_LIMIT_MS: u64 = 60_000;

/// What a [`Source`] sends.
pub(super) enum Message {
    Opened,
    /// The server's first word: whether it goes on where the last connection broke off.
    Started {
        resumed: bool,
    },
    Event {
        event: Box<Event>,
        /// Empty if the event has none.
        id: String,
    },
    KeepAlive,
    Broken,
    /// There is no shared stream.
    NoSharing,
    VisibilityChanged,
    /// The page watches other live values.
    WatchChanged,
}

/// Why a connection ended.
enum Ended {
    /// It never began: the server is away, or does not know this page any more.
    Refused,
    Broken,
    Hidden,
    NoSharing,
    /// A source of the page's own carries what it was opened for: another one is needed.
    Outdated,
}

/// What outlives a connection.
struct Memory {
    /// Attempts since the last connection.
    attempt: u32,
    last_heard: Timestamp,
    /// Of the last event that was passed to the page.
    last_event_id: String,
}

/// Runs for ever: connects, listens, and connects again.
pub(super) async fn run(feed: Feed) {
    let (sender, mut inbox) = mpsc::unbounded();
    watch_visibility(sender.clone());
    effect({
        let sender = sender.clone();
        move || {
            feed.watch.track();
            let _ = sender.unbounded_send(Message::WatchChanged);
        }
    });
    let mut memory = Memory { attempt: 0, last_heard: time::browser_now(), last_event_id: String::new() };
    let mut is_sharing = true;
    loop {
        if is_hidden() {
            // A tab that opens in the background has something to show when somebody looks.
            feed.settle();
            until_visible(&mut inbox).await;
        }
        let watch = feed.watch.get_untracked().to_string();
        let shared =
            if is_sharing { SharedStream::open(&sender, &memory.last_event_id, &watch) } else { None };
        let hidden_limit_ms = if shared.is_some() { HIDDEN_LIMIT_MS } else { 0 };
        let source = match shared {
            Some(shared) => Source::Shared(shared),
            None => Source::Own { _stream: OwnStream::open(&sender, &memory.last_event_id, &watch) },
        };
        let ended = listen(feed, &source, &mut inbox, &mut memory, &watch, hidden_limit_ms).await;
        drop(source);
        // Asked for anew at the next connection: the worker's script may only have been out of reach.
        is_sharing = !matches!(ended, Ended::NoSharing);
        if !is_sharing || matches!(ended, Ended::Outdated) {
            while inbox.next().now_or_never().flatten().is_some() {}
            continue;
        }
        feed.stream.set(StreamState::Broken(memory.last_heard));
        feed.settle();
        if matches!(ended, Ended::Refused) {
            // If the session has ended, the refusal says so (`session::note_refusal`).
            leptos::task::spawn_local(async {
                let _ = api::check_session().await;
            });
        }
        if !matches!(ended, Ended::Hidden) {
            TimeoutFuture::new(backoff::delay_ms(memory.attempt, js_sys::Math::random())).await;
            memory.attempt = memory.attempt.saturating_add(1);
        }
        // What the closed connection still had in its queue was not passed on, so the next one begins with it.
        while inbox.next().now_or_never().flatten().is_some() {}
    }
}

/// Passes events on until the stream breaks, falls silent, or nobody has looked for a while.
async fn listen(
    feed: Feed,
    source: &Source,
    inbox: &mut UnboundedReceiver<Message>,
    memory: &mut Memory,
    watch: &str,
    hidden_limit_ms: u64,
) -> Ended {
    let mut hidden_since = None;
    let mut opened = false;
    let mut watch = watch.to_owned();
    loop {
        let next = select(inbox.next(), TimeoutFuture::new(SILENCE_LIMIT_MS)).await;
        let Either::Left((Some(message), _)) = next else { return Ended::Broken };
        match message {
            Message::Broken => return if opened { Ended::Broken } else { Ended::Refused },
            Message::NoSharing => return Ended::NoSharing,
            Message::WatchChanged => {
                let wanted = feed.watch.get_untracked().to_string();
                if wanted != watch && !source.watch(&wanted) {
                    return Ended::Outdated;
                }
                watch = wanted;
                continue;
            }
            _ => {}
        }
        if !matches!(message, Message::VisibilityChanged) {
            memory.last_heard = time::browser_now();
        }
        match message {
            Message::Opened => {
                opened = true;
                memory.attempt = 0;
                feed.stream.set(StreamState::Open);
            }
            Message::Started { resumed: false } => {
                feed.connected_count.update(|count| *count = count.saturating_add(1));
                feed.settle();
            }
            Message::Event { event, id } => {
                feed.tell(&event);
                if !id.is_empty() {
                    memory.last_event_id = id;
                }
            }
            Message::KeepAlive => source.answer(),
            Message::Started { resumed: true }
            | Message::VisibilityChanged
            | Message::WatchChanged
            | Message::NoSharing
            | Message::Broken => {}
        }
        let now = time::browser_now();
        hidden_since = is_hidden().then(|| hidden_since.unwrap_or(now));
        if hidden_since.is_some_and(|since: Timestamp| now.since(since).0 >= hidden_limit_ms) {
            return Ended::Hidden;
        }
    }
}

async fn until_visible(inbox: &mut UnboundedReceiver<Message>) {
    while is_hidden() {
        if inbox.next().await.is_none() {
            return;
        }
    }
}

fn is_hidden() -> bool {
    document().hidden()
}

fn watch_visibility(sender: UnboundedSender<Message>) {
    let on_change = Closure::<dyn FnMut()>::new(move || {
        let _ = sender.unbounded_send(Message::VisibilityChanged);
    });
    let listened =
        document().add_event_listener_with_callback("visibilitychange", on_change.as_ref().unchecked_ref());
    if listened.is_ok() {
        // Lives as long as the page.
        on_change.forget();
    }
}
