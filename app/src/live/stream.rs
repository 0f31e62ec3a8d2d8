//! Keeping the event stream open.
//!
//! ```text
//!             open                  error, or nothing heard for 40 s
//! connecting ──────► live ──────────────────────────────► reconnecting ──► (wait, longer each time) ──► connecting
//!                     │
//!                     └──► resting ──► (page visible) ──► connecting
//!             page hidden for 1 min
//! ```
//!
//! The browser's own reconnection is not relied on: it gives up for good on an answer that is not an event stream.
//! So the id of the last event is sent along in the address: the server tells what was missed, or says that it cannot.

use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures_util::future::{Either, select};
use futures_util::{FutureExt, StreamExt};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::*;
use memdeck_model::{Event, Timestamp};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{EventSource, MessageEvent};

use super::{Live, StreamState, backoff, wire};
use crate::{session, time};

const URL: &str = "/api/events";

/// Pings come every 15 s: two may be lost.
const SILENCE_LIMIT_MS: u32 = 40_000;

/// A hidden page keeps its stream this long, so that a short look at another tab costs nothing.
const HIDDEN_LIMIT_MS: u64 = 60_000;

enum Message {
    Opened,
    /// The server's first word: whether it goes on where the last connection broke off.
    Started {
        resumed: bool,
    },
    Event {
        event: Box<Event>,
        /// Empty where the event has none.
        id: String,
    },
    KeepAlive,
    Broken,
    VisibilityChanged,
}

/// Why a connection ended.
enum Ended {
    /// It never began: the server is away, or does not know this page any more.
    Refused,
    Broken,
    Hidden,
}

/// What outlives a connection.
struct Memory {
    /// Attempts since the last connection.
    attempt: u32,
    last_heard: Timestamp,
    /// Of the last event that was told to the page.
    last_event_id: String,
}

/// Runs for ever: connects, listens, and connects again.
pub(super) async fn run(live: Live) {
    let (sender, mut inbox) = mpsc::unbounded();
    watch_visibility(sender.clone());
    let mut memory = Memory { attempt: 0, last_heard: time::browser_now(), last_event_id: String::new() };
    loop {
        if is_hidden() {
            until_visible(&mut inbox).await;
        }
        let connection = StreamConnection::open(&sender, &memory.last_event_id);
        let ended = listen(live, &mut inbox, &mut memory).await;
        drop(connection);
        live.stream.set(StreamState::Broken(memory.last_heard));
        live.settle();
        if matches!(ended, Ended::Refused) {
            session::check();
        }
        if !matches!(ended, Ended::Hidden) {
            TimeoutFuture::new(backoff::delay_ms(memory.attempt, js_sys::Math::random())).await;
            memory.attempt = memory.attempt.saturating_add(1);
        }
        // What the closed connection still had in its queue was not told, so the next one begins with it.
        while inbox.next().now_or_never().flatten().is_some() {}
    }
}

/// Passes events on until the stream breaks, falls silent, or nobody has looked for a while.
async fn listen(live: Live, inbox: &mut UnboundedReceiver<Message>, memory: &mut Memory) -> Ended {
    let mut hidden_since = None;
    let mut opened = false;
    loop {
        let next = select(inbox.next(), TimeoutFuture::new(SILENCE_LIMIT_MS)).await;
        let Either::Left((Some(message), _)) = next else { return Ended::Broken };
        if matches!(message, Message::Broken) {
            return if opened { Ended::Broken } else { Ended::Refused };
        }
        if !matches!(message, Message::VisibilityChanged) {
            memory.last_heard = time::browser_now();
        }
        match message {
            Message::Opened => {
                opened = true;
                memory.attempt = 0;
                live.stream.set(StreamState::Open);
            }
            Message::Started { resumed: false } => {
                live.connected_count.update(|count| *count = count.saturating_add(1));
                live.settle();
            }
            Message::Event { event, id } => {
                live.tell(&event);
                if !id.is_empty() {
                    memory.last_event_id = id;
                }
            }
            Message::Started { resumed: true }
            | Message::KeepAlive
            | Message::VisibilityChanged
            | Message::Broken => {}
        }
        let now = time::browser_now();
        hidden_since = is_hidden().then(|| hidden_since.unwrap_or(now));
        if hidden_since.is_some_and(|since: Timestamp| now.since(since).0 > HIDDEN_LIMIT_MS) {
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

type Handler = Closure<dyn FnMut(MessageEvent)>;

/// An open `EventSource`; closed when dropped.
struct StreamConnection {
    source: Option<EventSource>,
    _handlers: Vec<Handler>,
}

impl StreamConnection {
    fn open(sender: &UnboundedSender<Message>, last_event_id: &str) -> Self {
        // The server's ids are made of digits, letters and dashes.
        let url = match last_event_id {
            "" => URL.to_owned(),
            id => format!("{URL}?last_event_id={id}"),
        };
        let Ok(source) = EventSource::new(&url) else {
            let _ = sender.unbounded_send(Message::Broken);
            return Self { source: None, _handlers: Vec::new() };
        };
        let mut handlers: Vec<Handler> = Vec::new();
        let mut on = |name: &str, handler: Handler| {
            let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
            handlers.push(handler);
        };
        let reply = |make: fn() -> Message| {
            let sender = sender.clone();
            Handler::new(move |_| {
                let _ = sender.unbounded_send(make());
            })
        };
        on("open", reply(|| Message::Opened));
        on("error", reply(|| Message::Broken));
        on(wire::KEEP_ALIVE, reply(|| Message::KeepAlive));
        let started = sender.clone();
        on(
            wire::START,
            Handler::new(move |message: MessageEvent| {
                let resumed = message.data().as_string().is_some_and(|data| wire::is_resumed(&data));
                let _ = started.unbounded_send(Message::Started { resumed });
            }),
        );
        for kind in wire::KINDS {
            let sender = sender.clone();
            on(
                kind,
                Handler::new(move |message: MessageEvent| {
                    let message_id = message.last_event_id();
                    let event = message.data().as_string().and_then(|data| wire::read(kind, &data));
                    if event.is_none() {
                        leptos::logging::warn!("An event '{kind}' cannot be read: reload the page.");
                    }
                    let message = event.map_or(Message::KeepAlive, |event| Message::Event {
                        event: Box::new(event),
                        id: message_id,
                    });
                    let _ = sender.unbounded_send(message);
                }),
            );
        }
        Self { source: Some(source), _handlers: handlers }
    }
}

impl Drop for StreamConnection {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.close();
        }
    }
}
