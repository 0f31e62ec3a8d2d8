//! What open pages are told: a numbered stream of events.

use std::time::Duration;

use memdeck_model::{Event, Guest, ServiceHealth};
use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Events kept for a page that reads slowly.
const BACKLOG: usize = 1024;
/// How often the watch looks whether a page was opened.
const LISTENER_CHECK: Duration = Duration::from_millis(250);

/// An event and its place in the stream of this process.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Grows by one with every event.
    pub id: u64,
    /// `None` marks a gap: what was lost is not known, ask for the present state.
    pub event: Option<Event>,
}

struct Present {
    next_id: u64,
    service: ServiceHealth,
    /// `None` until the first look.
    hypervisor: Option<Result<(), String>>,
    guests: Option<Vec<Guest>>,
}

/// The stream of events to open pages.
pub struct LiveFeed {
    sender: broadcast::Sender<Numbered>,
    present: Mutex<Present>,
}

impl LiveFeed {
    pub(super) fn new(service: String) -> Self {
        let present = Present {
            next_id: 1,
            service: ServiceHealth { service, error: None },
            hypervisor: None,
            guests: None,
        };
        Self { sender: broadcast::channel(BACKLOG).0, present: Mutex::new(present) }
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        self.sender.subscribe()
    }

    pub(super) fn publish(&self, event: Event) {
        let mut present = self.present.lock();
        match &event {
            Event::Service(health) => present.service = health.clone(),
            Event::Hypervisor(error) => present.hypervisor = Some(health(error.as_ref())),
            Event::Guests(guests) => present.guests = Some(guests.clone()),
            Event::Dump(_) | Event::Record(_) => {}
        }
        self.send(&mut present, Some(event));
    }

    /// Publishes an event of a kind of which only the newest counts, unless it says what the last one said.
    pub(super) fn publish_if_news(&self, event: Event) {
        let known = {
            let present = self.present.lock();
            match &event {
                Event::Service(health) => present.service == *health,
                Event::Hypervisor(error) => present.hypervisor == Some(health(error.as_ref())),
                Event::Guests(guests) => present.guests.as_ref() == Some(guests),
                Event::Dump(_) | Event::Record(_) => false,
            }
        };
        if !known {
            self.publish(event);
        }
    }

    pub(super) fn mark_gap(&self) {
        let mut present = self.present.lock();
        self.send(&mut present, None);
    }

    fn send(&self, present: &mut Present, event: Option<Event>) {
        let id = present.next_id;
        present.next_id += 1;
        // Without an open page nobody receives it; a page that opens later asks for the present state first.
        let _ = self.sender.send(Numbered { id, event });
    }

    pub(super) fn service(&self) -> ServiceHealth {
        self.present.lock().service.clone()
    }

    pub(super) fn hypervisor_error(&self) -> Option<String> {
        self.present.lock().hypervisor.clone()?.err()
    }

    /// Waits until a page is open.
    pub(super) async fn listener(&self) {
        while self.sender.receiver_count() == 0 {
            tokio::time::sleep(LISTENER_CHECK).await;
        }
    }
}

fn health(error: Option<&String>) -> Result<(), String> {
    error.cloned().map_or(Ok(()), Err)
}
