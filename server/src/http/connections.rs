//! How many connections there may be, of one address and in all, and which one gives way to a new one.
//!
//! ```text
//! accepted ──► busy (a request is being answered) ◄──► idle ──► gone
//!    │           └──► its client's turn ────────────────────────┘
//!    └───────────────────────────────────────────────────────────┘
//! ```
//!
//! A connection that is busy is never closed for another one, as long as it is memdeck's turn: while a client has not
//! sent the rest of a request, or does not take what it asked for, it may have to give way. First goes one that never
//! sent a whole request, then the one that has been idle for the longest time, then the one whose client has been waited
//! for the longest. So a flood of connections that say nothing, stop in the middle or read nothing costs whoever made it,
//! and those who ask something are answered.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Of one address, or one IPv6 network of 64 bits.
const MOST_PER_ADDRESS: usize = 1024;
/// In all, where the system allows so many descriptors.
const MOST: usize = 4096;
/// Descriptors that connections leave to the engine: images, pipes, catalog, libvirt.
const KEPT_ASIDE: u64 = 512;

/// The limits of one service.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one address.
    pub per_address: usize,
    /// In all.
    pub in_all: usize,
}

impl Limits {
    /// Those that `descriptors` of this process allow.
    #[must_use]
    pub fn within(descriptors: u64) -> Self {
        let free = descriptors.saturating_sub(KEPT_ASIDE).max(descriptors / 4);
        let in_all = usize::try_from(free).unwrap_or(MOST).min(MOST);
        Self { per_address: MOST_PER_ADDRESS.min((in_all / 2).max(1)), in_all }
    }
}

struct Entry {
    address: IpAddr,
    /// Requests that are being answered.
    busy: usize,
    /// Those of them that go on only when their client does.
    clients_turn: usize,
    /// A head of a request has come.
    asked: bool,
    /// All of a request has come.
    served: bool,
    /// When it was accepted, became idle, or became its client's turn.
    since: Instant,
    close: Arc<Notify>,
}

#[derive(Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, Entry>,
    by_address: HashMap<IpAddr, usize>,
}

/// The open connections of one service.
pub struct Connections {
    limits: Limits,
    table: Mutex<Table>,
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// Admits a connection from `address`; `None` if all others are busy.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Connection> {
        let address = network(address);
        let mut table = self.table.lock();
        if table.by_address.get(&address).is_some_and(|count| *count >= self.limits.per_address) {
            table.make_room(Some(address))?;
        }
        if table.entries.len() >= self.limits.in_all {
            table.make_room(None)?;
        }
        let id = table.next;
        table.next += 1;
        let close = Arc::new(Notify::new());
        let entry = Entry {
            address,
            busy: 0,
            clients_turn: 0,
            asked: false,
            served: false,
            since: Instant::now(),
            close: Arc::clone(&close),
        };
        table.entries.insert(id, entry);
        *table.by_address.entry(address).or_default() += 1;
        Some(Connection { connections: Arc::clone(self), id, close })
    }
}

impl Table {
    /// Closes a connection for which memdeck has nothing to do: one of `address`, or any.
    fn make_room(&mut self, address: Option<IpAddr>) -> Option<()> {
        let waiting = self.entries.iter().filter(|(_, entry)| {
            entry.busy == entry.clients_turn && address.is_none_or(|address| entry.address == address)
        });
        let id = *waiting.min_by_key(|(_, entry)| (entry.served, entry.busy > 0, entry.since))?.0;
        self.remove(id)?.close.notify_one();
        Some(())
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(count) = self.by_address.get_mut(&entry.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&entry.address);
            }
        }
        Some(entry)
    }
}

/// A place among the connections, given back when it is dropped.
pub struct Connection {
    connections: Arc<Connections>,
    id: u64,
    close: Arc<Notify>,
}

impl Connection {
    /// Waits until the connection has to give way.
    pub async fn has_to_go(&self) {
        self.close.notified().await;
    }

    /// Whether the head of a request ever came.
    pub fn was_asked(&self) -> bool {
        let table = self.connections.table.lock();
        table.entries.get(&self.id).is_none_or(|entry| entry.asked)
    }

    /// A request is being answered until the value is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.note(|entry| {
            entry.busy += 1;
            entry.asked = true;
        });
        Busy(Arc::clone(self))
    }

    fn note(&self, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.connections.table.lock().entries.get_mut(&self.id) {
            change(entry);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.table.lock().remove(self.id);
    }
}

/// A request that is being answered.
pub struct Busy(Arc<Connection>);

impl Busy {
    /// The request goes on only when its client does, until the value is dropped.
    pub fn wait_for_client(&self) -> ClientsTurn {
        self.0.note(|entry| {
            entry.clients_turn += 1;
            entry.since = Instant::now();
        });
        ClientsTurn(Arc::clone(&self.0))
    }

