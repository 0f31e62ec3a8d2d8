//! Time as a port, so that time limits are tested without waiting.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use memdeck_model::Timestamp;
use parking_lot::Mutex;

/// Where the engine gets time from.
pub trait Clock: Send + Sync {
    /// The wall clock: for records. May jump.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment: for durations and limits. Never jumps.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// The machine's clocks.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that is moved by hand, for tests.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Timestamp,
    elapsed: Arc<Mutex<Duration>>,
}

impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { start, elapsed: Arc::default() }
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        *self.elapsed.lock() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.monotonic().into())
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.lock()
    }
}
