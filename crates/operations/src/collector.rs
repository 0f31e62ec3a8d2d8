//! The port behind which guests are measured.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use memdeck_model::telemetry::{
    Diagnosis, LiveValues, Measurements, Series, SeriesQuery, TelemetryReport, Watch,
};
use memdeck_model::{Actor, Problem};

/// Measures the guests of one host. What is told of them does not say which host that is.
#[async_trait]
pub trait Telemetry: Send + Sync {
    /// What `watch` names of the newest values: at once where there are any, then after each collection. A reader that is slow
    /// misses some. Of a host that is away the last ones come once more, as stale.
    fn values(&self, watch: Watch) -> BoxStream<'static, LiveValues>;

    /// All guests that were measured. A host that is away is waited for a moment only; then these are the last ones, as stale.
    ///
    /// # Errors
    /// The host is away, or does not measure its guests.
    async fn measurements(&self) -> Result<Measurements, Problem>;

    /// How the collector stands, and the settings that it works with, secrets as `***`.
    ///
    /// # Errors
    /// The host is away, or does not measure its guests.
    async fn report(&self) -> Result<TelemetryReport, Problem>;

    /// Collects from now on, after a restart too, on behalf of `by`. False if it did so already.
    ///
    /// # Errors
    /// The host is away, or does not measure its guests.
    async fn start(&self, by: &Actor) -> Result<bool, Problem>;

    /// Stops collecting, after a restart too, on behalf of `by`. False if it did not collect.
    ///
    /// # Errors
    /// The host is away, or does not measure its guests.
    async fn stop(&self, by: &Actor) -> Result<bool, Problem>;

    /// Tries everything that it needs.
    ///
    /// # Errors
    /// The host is away, or does not measure its guests. What does not work is no error.
    async fn diagnose(&self) -> Result<Diagnosis, Problem>;

    /// One metric of a guest or device over time.
    ///
    /// # Errors
    /// The range cannot be used, or the store cannot be read; or the host is away, or does not measure its guests.
    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem>;
}
