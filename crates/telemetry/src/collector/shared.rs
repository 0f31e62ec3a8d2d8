//! What the collector's callers and its threads share: the newest snapshot, the counts, and where values go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memdeck_hypervisor::GuestStats;
use memdeck_influx::PointQueue;
use memdeck_model::telemetry::{BalloonStats, CollectorStatus, Connection, UnmeasuredGuest};
use memdeck_model::{Message, Millis, Timestamp};
use tokio::sync::watch;

use super::CollectorOptions;
use crate::{GuestNow, Snapshot, Store};

/// The most guests that the status names because they do not report their memory.
const MAX_UNMEASURED: usize = 1000;

pub(super) struct Shared {
    pub(super) stats: Arc<dyn GuestStats>,
    pub(super) store: Option<Arc<Store>>,
    pub(super) queue: Option<PointQueue>,
    pub(super) options: CollectorOptions,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(super) counts: Mutex<Counts>,
}

/// What the status reports beside the snapshot.
pub(super) struct Counts {
    pub(super) started_at: Option<Timestamp>,
    pub(super) collections: u64,
    pub(super) errors: u64,
    pub(super) missed: u64,
    pub(super) last_duration: Option<Duration>,
    pub(super) max_duration: Option<Duration>,
    pub(super) connection: Connection,
    pub(super) last_error: Option<Message>,
}

impl Shared {
    pub(super) fn new(
        stats: Arc<dyn GuestStats>,
        queue: Option<PointQueue>,
        store: Option<Arc<Store>>,
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
        Self { stats, store, queue, options, snapshots, counts: Mutex::new(counts) }
    }

    pub(super) fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    pub(super) fn publish_stale(&self) {
        self.snapshots.send_modify(|snapshot| *snapshot = Arc::new(snapshot.unanswered()));
    }

    pub(super) fn status(&self, running: bool) -> CollectorStatus {
        let snapshot = self.snapshot();
        let counts = self.counts();
        let queue = self.queue.as_ref().map(PointQueue::stats).unwrap_or_default();
        let store = self.store.as_deref();
        let count = |is: &dyn Fn(&GuestNow) -> bool| {
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
            interval_ms: self.options.interval.into(),
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
}
