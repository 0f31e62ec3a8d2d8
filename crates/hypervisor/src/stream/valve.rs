//! What ends a dump early, and why it was ended.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// Why the pump ended a dump before the end of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It was told to, or the hypervisor calls the dump failed.
    GivenUp,
    /// The guest has stood still for too long.
    PauseLimit,
    /// The guest stood still, and for too long nothing came or was taken.
    NoProgress,
}

/// Ends one dump from any thread. Clones are of the same dump. Nothing here waits.
#[derive(Clone, Debug, Default)]
pub struct Valve(Arc<State>);

#[derive(Debug, Default)]
struct State {
    given_up: AtomicBool,
    cut: AtomicU8,
    ended: AtomicBool,
    lockstep: AtomicBool,
    /// Nanoseconds; 0 is no limit.
    pause_limit: AtomicU64,
    no_progress_limit: AtomicU64,
    pump: OnceLock<Thread>,
}

const GIVEN_UP: u8 = 1;
const PAUSE_LIMIT: u8 = 2;
const NO_PROGRESS: u8 = 3;

impl Valve {
    /// Ends the dump: at once if its guest stands still for all of it; a live one is read to its end and forgotten.
    pub fn give_up(&self) {
        self.0.given_up.store(true, Ordering::Release);
        self.wake();
    }

    /// From now on the guest may stand still for `pause` at most, and for `no_progress` while nothing moves.
    pub fn limit(&self, pause: Duration, no_progress: Duration) {
        let nanos = |limit: Duration| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX).max(1);
        self.0.no_progress_limit.store(nanos(no_progress), Ordering::Release);
        self.0.pause_limit.store(nanos(pause), Ordering::Release);
    }

    /// Reads nothing ahead of whoever reads the stream but one small piece: for tests that hold a dump at a certain byte.
    pub fn lockstep(&self) {
        self.0.lockstep.store(true, Ordering::Release);
    }

    pub(super) fn is_lockstep(&self) -> bool {
        self.0.lockstep.load(Ordering::Acquire)
    }

    /// Why the dump was ended early; `None` while it was not.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        match self.0.cut.load(Ordering::Acquire) {
            GIVEN_UP => Some(Cut::GivenUp),
            PAUSE_LIMIT => Some(Cut::PauseLimit),
            NO_PROGRESS => Some(Cut::NoProgress),
            _ => None,
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.0.given_up.load(Ordering::Acquire)
    }

    pub(super) fn pause_limit(&self) -> Option<Duration> {
        limit(&self.0.pause_limit)
    }

    pub(super) fn no_progress_limit(&self) -> Option<Duration> {
        limit(&self.0.no_progress_limit)
    }

    pub(super) fn set_cut(&self, cut: Cut) {
        let number = match cut {
            Cut::GivenUp => GIVEN_UP,
            Cut::PauseLimit => PAUSE_LIMIT,
            Cut::NoProgress => NO_PROGRESS,
        };
        self.0.cut.store(number, Ordering::Release);
    }

    pub(super) fn set_ended(&self) {
        self.0.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// This thread is the pump.
    pub(super) fn belongs_here(&self) {
        let _ = self.0.pump.set(std::thread::current());
    }

    /// Lets a pump that waits for a free chunk look again.
    pub(super) fn wake(&self) {
        if let Some(pump) = self.0.pump.get() {
            pump.unpark();
        }
    }
}

fn limit(nanos: &AtomicU64) -> Option<Duration> {
    let nanos = nanos.load(Ordering::Acquire);
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}