    /// All of the request has come.
    pub fn has_all(&self) {
        self.0.note(|entry| entry.served = true);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.note(|entry| {
            entry.busy = entry.busy.saturating_sub(1);
            entry.since = Instant::now();
        });
    }
}

/// A request is waiting for its client.
pub struct ClientsTurn(Arc<Connection>);

impl Drop for ClientsTurn {
    fn drop(&mut self) {
        self.0.note(|entry| entry.clients_turn = entry.clients_turn.saturating_sub(1));
    }
}

/// Who has one IPv6 address has a whole /64 of them.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    fn connections(per_address: usize, in_all: usize) -> Arc<Connections> {
        Connections::new(Limits { per_address, in_all })
    }

    async fn is_closed(connection: &Connection) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(10), connection.has_to_go()).await.is_ok()
    }

    #[tokio::test]
    async fn what_never_asked_anything_gives_way_first_and_what_is_busy_never_does() {
        let connections = connections(3, 10);
        let kept_alive = Arc::new(connections.admit(v4(1)).unwrap());
        kept_alive.busy().has_all();
        let busy = Arc::new(connections.admit(v4(1)).unwrap());
        let answering = busy.busy();
        let silent = connections.admit(v4(1)).unwrap();
        let _fourth = connections.admit(v4(1)).unwrap();
        assert!(is_closed(&silent).await);
        assert!(!is_closed(&kept_alive).await);
        let fifth = Arc::new(connections.admit(v4(1)).unwrap());
        let _answering = fifth.busy();
        let sixth = Arc::new(connections.admit(v4(1)).unwrap());
        assert!(is_closed(&kept_alive).await, "idle");
        let _also = sixth.busy();
        assert!(connections.admit(v4(1)).is_none(), "all are busy");
        assert!(!is_closed(&busy).await);
        drop(answering);
        assert!(connections.admit(v4(1)).is_some());
    }

    #[tokio::test]
    async fn whose_client_is_waited_for_gives_way_and_an_answer_under_way_does_not() {
        let connections = connections(4, 10);
        let admit = || Arc::new(connections.admit(v4(1)).unwrap());
        let [half, takes_nothing, answering, kept_alive] = [admit(), admit(), admit(), admit()];
        let (half_asked, asked, answered) = (half.busy(), takes_nothing.busy(), answering.busy());
        let _body = half_asked.wait_for_client();
        for whole in [&asked, &answered, &kept_alive.busy()] {
            whole.has_all();
        }
        let answer = asked.wait_for_client();
        for (gives_way, why) in [(&half, "half sent"), (&kept_alive, "idle"), (&takes_nothing, "not taken")] {
            let newer = admit();
            assert!(is_closed(gives_way).await, "{why}");
            // It is busy, and stays.
            std::mem::forget(newer.busy());
        }
        drop(answer);
        assert!(connections.admit(v4(1)).is_none(), "all the others are memdeck's turn");
        assert!(!is_closed(&answering).await);
    }

    #[tokio::test]
    async fn one_address_leaves_room_for_the_others() {
        let connections = connections(2, 10);
        let other = connections.admit(v4(2)).unwrap();
        let flood: Vec<_> = (0..50).map(|_| connections.admit(v4(1)).unwrap()).collect();
        assert!(!is_closed(&other).await);
        assert_eq!(connections.table.lock().entries.len(), 3);
        drop(flood);
        assert_eq!(connections.table.lock().by_address.len(), 1);
    }

    #[tokio::test]
    async fn there_are_no_more_connections_in_all_than_may_be_wherever_they_come_from() {
        let connections = connections(2, 4);
        let admit = |last| Arc::new(connections.admit(v4(last)).unwrap());
        let [first, second, busy, idle] = [1, 2, 3, 4].map(admit);
        let answering = busy.busy();
        idle.busy().has_all();
        for (gives_way, last) in [(&first, 5), (&second, 6)] {
            assert!(!is_closed(gives_way).await);
            // It is busy, and stays.
            std::mem::forget(admit(last).busy());
            assert!(is_closed(gives_way).await, "it never asked for anything");
        }
        let seventh = admit(7);
        let _also = seventh.busy();
        assert!(is_closed(&idle).await);
        assert_eq!(connections.table.lock().entries.len(), 4);
        assert!(connections.admit(v4(8)).is_none(), "all are busy");
        drop(answering);
        assert!(connections.admit(v4(8)).is_some() && is_closed(&busy).await);
    }

    #[test]
    fn descriptors_are_left_for_the_engine() {
        for (descriptors, in_all) in [(1024, 512), (4096, 3584), (1 << 20, MOST), (256, 64)] {
            assert_eq!(Limits::within(descriptors).in_all, in_all, "{descriptors}");
        }
    }
}
