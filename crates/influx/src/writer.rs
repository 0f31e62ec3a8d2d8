//! A bounded queue of points, and the task that empties it into a store.
//!
//! ```text
//! push ──► queue ──(enough points, or the oldest has waited)──► write ──► written, rejected
//!            │  ▲                                                │
//!   dropped ◄┘  └───────────── not written: again, later ────────┘
//! ```
//!
//! A push never waits. When the queue is full the oldest points are dropped and counted, those included that were
//! being written and were not taken. At any moment: pushed = written + rejected + dropped + queued.
//! It is for telemetry: what must not be dropped is kept elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::{FeedError, Point, PointSink};

/// How points are batched and how many may wait.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// Points in one write (`BATCH_MAX_LINES`).
    pub max_lines: usize,
    /// How long a point waits for others (`BATCH_MAX_SEC`).
    pub max_wait: Duration,
    /// How many points may wait, those included that are being written.
    pub capacity: usize,
    /// The wait after a first failure; it doubles.
    pub first_retry: Duration,
    /// The longest wait while the store stays away.
    pub longest_retry: Duration,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            max_lines: 2000,
            max_wait: Duration::from_secs(1),
            capacity: 20_000,
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(30),
        }
    }
}

/// What a writer has done since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Points that were handed in.
    pub pushed: u64,
    /// Points that the store has acknowledged.
    pub written: u64,
    /// Points that the store will not take.
    pub rejected: u64,
    /// Points that the queue had no room for: the oldest.
    pub dropped: u64,
    /// Points that wait, those included that are being written.
    pub queued: u64,
    /// Writes that failed as a whole and are tried again.
    pub failed_writes: u64,
    /// Why the last write failed; `None` since one worked.
    pub last_error: Option<String>,
    /// What the store said of the last point it would not take.
    pub last_rejection: Option<String>,
}

/// Where points are handed in. Clones lead to the same queue.
#[derive(Clone)]
pub struct PointQueue(Arc<Shared>);

/// Empties the queue. Its task is [`PointWriter::run`].
pub struct PointWriter {
    shared: Arc<Shared>,
    sink: Arc<dyn PointSink>,
    settings: WriterSettings,
}

struct Shared {
    capacity: usize,
    queue: Mutex<Queue>,
    changed: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Instant, Point)>,
    in_flight: usize,
    is_closed: bool,
    stats: WriterStats,
}

impl Queue {
    /// Drops the oldest that wait until all have room.
    fn trim(&mut self, capacity: usize) {
        let over = (self.waiting.len() + self.in_flight).saturating_sub(capacity).min(self.waiting.len());
        self.waiting.drain(..over);
        self.stats.dropped += over as u64;
    }
}

/// A queue and what empties it.
pub fn point_writer(sink: Arc<dyn PointSink>, settings: WriterSettings) -> (PointQueue, PointWriter) {
    let queue = PointQueue::new(settings.capacity);
    let shared = Arc::clone(&queue.0);
    (queue, PointWriter { shared, sink, settings })
}

