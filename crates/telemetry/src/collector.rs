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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use memdeck_hypervisor::{Collection, GuestStats, HypervisorError};
use memdeck_influx::PointQueue;
use memdeck_model::telemetry::{BalloonStats, CollectorStatus, Connection, UnmeasuredGuest};
use memdeck_model::{Message, Millis, Timestamp, with_causes};
use tokio::sync::watch;

use crate::{Rates, Snapshot, Store, points};

/// The longest pause before a hypervisor that does not answer is asked again.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Guests that the status names because they do not report their memory.
const MAX_UNMEASURED: usize = 1000;

/// A value that was missing for longer tells no rate, but never less than this.
const MIN_GAP: Duration = Duration::from_secs(5);

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

struct Shared {
    stats: Arc<dyn GuestStats>,
    store: Option<Arc<Store>>,
    queue: Option<PointQueue>,
    options: CollectorOptions,
    snapshots: watch::Sender<Arc<Snapshot>>,
    counts: Mutex<Counts>,
}

/// What the status tells beside the snapshot.
struct Counts {
    started_at: Option<Timestamp>,
    collections: u64,
    errors: u64,
    missed: u64,
    last_duration: Option<Duration>,
    max_duration: Option<Duration>,
    connection: Connection,
    last_error: Option<Message>,
}

impl Collector {
    /// A collector that puts points into `queue` and series into `store`, where they are given. It runs at once unless it
    /// was stopped before the last restart.
    #[must_use]
    pub fn new(
        stats: Arc<dyn GuestStats>,
        queue: Option<PointQueue>,
        store: Option<Arc<Store>>,
        switch: Arc<dyn Switch>,
        options: CollectorOptions,
    ) -> Self {
        let counts = Counts {
            started_at: None,
            collections: 0,
            errors: 0,
            missed: 0,
            last_duration: None,
            max_duration: None,
            connection: Connection::Idle,
            last_error: None,
        };
        let snapshots = watch::Sender::new(Arc::default());
        let shared = Shared { stats, store, queue, options, snapshots, counts: Mutex::new(counts) };
        let collector = Self { shared: Arc::new(shared), switch, running: Mutex::new(None) };
        if collector.switch.load().unwrap_or(true) {
            collector.run();
        }
        collector
    }

    /// Starts to collect; `false` where it collects already.
    pub fn start(&self) -> bool {
        self.switch.store(true);
        self.run()
    }

    /// Stops; `false` where it does not collect. The last values stay, and are stale.
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

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> CollectorStatus {
        let snapshot = self.snapshot();
        let running = self.running().is_some();
        let counts = self.shared.counts();
        let queue = self.shared.queue.as_ref().map(PointQueue::stats).unwrap_or_default();
        let store = self.shared.store.as_deref();
        let count = |is: &dyn Fn(&crate::GuestNow) -> bool| {
            snapshot.guests().iter().filter(|guest| is(guest)).count() as u64
        };
        let unmeasured = snapshot.guests().iter().map(|guest| &guest.sample);
        let unmeasured =
            unmeasured.filter(|it| it.id.is_some() && !it.partial && it.balloon != BalloonStats::Reported);
        CollectorStatus {
            running,
            started_at: counts.started_at,
            total_collections: counts.collections,
            total_errors: counts.errors,
            last_collection_time: snapshot.at(),
            vms_monitored: snapshot.guests().len() as u64,
            total_metrics_written: queue.written,
            influx_queue_size: queue.queued,
            influx_queue_dropped: queue.dropped + queue.rejected,
            interval_ms: self.shared.options.interval.into(),
            last_duration_ms: counts.last_duration.map(Millis::from),
            max_duration_ms: counts.max_duration.map(Millis::from),
            missed_intervals: counts.missed,
            stale_vms: count(&|guest| guest.is_stale),
            partial_vms: count(&|guest| guest.sample.partial),
            connection: counts.connection.clone(),
            last_error: counts.last_error.clone(),
            unmeasured: unmeasured
                .take(MAX_UNMEASURED)
                .map(|sample| UnmeasuredGuest {
                    uuid: sample.uuid.clone(),
                    name: sample.name.clone(),
                    balloon: sample.balloon.clone(),
                })
                .collect(),
            store_bytes: store.map_or(0, |store| store.size().0),
            store_given_up: store.map_or(0, Store::given_up),
            store_error: store.and_then(Store::last_error),
        }
    }

    /// The newest values of all guests. Never waits.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.snapshots.borrow())
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

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish_stale(&self) {
        self.snapshots.send_modify(|snapshot| *snapshot = Arc::new(snapshot.unanswered()));
    }
}

type Answer = (Result<Collection, HypervisorError>, Duration);

