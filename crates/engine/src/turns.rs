//! When the queue is worth a look.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Counts whatever may let a queued job begin: a job was queued, a dump ended, an end was recorded.
#[derive(Debug, Default)]
pub struct Turns {
    counter: Mutex<Counter>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counter {
    turn: u64,
    is_closed: bool,
}

impl Turns {
    /// A queued job may begin now.
    pub fn advance(&self) {
        self.counter.lock().turn += 1;
        self.changed.notify_all();
    }

    /// No queued job begins any more.
    pub fn close(&self) {
        self.counter.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// The number of the present turn; `None` once no job begins any more.
    pub fn present(&self) -> Option<u64> {
        let counter = self.counter.lock();
        (!counter.is_closed).then_some(counter.turn)
    }

    /// Waits for the turn after `turn`, at most for the time `limit`.
    pub fn wait_for_next(&self, turn: u64, limit: Option<Duration>) {
        let mut counter = self.counter.lock();
        let waits = |counter: &mut Counter| counter.turn == turn && !counter.is_closed;
        match limit {
            Some(limit) => drop(self.changed.wait_while_for(&mut counter, waits, limit)),
            None => self.changed.wait_while(&mut counter, waits),
        }
    }
}
