//! Fills a store with a week of simulated guests, a sample a minute, and tells how long a chart of it takes, as one line of
//! JSON.
//!
//! `cargo run --release -p memdeck-telemetry --example week -- [GUESTS] [LIMIT_MIB]`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use memdeck_hypervisor::GuestStats;
use memdeck_hypervisor::simulated::SimulatedStats;
use memdeck_model::telemetry::Metric;
use memdeck_model::telemetry::SeriesQuery;
use memdeck_model::{ByteCount, Timestamp};
use memdeck_telemetry::{Rates, Snapshot, Store};

const WEEK: Duration = Duration::from_hours(7 * 24);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let guests: usize = arguments.next().map_or(Ok(20), |text| text.parse())?;
    let limit: u64 = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    let store = Store::open(&dir.path().join(Store::FILE_NAME), ByteCount::from_mib(limit))?;
    let stats = SimulatedStats::new(guests, 3).with_step(Duration::from_mins(1));
    let mut rates = Rates::new(Duration::from_mins(3));
    let mut snapshot = Arc::new(Snapshot::default());
    let now = Timestamp::from(SystemTime::now());
    let mut at = now.minus(WEEK.into());
    let begun = Instant::now();
    while at < now {
        snapshot = Arc::new(snapshot.after(stats.collect()?, &mut rates, at));
        store.append(&snapshot);
        store.settle();
        at = at.plus(Duration::from_mins(1).into());
    }
    let filled = begun.elapsed().as_secs_f64();
    let mut times = Vec::new();
    let mut buckets = 0;
    for guest in snapshot.guests().iter().cycle().take(200.max(guests)) {
        for metric in [Metric::CpuTime, Metric::MemRss, Metric::DiskErrors] {
            let begun = Instant::now();
            let series = store.series(&SeriesQuery {
                host: None,
                uuid: guest.sample.uuid.clone(),
                metric,
                device: None,
                from: now.minus(WEEK.into()),
                to: now,
                step_ms: None,
            })?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            buckets = buckets.max(series.buckets.len());
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    println!(
        "{}",
        serde_json::json!({
            "guests": guests,
            "filled_s": filled,
            "store_mib": store.size().0 >> 20,
            "begins": store.begins(),
            "buckets": buckets,
            "charts": times.len(),
            "chart_ms_p50": at(50),
            "chart_ms_p99": at(99),
            "chart_ms_max": times.last(),
        })
    );
    Ok(())
}