/// One run from start to stop.
struct Round<'shared> {
    shared: &'shared Arc<Shared>,
    rates: Rates,
    /// Collections that failed one after the other.
    failures: u32,
}

impl<'shared> Round<'shared> {
    fn new(shared: &'shared Arc<Shared>) -> Self {
        let max_gap = MIN_GAP.max(shared.options.interval * 3);
        Self { shared, rates: Rates::new(max_gap), failures: 0 }
    }

    fn run(mut self, stopped: &Receiver<()>) {
        let Some((questions, answers)) = self.asker() else { return };
        let interval = self.shared.options.interval;
        let start = Instant::now();
        let (mut due, mut asked, mut limit) = (start, None::<Instant>, never());
        loop {
            select! {
                // Nothing is ever sent: the other end was dropped.
                recv(stopped) -> _ => return,
                recv(limit) -> _ => {
                    limit = never();
                    self.shared.publish_stale();
                }
                recv(answers) -> answer => {
                    let Ok((answer, duration)) = answer else { return };
                    (asked, limit) = (None, never());
                    let pause = self.take(answer, duration);
                    while due < Instant::now() + pause.saturating_sub(interval) {
                        due += interval;
                        self.shared.counts().missed += 1;
                    }
                }
                recv(crossbeam_channel::at(due)) -> _ => {
                    due += interval;
                    if asked.is_none() && questions.try_send(()).is_ok() {
                        asked = Some(Instant::now());
                        limit = after(self.shared.options.time_limit);
                    } else {
                        self.shared.counts().missed += 1;
                    }
                    // After a sleep of the machine only the present counts.
                    while due + interval < Instant::now() {
                        due += interval;
                        self.shared.counts().missed += 1;
                    }
                }
            }
        }
    }

    /// The thread that asks; ends when the channel to it does.
    fn asker(&self) -> Option<(Sender<()>, Receiver<Answer>)> {
        let (questions, to_answer) = bounded::<()>(1);
        let (answer, answers) = bounded(1);
        let stats = Arc::clone(&self.shared.stats);
        let thread = std::thread::Builder::new().name("telemetry-ask".into()).spawn(move || {
            while to_answer.recv().is_ok() {
                let begun = Instant::now();
                if answer.send((stats.collect(), begun.elapsed())).is_err() {
                    break;
                }
            }
        });
        match thread {
            Ok(_) => Some((questions, answers)),
            Err(error) => {
                tracing::error!(%error, "no thread for the collector's questions");
                None
            }
        }
    }

    /// Publishes what was answered. Returns how long to wait before the next question.
    fn take(&mut self, answer: Result<Collection, HypervisorError>, duration: Duration) -> Duration {
        let now = Timestamp::from(SystemTime::now());
        match answer {
            Ok(collection) => {
                self.failures = 0;
                {
                    let mut counts = self.shared.counts();
                    counts.collections += 1;
                    counts.last_duration = Some(duration);
                    counts.max_duration = counts.max_duration.max(Some(duration));
                    counts.connection = Connection::Connected;
                }
                self.publish(collection, now);
                Duration::ZERO
            }
            Err(error) => {
                let pause = self.shared.options.interval.saturating_mul(1 << self.failures.min(16));
                let pause = pause.min(MAX_BACKOFF.max(self.shared.options.interval));
                self.failures = self.failures.saturating_add(1);
                let message = Message::new(with_causes(&error));
                if self.failures == 1 {
                    tracing::warn!(error = %message, "no statistics of the VMs");
                }
                let mut counts = self.shared.counts();
                counts.errors += 1;
                counts.last_error = Some(message.clone());
                let since = match counts.connection {
                    Connection::Reconnecting { since, .. } => since,
                    Connection::Idle | Connection::Connected => now,
                };
                counts.connection = Connection::Reconnecting {
                    since,
                    attempts: self.failures.into(),
                    next_attempt: now.plus(pause.into()),
                    error: message,
                };
                drop(counts);
                self.shared.publish_stale();
                pause
            }
        }
    }

