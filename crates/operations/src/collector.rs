//! The port behind which guests are measured.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use memdeck_model::telemetry::{
    CollectorStatus, Diagnosis, LiveSample, LiveSummary, Series, SeriesQuery, SettingInUse, VmTelemetry,
    VmTotals,
};
use memdeck_model::{Problem, Timestamp, Vm};

/// Measures the guests of one host. Reading the newest values waits for nothing.
#[async_trait]
pub trait Telemetry: Send + Sync {
    /// One item after each collection, and one at once; a reader that is slow misses some.
    fn collections(&self) -> BoxStream<'static, ()>;

    /// When the newest values were taken; `None` before the first collection.
    fn collected_at(&self) -> Option<Timestamp>;

    /// The newest values of the guest with this UUID.
    fn live(&self, uuid: &str) -> Option<LiveSample>;

    /// The newest values of all guests in short, by name.
    fn summaries(&self) -> Vec<LiveSummary>;

    /// All guests that were measured, by name.
    fn vms(&self) -> Vec<Vm>;

    /// All guests and how busy they are, by name.
    fn vm_telemetry(&self) -> Vec<VmTelemetry>;

    /// The newest values of the guest that a text names: by UUID, id or name.
    fn totals(&self, vm: &str) -> Option<VmTotals>;

    /// How the collector stands.
    fn status(&self) -> CollectorStatus;

    /// Collects from now on, after a restart too. False if it did so already.
    async fn start(&self) -> bool;

    /// Stops collecting, after a restart too. False if it did not collect.
    async fn stop(&self) -> bool;

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
