//! The page's calls about what is measured of guests.

use memdeck_model::HostId;
use memdeck_model::telemetry::{Diagnosis, HostCollector, Series, SeriesQuery, TelemetryReport};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// The collector, its settings and its figures.
    ///
    /// # Errors
    /// Nothing is measured here, or the server does not answer.
    "collector": async fn fetch_collector(
        /// Of which host; of this machine, or the only one, if none is named.
        host: Option<HostId>,
    ) -> TelemetryReport {
        operations::present()?.collector(host).await.map_err(operations::refuse)
    }

    /// The collectors of all hosts, where there are several.
    ///
    /// # Errors
    /// The server does not answer.
    "collectors": async fn fetch_collectors() -> Vec<HostCollector> {
        operations::present()?.collectors().await.map_err(operations::refuse)
    }

    /// Starts or stops the collector.
    ///
    /// # Errors
    /// Nothing is measured here, that cannot be remembered, or the server does not answer.
    "run-collector": async fn run_collector(
        /// Of which host; of this machine, or the only one, if none is named.
        host: Option<HostId>,
        /// Whether it is to run.
        run: bool,
    ) -> TelemetryReport {
        operations::present()?.run_collector(host, run).await.map_err(operations::refuse)
    }

    /// Tries everything that telemetry needs: the hypervisor, the store, `InfluxDB`.
    ///
    /// # Errors
    /// The server does not answer. What does not work is no error.
    "diagnose-telemetry": async fn diagnose_telemetry(
        /// Of which host; of this machine, or the only one, if none is named.
        host: Option<HostId>,
    ) -> Diagnosis {
        operations::present()?.diagnose_telemetry(host).await.map_err(operations::refuse)
    }

    /// One metric of a guest or device over time.
    ///
    /// # Errors
    /// The range cannot be used, the store cannot be read, or the server does not answer.
    "series": async fn fetch_series(
        /// Which series, and how fine.
        query: SeriesQuery,
    ) -> Series {
        operations::present()?.series(query).await.map_err(operations::refuse)
    }
}
