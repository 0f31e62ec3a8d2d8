//! Runs the collector on simulated guests and tells what it costs, as one line of JSON.
//!
//! `cargo run --release -p memdeck-telemetry --example load -- [GUESTS] [SECONDS] [DEVICES] [INTERVAL_MS] [points]`
//!
//! With `points` every collection also becomes points, in a queue that drops the oldest.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use memdeck_hypervisor::simulated::SimulatedStats;
use memdeck_influx::PointQueue;
use memdeck_model::Timestamp;
use memdeck_model::telemetry::Metric;
use memdeck_model::telemetry::SeriesQuery;
use memdeck_telemetry::{Collector, CollectorOptions, Store, Switch};

/// Nothing is to survive this program.
struct Always;

impl Switch for Always {
    fn load(&self) -> Option<bool> {
        Some(true)
    }

    fn store(&self, _: bool) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, usual: u64| arguments.get(place).map_or(Ok(usual), |text| text.parse());
    let (guests, seconds, devices) = (number(0, 1000)?, number(1, 60)?, number(2, 3)?);
    let interval = Duration::from_millis(number(3, 1000)?);
    let makes_points = arguments.get(4).is_some_and(|text| text == "points");

    let dir = tempfile::tempdir()?;
    let store = Arc::new(Store::open(&dir.path().join(Store::FILE_NAME), Store::DEFAULT_LIMIT)?);
    let queue = makes_points.then(|| PointQueue::new(20_000));
    let simulated = SimulatedStats::new(usize::try_from(guests)?, usize::try_from(devices)?);
    let options = CollectorOptions { interval, time_limit: Duration::from_secs(5), host: None };
    let (begun, cpu_before) = (Instant::now(), cpu_seconds()?);
    let collector =
        Collector::new(Arc::new(simulated), queue, Some(Arc::clone(&store)), Arc::new(Always), options);
    while begun.elapsed() < Duration::from_secs(seconds) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds()? - cpu_before);
    let status = collector.status();
    store.settle();
    let reads = read_series(&store, &collector)?;
    println!(
        "{}",
        serde_json::json!({
            "guests": guests,
            "devices": devices,
            "wall_s": wall,
            "cpu_s": cpu,
            "cpu_pct_of_a_core": cpu / wall * 100.0,
            "rss_mib": memory_mib("VmRSS:")?,
            "peak_rss_mib": memory_mib("VmHWM:")?,
            "collections": status.total_collections,
            "missed_intervals": status.missed_intervals,
            "max_collection_ms": status.max_duration_ms,
            "points": status.influx_queue_size + status.influx_queue_dropped,
            "store_mib": status.store_bytes >> 20,
            "store_given_up": status.store_given_up,
            "store_error": status.store_error,
            "series_ms_p99": reads,
        })
    );
    Ok(())
}

/// How long a chart of a week takes, of guests one after the other: the 99th percentile in milliseconds.
fn read_series(store: &Store, collector: &Collector) -> Result<f64, Box<dyn Error>> {
    let now = Timestamp::from(SystemTime::now());
    let mut times = Vec::new();
    for guest in collector.snapshot().guests().iter().take(200) {
        let begun = Instant::now();
        store.series(&SeriesQuery {
            host: None,
            uuid: guest.sample.uuid.clone(),
            metric: Metric::NetRxBytes,
            device: None,
            from: now.minus(Duration::from_hours(7 * 24).into()),
            to: now,
            step_ms: None,
        })?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() * 99 / 100).copied().unwrap_or(0.0))
}

/// User and system time of this process.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold blanks; after it come the fields from the third on.
    let (_, fields) = stat.rsplit_once(')').ok_or("no such field")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.collect::<Result<Vec<_>, _>>()?.iter().sum::<f64>() / 100.0)
}

fn memory_mib(field: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("no such field")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse::<u64>()? / 1024)
}
