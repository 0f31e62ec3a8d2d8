//! Asks for the statistics of all guests again and again, in one call or each guest by itself: what either way costs is
//! measured from outside, the daemon's share included (`scripts/bench telemetry`). A line of JSON tells each collection.
//!
//! `cargo run --release -p memdeck-hypervisor --example collect -- URI together|each [INTERVAL_MS]`

use std::error::Error;
use std::io::Write as _;
use std::time::{Duration, Instant};

use memdeck_hypervisor::{GuestStats as _, LibvirtStats, StatsOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (uri, way, interval) = match arguments.as_slice() {
        [uri, way] => (uri, way, 1000),
        [uri, way, interval] => (uri, way, interval.parse()?),
        _ => return Err("collect URI together|each [INTERVAL_MS]".into()),
    };
    // As the service does it.
    let options = StatsOptions {
        time_limit: Duration::from_secs(2),
        device_cache_ttl: Duration::from_mins(5),
        balloon_period: None,
    };
    let stats = LibvirtStats::connect(uri, options);
    let stats = match way.as_str() {
        "together" => stats,
        "each" => stats.asking_each(),
        _ => return Err(format!("'{way}' is neither together nor each").into()),
    };
    let interval = Duration::from_millis(interval);
    let mut due = Instant::now();
    loop {
        let begun = Instant::now();
        let collection = stats.collect()?;
        let devices: usize = collection.guests.iter().map(|guest| guest.devices.len()).sum();
        let line = format!(
            "{{\"guests\": {}, \"devices\": {devices}, \"unanswered\": {}, \"ms\": {}}}",
            collection.guests.len(),
            collection.unanswered.len(),
            begun.elapsed().as_millis()
        );
        writeln!(std::io::stdout(), "{line}")?;
        due += interval;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