    fn publish(&mut self, collection: Collection, now: Timestamp) {
        let before = Arc::clone(&self.shared.snapshots.borrow());
        let snapshot = Arc::new(before.after(collection, &mut self.rates, now));
        let known: std::collections::HashSet<_> =
            snapshot.guests().iter().map(|guest| guest.sample.uuid.as_str()).collect();
        self.rates.retain(|uuid| known.contains(uuid));
        if let Some(queue) = &self.shared.queue {
            queue.push(points(&snapshot, self.shared.options.host.as_deref()));
        }
        if let Some(store) = &self.shared.store {
            store.append(&snapshot);
        }
        self.shared.snapshots.send_replace(snapshot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use memdeck_hypervisor::simulated::SimulatedStats;

    use super::*;

    #[derive(Default)]
    struct Remembered {
        off: AtomicBool,
    }

    impl Switch for Remembered {
        fn load(&self) -> Option<bool> {
            Some(!self.off.load(Ordering::SeqCst))
        }

        fn store(&self, runs: bool) {
            self.off.store(!runs, Ordering::SeqCst);
        }
    }

    struct Bench {
        stats: Arc<SimulatedStats>,
        queue: PointQueue,
        switch: Arc<Remembered>,
    }

    impl Bench {
        fn new(guests: usize) -> Self {
            Self {
                stats: Arc::new(SimulatedStats::new(guests, 2)),
                queue: PointQueue::new(100),
                switch: Arc::default(),
            }
        }

        fn collector(&self) -> Collector {
            let options = CollectorOptions {
                interval: Duration::from_millis(5),
                time_limit: Duration::from_millis(20),
                host: None,
            };
            let (stats, queue) = (Arc::clone(&self.stats), self.queue.clone());
            let switch: Arc<dyn Switch> = Arc::<Remembered>::clone(&self.switch);
            Collector::new(stats, Some(queue), None, switch, options)
        }
    }

    /// The first snapshot for which `is` holds.
    fn wait(collector: &Collector, is: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut snapshots = collector.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let wait = snapshots.wait_for(|snapshot| is(snapshot));
            let found = tokio::time::timeout(Duration::from_secs(20), wait).await;
            Arc::clone(&*found.expect("it never comes so far").unwrap())
        })
    }

    fn has_rates(snapshot: &Snapshot) -> bool {
        !snapshot.guests().is_empty() && snapshot.guests().iter().all(|guest| guest.rates.cpu_pct.is_some())
    }

    #[test]
    fn it_runs_by_default_and_stays_stopped_over_a_restart() {
        let bench = Bench::new(2);
        let collector = bench.collector();
        wait(&collector, has_rates);
        let status = collector.status();
        assert!(status.running && status.started_at.is_some() && status.total_collections >= 2, "{status:?}");
        assert_eq!((status.vms_monitored, status.connection), (2, Connection::Connected));
        assert!(!collector.start(), "it runs already");
        assert!(collector.stop());
        assert!(!collector.stop());
        assert!(collector.snapshot().guests().iter().all(|guest| guest.is_stale));
        drop(collector);
        let next = bench.collector();
        assert!(!next.status().running);
        assert!(next.start());
        wait(&next, has_rates);
    }

    #[test]
    fn a_hypervisor_that_hangs_makes_values_stale_and_its_intervals_are_counted() {
        let bench = Bench::new(2);
        let collector = bench.collector();
        wait(&collector, has_rates);
        bench.stats.set_held(true);
        let stale = wait(&collector, |snapshot| snapshot.guests().iter().all(|guest| guest.is_stale));
        assert_eq!(stale.guests().len(), 2, "the last good values stay");
        bench.stats.set_held(false);
        wait(&collector, |snapshot| snapshot.guests().iter().all(|guest| !guest.is_stale));
        let status = collector.status();
        assert!(status.missed_intervals > 0, "{status:?}");
        assert_eq!(status.total_errors, 0);
    }

    #[test]
    fn a_hypervisor_that_is_away_is_asked_again_and_that_is_said() {
        let bench = Bench::new(1);
        let collector = bench.collector();
        wait(&collector, has_rates);
        bench.stats.set_unavailable(true);
        wait(&collector, |snapshot| snapshot.guests().iter().all(|guest| guest.is_stale));
        let status = collector.status();
        assert!(matches!(status.connection, Connection::Reconnecting { .. }), "{status:?}");
        assert!(status.total_errors > 0 && status.last_error.is_some());
        bench.stats.set_unavailable(false);
        wait(&collector, |snapshot| snapshot.guests().iter().all(|guest| !guest.is_stale));
        assert_eq!(collector.status().connection, Connection::Connected);
    }

    #[test]
    fn a_guest_that_hangs_stalls_no_other() {
        let bench = Bench::new(2);
        let collector = bench.collector();
        wait(&collector, has_rates);
        bench.stats.set_hanging("vm-0", true);
        let seen = wait(&collector, |snapshot| snapshot.guests().iter().any(|guest| guest.is_stale));
        let is_stale: Vec<_> = seen.guests().iter().map(|guest| guest.is_stale).collect();
        assert_eq!(is_stale, [true, false]);
        assert_eq!(collector.status().stale_vms, 1);
    }

    #[test]
    fn points_wait_in_a_bounded_queue() {
        let bench = Bench::new(7);
        let collector = bench.collector();
        wait(&collector, |_| bench.queue.stats().dropped > 0);
        let status = collector.status();
        assert_eq!(status.influx_queue_size, 100);
        assert!(status.influx_queue_dropped > 0);
    }
}
