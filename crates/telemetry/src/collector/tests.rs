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
