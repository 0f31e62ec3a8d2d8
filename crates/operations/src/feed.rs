//! What open pages receive: a numbered stream of events, of which the last ones are kept for pages that return.
//!
//! A listener says where it stands ([`Position`]) and gets what came after. If that is not known any more (another
//! process, too long ago, or events were lost before they came here) it learns that and must look at the present state.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use memdeck_model::{ByteCount, Event, ForeignImport, Guest, HostState, Message};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Events kept for pages that read slowly or come back.
const KEPT: usize = 1024;
/// How often the watch looks whether a page was opened.
const LISTENER_CHECK: Duration = Duration::from_millis(250);

/// Differences of a host's clock that are shown as the same.
const CLOCK_STEP_MS: i64 = 5_000;

/// A place in the stream of one process. As text: `<16 hexadecimal digits>-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which process numbered it.
    epoch: u64,
    /// The number of the last event that was sent; 0 before the first.
    id: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.id)
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (epoch, id) = text.split_once('-').ok_or(NoPosition)?;
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| NoPosition)?;
        Ok(Self { epoch, id: id.parse().map_err(|_| NoPosition)? })
    }
}

/// Text that is no position of any stream.
#[derive(Debug, thiserror::Error)]
#[error("no position in the event stream")]
pub struct NoPosition;

struct Kept {
    id: u64,
    event: Arc<Event>,
}

struct Stream {
    last_id: u64,
    kept: VecDeque<Kept>,
    /// Events up to this one cannot be sent again.
    forgotten: u64,
    /// `None` until the first look.
    hypervisor: Option<Result<(), Message>>,
    guests: Option<Vec<Guest>>,
    /// The newest event about storage; `None` until the first look.
    storage: Option<Event>,
    /// The newest event about rows that others wrote.
    import: Option<ForeignImport>,
    hosts: Option<Vec<HostState>>,
}

impl Stream {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn keep(&mut self, event: Event) {
        let id = self.next_id();
        self.kept.retain(|older| !supersedes(&event, &older.event));
        if self.kept.len() == KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            self.forgotten = oldest.id;
        }
        self.kept.push_back(Kept { id, event: Arc::new(event) });
    }
}

/// Whether `newer` makes `older` superfluous for a listener.
fn supersedes(newer: &Event, older: &Event) -> bool {
    match (newer, older) {
        (Event::Dump(newer), Event::Dump(older)) => {
            newer.dump_id == older.dump_id && newer.exact_state() == older.exact_state()
        }
        (Event::Verification(newer), Event::Verification(older)) => newer.dump_id == older.dump_id,
        (Event::Guests(_), Event::Guests(_))
        | (Event::Service(_), Event::Service(_))
        | (Event::Hypervisor(_), Event::Hypervisor(_))
        | (Event::Storage(_), Event::Storage(_))
        | (Event::Import(_), Event::Import(_))
        | (Event::Hosts(_), Event::Hosts(_)) => true,
        _ => false,
    }
}

/// The stream of events to open pages.
pub struct Feed {
    epoch: u64,
    stream: Mutex<Stream>,
    last_id: watch::Sender<u64>,
}

impl Feed {
    pub(super) fn new() -> Self {
        let stream = Stream {
            last_id: 0,
            kept: VecDeque::new(),
            forgotten: 0,
            hypervisor: None,
            guests: None,
            storage: None,
            import: None,
            hosts: None,
        };
        // The random part of a new UUID distinguishes this process from the one before it.
        let epoch = uuid::Uuid::new_v4().as_u64_pair().1;
        Self { epoch, stream: Mutex::new(stream), last_id: watch::Sender::new(0) }
    }

    /// Listens to what comes after `told`. The flag says whether that is possible: if not, the listener stands at the
    /// newest event, and must look at the present state.
    #[must_use]
    pub fn listen(self: &Arc<Self>, told: Option<Position>) -> (Listener, bool) {
        let changes = self.last_id.subscribe();
        let stream = self.stream.lock();
        let known = told.filter(|told| {
            told.epoch == self.epoch && (stream.forgotten..=stream.last_id).contains(&told.id)
        });
        let after = known.map_or(stream.last_id, |told| told.id);
        drop(stream);
        (Listener { feed: Arc::clone(self), changes, after }, known.is_some())
    }