impl PointQueue {
    /// A queue of at most `capacity` points that nobody empties. [`point_writer`] makes one that is emptied.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let (capacity, queue, changed) = (capacity.max(1), Mutex::default(), Notify::new());
        Self(Arc::new(Shared { capacity, queue, changed }))
    }

    /// Hands points in; never waits. Points that come after [`Self::close`] are dropped.
    pub fn push(&self, points: impl IntoIterator<Item = Point>) {
        let now = Instant::now();
        let mut queue = self.0.lock();
        let before = queue.waiting.len();
        queue.waiting.extend(points.into_iter().map(|point| (now, point)));
        let pushed = queue.waiting.len() - before;
        queue.stats.pushed += pushed as u64;
        if queue.is_closed {
            queue.waiting.truncate(before);
            queue.stats.dropped += pushed as u64;
        }
        queue.trim(self.0.capacity);
        drop(queue);
        self.0.changed.notify_one();
    }

    /// No more points come: what waits is written once, and [`PointWriter::run`] ends.
    pub fn close(&self) {
        self.0.lock().is_closed = true;
        self.0.changed.notify_one();
    }

    /// What was done so far.
    pub fn stats(&self) -> WriterStats {
        let queue = self.0.lock();
        let queued = (queue.waiting.len() + queue.in_flight) as u64;
        WriterStats { queued, ..queue.stats.clone() }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PointWriter {
    /// Writes until the queue is closed. A store that is away is tried again and again; when the queue is closed meanwhile,
    /// what waits is tried once more and then given up.
    pub async fn run(self) {
        let mut backoff = Backoff::new(self.settings.first_retry, self.settings.longest_retry);
        while let Some(batch) = self.next_batch().await {
            match self.write(batch).await {
                Ok(()) => backoff.reset(),
                Err(()) if self.shared.lock().is_closed => {
                    self.give_up();
                    return;
                }
                Err(()) => {
                    let until = Instant::now() + backoff.wait();
                    while Instant::now() < until && !self.shared.lock().is_closed {
                        // Points that are pushed wake it, and do not end the wait.
                        let _woken = tokio::time::timeout_at(until, self.shared.changed.notified()).await;
                    }
                }
            }
        }
    }

    /// The oldest points, as soon as there are enough of them or the first has waited long enough. `None` when no more
    /// can come.
    async fn next_batch(&self) -> Option<Vec<(Instant, Point)>> {
        let max_lines = self.settings.max_lines.max(1);
        loop {
            let due = {
                let mut queue = self.shared.lock();
                let due = queue.waiting.front().map(|(since, _)| *since + self.settings.max_wait);
                let is_due = due.is_some_and(|due| due <= Instant::now());
                if queue.waiting.len() >= max_lines || is_due || (queue.is_closed && due.is_some()) {
                    let count = queue.waiting.len().min(max_lines);
                    queue.in_flight = count;
                    return Some(queue.waiting.drain(..count).collect());
                }
                if queue.is_closed {
                    return None;
                }
                due
            };
            let changed = self.shared.changed.notified();
            match due {
                None => changed.await,
                Some(due) => {
                    let _woken = tokio::time::timeout_at(due, changed).await;
                }
            }
        }
    }

    /// Writes a batch. What was not written is the oldest again.
    async fn write(&self, batch: Vec<(Instant, Point)>) -> Result<(), ()> {
        let (times, points): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let written = self.sink.write(&points).await;
        let mut queue = self.shared.lock();
        queue.in_flight = 0;
        match written {
            Ok(outcome) => {
                let rejected = outcome.rejected.len();
                queue.stats.written += points.len().saturating_sub(rejected) as u64;
                queue.stats.rejected += rejected as u64;
                queue.stats.last_error = None;
                let is_news = queue.stats.last_rejection.is_none();
                if let Some(rejection) = outcome.rejected.last() {
                    queue.stats.last_rejection = Some(rejection.error.to_string());
                    if is_news {
                        tracing::warn!(rejected, error = %rejection.error, "points were refused");
                    }
                }
                Ok(())
            }
            Err(error) => {
                queue.stats.failed_writes += 1;
                self.log(&error, queue.stats.last_error.is_none());
                queue.stats.last_error = Some(error.to_string());
                for waiting in times.into_iter().zip(points).rev() {
                    queue.waiting.push_front(waiting);
                }
                queue.trim(self.shared.capacity);
                Err(())
            }
        }
    }

    /// The first failure is news; that it goes on is not.
    fn log(&self, error: &FeedError, is_news: bool) {
        if is_news {
            tracing::warn!(influx = self.sink.describe(), %error, "points wait to be written");
        } else {
            tracing::debug!(influx = self.sink.describe(), %error, "points still wait to be written");
        }
    }

    fn give_up(&self) {
        let mut queue = self.shared.lock();
        let left = queue.waiting.len();
        queue.waiting.clear();
        queue.stats.dropped += left as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::{FieldValue, Rejection, WriteOutcome};

    /// Takes what it is given while it is there, but for points that are odd.
    #[derive(Default)]
    struct Store {
        is_away: AtomicBool,
        writes: AtomicUsize,
        times: Mutex<Vec<i64>>,
    }

    #[async_trait]
    impl PointSink for Store {
        async fn write(&self, points: &[Point]) -> Result<WriteOutcome, FeedError> {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.is_away.load(Ordering::SeqCst) {
                return Err(FeedError::Timeout { store: "store".to_owned(), after: Duration::from_secs(1) });
            }
            self.writes.fetch_add(1, Ordering::SeqCst);
            let mut outcome = WriteOutcome::default();
            for (index, point) in points.iter().enumerate() {
                if point.unix_nanos < 0 {
                    let error = FeedError::Settings { reason: "odd".to_owned() };
                    outcome.rejected.push(Rejection { index, error });
                } else {
                    outcome.written += 1;
                    self.times.lock().unwrap().push(point.unix_nanos);
                }
            }
            Ok(outcome)
        }

        fn describe(&self) -> String {
            "store".to_owned()
        }
    }

    fn point(unix_nanos: i64) -> Point {
        let fields = vec![("value", FieldValue::Integer(1))];
        Point { measurement: "vm_totals", tags: Vec::new(), fields, unix_nanos }
    }

    fn settings() -> WriterSettings {
        WriterSettings { max_lines: 10, capacity: 100, ..WriterSettings::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn points_are_written_when_there_are_enough_or_the_first_has_waited() {
        let store = Arc::new(Store::default());
        let (queue, writer) = point_writer(Arc::clone(&store) as _, settings());
        let task = tokio::spawn(writer.run());
        queue.push((0..10).map(point));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(queue.stats().written, 10, "a full batch does not wait");
        queue.push([point(11)]);
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(queue.stats().written, 10);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!((queue.stats().written, store.writes.load(Ordering::SeqCst)), (11, 2));
        queue.push([point(12)]);
        queue.close();
        task.await.unwrap();
        assert_eq!(queue.stats().written, 12, "what waits at the end is written");
    }

    /// Ten minutes away, then back.
    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_while_the_store_is_away_is_the_oldest_and_is_counted() {
        let store = Arc::new(Store::default());
        let (queue, writer) = point_writer(Arc::clone(&store) as _, settings());
        let task = tokio::spawn(writer.run());
        store.is_away.store(true, Ordering::SeqCst);
        for second in 0..600 {
            queue.push([point(second)]);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let away = queue.stats();
        assert!(away.dropped <= 500 && away.queued <= 100, "{away:?}");
        assert_eq!(away.pushed, away.dropped + away.queued);
        assert!(away.failed_writes < 60, "it waits longer and longer: {away:?}");
        store.is_away.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_mins(1)).await;
        queue.close();
        task.await.unwrap();
        let back = queue.stats();
        assert_eq!((back.pushed, back.queued, back.rejected, back.last_error), (600, 0, 0, None),);
        assert_eq!(back.written + back.dropped, 600);
        let arrived = store.times.lock().unwrap().clone();
        let expected: Vec<i64> = (600 - i64::try_from(back.written).unwrap()..600).collect();
        assert_eq!(arrived, expected, "the newest arrive, each once, in order");
    }

    #[tokio::test(start_paused = true)]
    async fn a_point_that_is_refused_holds_up_no_other() {
        let store = Arc::new(Store::default());
        let (queue, writer) = point_writer(Arc::clone(&store) as _, settings());
        let task = tokio::spawn(writer.run());
        queue.push([point(1), point(-1), point(2)]);
        queue.close();
        task.await.unwrap();
        let stats = queue.stats();
        assert_eq!((stats.written, stats.rejected, stats.queued), (2, 1, 0));
        assert!(stats.last_rejection.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_does_not_hold_up_the_end() {
        let store = Arc::new(Store::default());
        store.is_away.store(true, Ordering::SeqCst);
        let (queue, writer) = point_writer(Arc::clone(&store) as _, settings());
        let task = tokio::spawn(writer.run());
        queue.push((0..30).map(point));
        tokio::time::sleep(Duration::from_secs(100)).await;
        queue.close();
        tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
        let stats = queue.stats();
        assert_eq!((stats.dropped, stats.queued), (30, 0));
    }
}
