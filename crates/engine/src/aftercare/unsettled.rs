//! Guests that were not yet seen to be as they were before their dump: handed to the keeper, waited for by dumps.

use std::time::Duration;

use memdeck_catalog::Intent;
use parking_lot::{Condvar, Mutex};

/// A guest to look after.
struct Unsettled {
    intent: Intent,
    /// A thread looks after it.
    is_taken: bool,
    /// Why it could not be put right when it was tried last.
    foreign_job: Option<ForeignJob>,
}

/// A job of another program has the guest. In libvirt's words, where it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignJob(pub Option<&'static str>);

/// How a guest stands that a dump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// The keeper is done with it: it would resume one that a new dump has just stopped.
    Done,
    /// The keeper looks after it.
    Open(Option<ForeignJob>),
}

/// The guests that the keeper looks after.
#[derive(Default)]
pub struct UnsettledGuests {
    list: Mutex<List>,
    changed: Condvar,
}

#[derive(Default)]
struct List {
    guests: Vec<Unsettled>,
    /// No dump can add a guest any more.
    is_closed: bool,
}

impl UnsettledGuests {
    pub fn add(&self, intent: Intent) {
        self.list.lock().guests.push(Unsettled { intent, is_taken: false, foreign_job: None });
        self.changed.notify_all();
    }

    pub fn remove(&self, intent: &Intent) {
        self.list.lock().guests.retain(|open| open.intent != *intent);
        self.changed.notify_all();
    }

    /// Waits for a guest that nobody looks after yet; `None` once none can be added any more.
    pub fn take_next(&self) -> Option<Intent> {
        let mut list = self.list.lock();
        self.changed
            .wait_while(&mut list, |list| list.guests.iter().all(|open| open.is_taken) && !list.is_closed);
        let open = list.guests.iter_mut().find(|open| !open.is_taken)?;
        open.is_taken = true;
        Some(open.intent.clone())
    }

    pub fn close(&self) {
        self.list.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Records which job keeps a guest from being put right, for dumps that wait for it.
    pub fn set_foreign_job(&self, intent: &Intent, job: Option<ForeignJob>) {
        for open in self.list.lock().guests.iter_mut().filter(|open| open.intent == *intent) {
            open.foreign_job = job;
        }
    }

    /// How a guest stands, at the latest after the time `limit`, in which the keeper may be done with it.
    pub fn wait_until_settled(&self, guest_uuid: &str, limit: Duration) -> Settling {
        let mut list = self.list.lock();
        let is_open = |open: &&Unsettled| open.intent.guest_uuid == guest_uuid;
        let some_open = |list: &mut List| list.guests.iter().any(|open| is_open(&open));
        self.changed.wait_while_for(&mut list, some_open, limit);
        let mut open = list.guests.iter().filter(is_open).peekable();
        if open.peek().is_none() {
            return Settling::Done;
        }
        Settling::Open(open.find_map(|open| open.foreign_job))
    }
}
