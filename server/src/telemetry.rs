//! The collector of this process, wired together: its own connection to libvirt, its own store, its switch in the catalog.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_hypervisor::{GuestStats as _, LibvirtStats, StatsOptions};
use memdeck_machine::MeasuredGuests;
use memdeck_operations::{Telemetry, blocking};
use memdeck_telemetry::{Collector, CollectorOptions, Store, Switch};

use crate::config::Config;
use crate::node::State;

/// Measures the guests of the configured hypervisor, unless an operator stopped that earlier.
pub async fn start(config: &Config, state: &State) -> Arc<dyn Telemetry> {
    let path = config.state_dir.join(Store::FILE_NAME);
    let store = blocking(move || Store::open(&path, Store::DEFAULT_LIMIT)).await;
    let store = match store {
        Ok(store) => Some(Arc::new(store)),
        // Dumps do without it, and so does everything that is live.
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no telemetry is kept");
            None
        }
    };
    let interval = Duration::from_secs(1);
    let options = StatsOptions {
        time_limit: config.libvirt.timeout,
        device_cache_ttl: Duration::from_mins(5),
        balloon_period: Some(Duration::from_secs(2)),
    };
    let stats = Arc::new(LibvirtStats::connect(&config.libvirt.uri, options));
    let uri = stats.uri().to_owned();
    let switch = Arc::new(Kept(Arc::clone(&state.catalog)));
    let options = CollectorOptions { interval, time_limit: interval * 5, host: None };
    let kept = store.clone();
    let collector = blocking(move || Collector::new(stats, None, kept, switch, options)).await;
    Arc::new(MeasuredGuests::new(Arc::new(collector), store, uri, config.shown.clone()))
}

/// Whether the collector runs, in the catalog.
struct Kept(Arc<Catalog>);

impl Kept {
    const SETTING: &str = "collector runs";
}

impl Switch for Kept {
    fn load(&self) -> Option<bool> {
        match self.0.setting(Self::SETTING) {
            Ok(setting) => setting.map(|word| word == "yes"),
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
        if let Err(error) = self.0.set_setting(Self::SETTING, if runs { "yes" } else { "no" }) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "whether the collector is to run cannot be kept"
            );
        }
    }
}
