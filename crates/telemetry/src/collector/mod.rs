//! The collector: asks for the statistics of all guests at a fixed rate and publishes what it gets.
//!
//! ```text
//!            start                    answered                    stop
//! stopped ─────────► due ─► asking ───────────► publish ─► due ─ … ───────► stopped
//!                            │  no answer within the time limit
//!                            └────────────────► all guests stale; goes on waiting, counts missed intervals
//! ```
//!
//! Collections are due on a fixed grid, so that one that takes long does not shift those after it. One thread keeps the
//! grid; another asks, and may hang in the hypervisor without holding up the first.

mod round;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Sender, bounded};
use memdeck_hypervisor::GuestStats;
use memdeck_influx::PointQueue;
use memdeck_model::telemetry::{CollectorStatus, Connection};
use tokio::sync::watch;

use self::round::Round;
use self::shared::Shared;
use crate::{Snapshot, Store};

/// How the collector works.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Time between two collections.
    pub interval: Duration,
    /// When guests are stale because nobody answers.
    pub time_limit: Duration,
    /// The tag `host` of points, where several hosts write to one store.
    pub host: Option<String>,
}

/// Keeps across restarts whether the collector runs.
pub trait Switch: Send + Sync {
    /// What was stored last; `None` if nothing was, and where it cannot be read.
    fn load(&self) -> Option<bool>;

    /// Stores it. A failure is the implementation's to log: the collector does what it was asked for all the same.
    fn store(&self, runs: bool);
}

/// Collects on threads of its own until it is stopped or dropped.
pub struct Collector {
    shared: Arc<Shared>,
    switch: Arc<dyn Switch>,
    running: Mutex<Option<Running>>,
}

/// The thread that keeps the grid. It never waits for anything but its channels, so its end can be waited for.
struct Running {
    /// Dropped to end it.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the collector's thread panicked");
        }
    }
}

impl Collector {
    /// A collector that puts points into `queue` and series into `store`, if they are given. It runs at once unless it
    /// was stopped before the last restart.
    #[must_use]
    pub fn new(
        stats: Arc<dyn GuestStats>,
        queue: Option<PointQueue>,
        store: Option<Arc<Store>>,
        switch: Arc<dyn Switch>,
        options: CollectorOptions,
    ) -> Self {
        let shared = Shared::new(stats, queue, store, options);
        let collector = Self { shared: Arc::new(shared), switch, running: Mutex::new(None) };
        if collector.switch.load().unwrap_or(true) {
            collector.run();
        }
        collector
    }

    /// Starts to collect; `false` if it collects already.
    pub fn start(&self) -> bool {
        self.switch.store(true);
        self.run()
    }

    /// Stops; `false` if it does not collect. The last values stay, and are stale.
    pub fn stop(&self) -> bool {
        self.switch.store(false);
        let Some(running) = self.running().take() else { return false };
        running.end();
        let mut counts = self.shared.counts();
        (counts.started_at, counts.connection) = (None, Connection::Idle);
        drop(counts);
        self.shared.publish_stale();
        true
    }

    /// The counts, and what the newest snapshot shows of the guests.
    #[must_use]
    pub fn status(&self) -> CollectorStatus {
        let running = self.running().is_some();
        self.shared.status(running)
    }

    /// The newest values of all guests. Never waits.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot()
    }

    /// Every snapshot from now on, as far as the reader keeps up; one that does not sees the newest.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.shared.snapshots.subscribe()
    }

    fn run(&self) -> bool {
        let mut running = self.running();
        if running.is_some() {
            return false;
        }
        let (stop, stopped) = bounded(0);
        let shared = Arc::clone(&self.shared);
        match std::thread::Builder::new()
            .name("telemetry".into())
            .spawn(move || Round::new(&shared).run(&stopped))
        {
            Ok(thread) => {
                let mut counts = self.shared.counts();
                counts.started_at = Some(SystemTime::now().into());
                *running = Some(Running { stop, thread });
                true
            }
            Err(error) => {
                tracing::error!(%error, "no thread for the collector");
                false
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(running) = self.running().take() {
            running.end();
        }
    }
}
