//! Live updates: one event stream per page, from which every part of the page hears what changed.
//!
//! Parts subscribe with [`Live::subscribe`]. After every (re)connection they fetch what they show again
//! ([`Live::on_connected`]), because events that were sent in between are gone. Nothing here knows what a part does
//! with an event.

mod backoff;
mod stream;
mod wire;

use std::rc::Rc;

use leptos::prelude::*;
use memdeck_model::{Event, Timestamp};

/// How current what the page shows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// The first connection is being made.
    Connecting,
    /// Changes arrive as they happen.
    Live,
    /// The stream broke off a moment ago.
    Reconnecting,
    /// The stream has been gone for a while; the last sign of life came at this time of the browser's clock.
    Stale(Timestamp),
}

type Listener = Rc<dyn Fn(&Event)>;

/// The event stream of this page.
#[derive(Clone, Copy)]
pub struct Live {
    connection: RwSignal<Connection>,
    connected_count: RwSignal<u32>,
    listeners: StoredValue<Listeners, LocalStorage>,
}

#[derive(Default)]
struct Listeners {
    next_key: u32,
    active: Vec<(u32, Listener)>,
}

impl Live {
    /// Opens the stream and provides it to every part of the page. It stays open as long as the page.
    pub fn provide() {
        let live = Self {
            connection: RwSignal::new(Connection::Connecting),
            connected_count: RwSignal::new(0),
            listeners: StoredValue::new_local(Listeners::default()),
        };
        provide_context(live);
        leptos::task::spawn_local(stream::run(live));
    }

    /// The stream that [`Self::provide`] opened.
    pub fn expect() -> Self {
        expect_context()
    }

    /// How current the page is.
    pub fn connection(self) -> Signal<Connection> {
        self.connection.into()
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

    /// Calls `fetch` now, so that nothing waits for the stream, and after every connection, so that nothing that
    /// happened before it is missed; until the owner of this call is cleaned up.
    pub fn on_connected(self, fetch: impl Fn() + 'static) {
        Effect::new(move || {
            self.connected_count.track();
            untrack(&fetch);
        });
    }

    fn tell(self, event: &Event) {
        let listeners = self.listeners.with_value(|listeners| listeners.active.clone());
        for (_, listener) in listeners {
            listener(event);
        }
    }
}
