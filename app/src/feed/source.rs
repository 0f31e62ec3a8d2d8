//! Where events come from: the stream that all tabs of a browser share, or one of this page's own.

use futures_channel::mpsc::UnboundedSender;
use js_sys::Array;
use memdeck_model::Event;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event as DomEvent, EventSource, MessageEvent, MessagePort, SharedWorker};

use super::start;
use super::stream::Message;

const URL: &str = "api/events";

/// The shared worker's script. Tabs of different builds understand each other only with the same number.
const WORKER_URL: &str = "events.js?3";

/// A source of events; none arrive any more after it is dropped.
pub(super) enum Source {
    Shared(SharedStream),
    /// Kept to be closed when it is dropped.
    Own {
        _stream: OwnStream,
    },
}

impl Source {
    /// Asks for the live values of `watch` from now on. False if only a new source can do that.
    pub(super) fn watch(&self, watch: &str) -> bool {
        let Self::Shared(shared) = self else { return false };
        shared.post("watch", "", watch);
        true
    }

    /// Says that this page still listens.
    pub(super) fn answer(&self) {
        if let Self::Shared(shared) = self {
            shared.post("alive", "", "");
        }
    }
}

/// What a source sent: `name` is that of a DOM event.
fn message_of(name: &str, data: &str, id: String) -> Message {
    match name {
        "open" => Message::Opened,
        "error" => Message::Broken,
        Event::START => Message::Started { resumed: start::is_resumed(data) },
        Event::KEEP_ALIVE => Message::KeepAlive,
        kind => {
            let Some(event) = Event::read(kind, data.as_bytes()) else {
                leptos::logging::warn!("An event '{kind}' cannot be read: reload the page.");
                return Message::KeepAlive;
            };
            Message::Event { event: Box::new(event), id }
        }
    }
}

type Handler = Closure<dyn FnMut(MessageEvent)>;

/// This page's end of the stream that a shared worker holds.
pub(super) struct SharedStream {
    port: MessagePort,
    worker: SharedWorker,
    _on_message: Handler,
    _on_error: Closure<dyn FnMut(DomEvent)>,
}

impl SharedStream {
    /// `None` if the browser has no shared workers. [`Message::NoSharing`] follows where the worker does not start.
    pub(super) fn open(sender: &UnboundedSender<Message>, last_event_id: &str, watch: &str) -> Option<Self> {
        let worker = SharedWorker::new(WORKER_URL).ok()?;
        let port = worker.port();
        let heard = sender.clone();
        let on_message = Handler::new(move |message: MessageEvent| {
            let parts = Array::from(&message.data());
            let text = |index| parts.get(index).as_string().unwrap_or_default();
            let _ = heard.unbounded_send(message_of(&text(0), &text(1), text(2)));
        });
        let failed = sender.clone();
        let on_error = Closure::<dyn FnMut(DomEvent)>::new(move |_| {
            let _ = failed.unbounded_send(Message::NoSharing);
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        // Also starts the port.
        port.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let shared = Self { port, worker, _on_message: on_message, _on_error: on_error };
        shared.post("listen", last_event_id, watch);
        Some(shared)
    }

    fn post(&self, what: &str, id: &str, watch: &str) {
        let message = [what, id, watch].map(JsValue::from_str).into_iter().collect::<Array>();
        // Fails only for what cannot be copied.
        let _ = self.port.post_message(&message);
    }
}

impl Drop for SharedStream {
    fn drop(&mut self) {
        self.post("leave", "", "");
        self.port.set_onmessage(None);
        self.port.close();
        self.worker.set_onerror(None);
    }
}

/// An open `EventSource`.
pub(super) struct OwnStream {
    source: Option<EventSource>,
    _handlers: Vec<Handler>,
}

impl OwnStream {
    pub(super) fn open(sender: &UnboundedSender<Message>, last_event_id: &str, watch: &str) -> Self {
        // The server's ids are made of digits, letters and dashes; what is watched of those and commas.
        let url = format!("{URL}?last_event_id={last_event_id}&watch={watch}");
        let Ok(source) = EventSource::new(&url) else {
            let _ = sender.unbounded_send(Message::Broken);
            return Self { source: None, _handlers: Vec::new() };
        };
        let names = ["open", "error", Event::START, Event::KEEP_ALIVE];
        let handlers = names.into_iter().chain(Event::KINDS).map(|name| {
            let sender = sender.clone();
            let handler = Handler::new(move |message: MessageEvent| {
                // What is no message of the server's has neither.
                let data = message.data().as_string().unwrap_or_default();
                let id = if data.is_empty() { String::new() } else { message.last_event_id() };
                let _ = sender.unbounded_send(message_of(name, &data, id));
            });
            let _ = source.add_event_listener_with_callback(name, handler.as_ref().unchecked_ref());
            handler
        });
        let handlers = handlers.collect();
        Self { source: Some(source), _handlers: handlers }
    }
}

impl Drop for OwnStream {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            source.close();
        }
    }
}