    pub(super) fn publish(&self, event: Event) {
        let mut stream = self.stream.lock();
        match &event {
            Event::Hypervisor(error) => stream.hypervisor = Some(health(error.as_ref())),
            Event::Guests(guests) => stream.guests = Some(guests.clone()),
            Event::Storage(_) => stream.storage = Some(event.clone()),
            Event::Import(import) => stream.import = Some(import.clone()),
            Event::Hosts(hosts) => stream.hosts = Some(hosts.clone()),
            Event::Dump(_)
            | Event::Record(_)
            | Event::Service(_)
            | Event::Verification(_)
            // Live values go to those who watch them, past the feed.
            | Event::Sample(_)
            | Event::Summaries(_) => {}
        }
        stream.keep(event);
        self.last_id.send_replace(stream.last_id);
    }

    /// Publishes an event of a kind of which only the newest counts, unless it says what the last one said.
    pub(super) fn publish_if_news(&self, event: Event) {
        let known = {
            let stream = self.stream.lock();
            match &event {
                Event::Hypervisor(error) => stream.hypervisor == Some(health(error.as_ref())),
                Event::Guests(guests) => {
                    stream.guests.as_ref().is_some_and(|known| are_shown_alike(known, guests))
                }
                Event::Storage(_) => stream.storage.as_ref() == Some(&event),
                Event::Import(import) => stream.import.as_ref().is_some_and(|known| import.looks_like(known)),
                Event::Hosts(hosts) => stream.hosts.as_ref().is_some_and(|known| stand_alike(known, hosts)),
                Event::Dump(_)
                | Event::Record(_)
                | Event::Service(_)
                | Event::Verification(_)
                | Event::Sample(_)
                | Event::Summaries(_) => false,
            }
        };
        if !known {
            self.publish(event);
        }
    }

    /// Events were lost before they came here, and nobody knows which: what is kept leads nobody to the present.
    pub(super) fn mark_gap(&self) {
        let mut stream = self.stream.lock();
        stream.forgotten = stream.next_id();
        stream.kept.clear();
        self.last_id.send_replace(stream.last_id);
    }

    pub(super) fn hypervisor_error(&self) -> Option<Message> {
        self.stream.lock().hypervisor.clone()?.err()
    }

    /// Waits until a page is open.
    pub(super) async fn listener(&self) {
        while self.last_id.receiver_count() == 0 {
            tokio::time::sleep(LISTENER_CHECK).await;
        }
    }
}

/// A listener to every event after a position.
pub struct Listener {
    feed: Arc<Feed>,
    changes: watch::Receiver<u64>,
    after: u64,
}

/// What a listener hears.
pub enum Heard {
    /// What happened since, in order and with the position after each; never empty.
    Events(Vec<(Position, Arc<Event>)>),
    /// Events that were to come next are gone: the present state is needed.
    Lost,
}

impl Listener {
    /// Where this listener stands.
    pub fn position(&self) -> Position {
        Position { epoch: self.feed.epoch, id: self.after }
    }

    /// Waits for what comes next. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Heard {
        loop {
            self.changes.mark_unchanged();
            if let Some(heard) = self.kept() {
                return heard;
            }
            // The sender lives as long as the feed, which this holds.
            let _ = self.changes.changed().await;
        }
    }

    fn kept(&mut self) -> Option<Heard> {
        let stream = self.feed.stream.lock();
        let after = std::mem::replace(&mut self.after, stream.last_id);
        if after < stream.forgotten {
            return Some(Heard::Lost);
        }
        let news = stream.kept.iter().filter(|kept| kept.id > after);
        let position = |id| Position { epoch: self.feed.epoch, id };
        let events: Vec<_> = news.map(|kept| (position(kept.id), Arc::clone(&kept.event))).collect();
        (!events.is_empty()).then_some(Heard::Events(events))
    }
}

/// Whether a list of guests would look the same: the CPU time of a running guest always changes, and alone is no news.
fn are_shown_alike(known: &[Guest], told: &[Guest]) -> bool {
    let timeless = |guest: &Guest| Guest { cpu_time_ns: 0, ..guest.clone() };
    known.iter().map(timeless).eq(told.iter().map(timeless))
}

/// Whether hosts would look the same: of one that answers, the last contact is now, and its free bytes and the difference
/// of its clock always change a little.
fn stand_alike(known: &[HostState], told: &[HostState]) -> bool {
    let steady = |host: &HostState| HostState {
        last_contact: host.last_contact.filter(|_| !host.condition.is_up()),
        free_bytes: host.free_bytes.map(|free| ByteCount(free.0 >> 30)),
        clock_ahead_ms: host.clock_ahead_ms.map(|ahead| ahead / CLOCK_STEP_MS),
        ..host.clone()
    };
    known.iter().map(steady).eq(told.iter().map(steady))
}

fn health(error: Option<&Message>) -> Result<(), Message> {
    error.cloned().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
