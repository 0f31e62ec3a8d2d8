//! What libvirt's events tell of a guest while it is dumped.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::pause::PauseClock;
use crate::{DumpSigns, GuestEnd};

/// Fed by the thread of libvirt's event loop.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    pub(super) pause: PauseClock,
    pub(super) signs: DumpSigns,
    end: Mutex<Option<GuestEnd>>,
    ended: Condvar,
}

impl Lifecycle {
    pub(super) fn new(signs: DumpSigns) -> Self {
        Self { signs, ..Self::default() }
    }

    pub(super) fn stopped(&self, at: Instant) {
        self.signs.guest_stopped(true);
        self.pause.stopped(at);
    }

    pub(super) fn runs(&self, at: Instant) {
        self.signs.guest_stopped(false);
        self.pause.runs(at);
    }

    /// The guest is there no more.
    pub(super) fn ended(&self, how: GuestEnd) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.ended.notify_all();
    }

    /// How the guest ended; waits at most `limit` to hear of it.
    pub(super) fn end(&self, limit: Duration) -> Option<GuestEnd> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_timeout_while(end, limit, |end| end.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_stopped_until_it_is_seen_to_run() {
        let lifecycle = Lifecycle::default();
        assert!(!lifecycle.signs.guest_is_stopped());
        lifecycle.stopped(Instant::now());
        assert!(lifecycle.signs.guest_is_stopped());
        lifecycle.runs(Instant::now());
        assert!(!lifecycle.signs.guest_is_stopped());
    }

    #[test]
    fn an_end_that_is_heard_of_late_is_waited_for() {
        let lifecycle = Lifecycle::default();
        assert_eq!(lifecycle.end(Duration::ZERO), None);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lifecycle.end(Duration::from_mins(1)));
            lifecycle.ended(GuestEnd::Destroyed);
            assert_eq!(waiting.join().unwrap(), Some(GuestEnd::Destroyed));
        });
    }
}
