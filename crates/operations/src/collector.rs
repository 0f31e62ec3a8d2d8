//! The port behind which guests are measured.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_model::telemetry::{CollectorStatus, Diagnosis, LiveSample, Series, SeriesQuery, SettingInUse};
use memdeck_model::{Problem, Timestamp};
use tokio::sync::watch;

/// The newest values of all guests, as one collection found them.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// When; `None` before the first collection.
    pub at: Option<Timestamp>,
    /// By name.
    pub guests: Vec<LiveSample>,
}

/// Measures the guests of one host.
#[async_trait]
pub trait Telemetry: Send + Sync {
    /// The newest values, and a signal for each collection. Reading them waits for nothing.
    fn samples(&self) -> watch::Receiver<Arc<Samples>>;

    /// How the collector stands.
    fn status(&self) -> CollectorStatus;

    /// Collects from now on, after a restart too. False if it did so already.
    ///
    /// # Errors
    /// That cannot be remembered.
    async fn start(&self) -> Result<bool, Problem>;

    /// Stops collecting, after a restart too. False if it did not collect.
    ///
    /// # Errors
    /// That cannot be remembered.
    async fn stop(&self) -> Result<bool, Problem>;

    /// The settings that it works with, secrets as `***`.
    fn settings(&self) -> Vec<SettingInUse>;

    /// Tries everything that it needs.
    async fn diagnose(&self) -> Diagnosis;

    /// One metric of a guest or device over time.
    ///
    /// # Errors
    /// The range cannot be used, or the store cannot be read.
    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem>;
}
