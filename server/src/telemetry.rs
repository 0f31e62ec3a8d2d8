//! The collector of this process, wired together: its own connection to libvirt, its own store, its switch in the catalog.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_hypervisor::{GuestStats as _, LibvirtStats, StatsOptions};
use memdeck_influx::{Influx, PointWriter, WriterSettings, point_writer};
use memdeck_machine::MeasuredGuests;
use memdeck_model::ByteCount;
use memdeck_operations::{Telemetry, blocking};
use memdeck_telemetry::{Collector, CollectorOptions, Store, Switch};

use crate::config::Config;
use crate::node::State;

/// A guest that hangs holds up the first collection for so long, and none after it.
const GUEST_TIME_LIMIT: Duration = Duration::from_secs(2);
/// How often a guest is asked what its memory is used for, where it did not say so by itself.
const BALLOON_PERIOD: Duration = Duration::from_secs(2);
/// Points that wait for InfluxDB; the oldest are dropped.
const QUEUE: usize = 20_000;

/// The collector of this process, and what writes its points.
pub struct Measuring {
    pub telemetry: Arc<dyn Telemetry>,
    /// Runs until the process stops; `None` without InfluxDB.
    pub writer: Option<PointWriter>,
}

/// Measures the guests of the configured hypervisor, unless an operator stopped that earlier. `host` is the name of this
/// machine where it is one of several.
pub async fn start(
    config: &Config,
    state: &State,
    influx: Option<Arc<Influx>>,
    host: Option<String>,
) -> Measuring {
    let telemetry = &config.telemetry;
    let path = config.state_dir.join(Store::FILE_NAME);
    let limit = ByteCount::from_mib(telemetry.store_mib);
    let store = match blocking(move || Store::open(&path, limit)).await {
        Ok(store) => Some(Arc::new(store)),
        // Dumps do without it, and so does everything that is live.
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no telemetry is kept");
            None
        }
    };
    let guests = Arc::new(LibvirtStats::connect(
        &config.libvirt.uri,
        StatsOptions {
            time_limit: GUEST_TIME_LIMIT.min(config.libvirt.timeout),
            device_cache_ttl: telemetry.device_cache_ttl,
            balloon_period: telemetry.balloon_stats.then_some(BALLOON_PERIOD),
        },
    ));
    let uri = guests.uri().to_owned();
    let switch = Arc::new(Kept { catalog: Arc::clone(&state.catalog), runs_by_default: telemetry.collect });
    let (queue, writer) =
        influx.clone().zip(config.influx.as_ref()).map_or((None, None), |(influx, config)| {
            let settings = WriterSettings {
                max_lines: config.batch_max_lines,
                max_wait: config.batch_max_wait,
                capacity: QUEUE,
                ..WriterSettings::default()
            };
            let (queue, writer) = point_writer(influx, settings);
            (Some(queue), Some(writer))
        });
    let interval = telemetry.poll_interval;
    let options = CollectorOptions { interval, time_limit: (interval * 5).max(GUEST_TIME_LIMIT * 2), host };
    let kept = store.clone();
    let collector = blocking(move || Collector::new(guests, queue, kept, switch, options)).await;
    let measured = MeasuredGuests::new(Arc::new(collector), store, influx, uri, config.shown.clone());
    Measuring { telemetry: Arc::new(measured), writer }
}

/// Whether the collector runs, in the catalog.
struct Kept {
    catalog: Arc<Catalog>,
    /// Where nobody has started or stopped it yet.
    runs_by_default: bool,
}

impl Kept {
    const SETTING: &str = "collector runs";
}

impl Switch for Kept {
    fn load(&self) -> Option<bool> {
        match self.catalog.setting(Self::SETTING) {
            Ok(setting) => Some(setting.map_or(self.runs_by_default, |word| word == "yes")),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "whether the collector is to run cannot be read"
                );
                None
            }
        }
    }

    fn store(&self, runs: bool) {
        if let Err(error) = self.catalog.set_setting(Self::SETTING, if runs { "yes" } else { "no" }) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "whether the collector is to run cannot be kept"
            );
        }
    }
}
