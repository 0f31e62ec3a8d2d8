//! What is measured of guests: the collector, the newest values, series over time.

use std::sync::Arc;

use async_trait::async_trait;
use memdeck_model::telemetry::{
    CollectorStatus, Diagnosis, LiveSample, Series, SeriesQuery, SettingInUse, TelemetryReport,
};
use memdeck_model::{Problem, ProblemKind, Timestamp};
use tokio::sync::watch;

use crate::{Caller, Operations};

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

impl Operations {
    fn telemetry(&self) -> Result<&Arc<dyn Telemetry>, Problem> {
        self.telemetry.as_ref().ok_or_else(|| {
            let detail = "no guests are measured here: their host is another machine";
            Problem::new(ProblemKind::Unavailable, detail)
        })
    }

    /// The newest values of all guests, and a signal for each collection; `None` where nothing is measured.
    #[must_use]
    pub fn samples(&self) -> Option<watch::Receiver<Arc<Samples>>> {
        self.telemetry.as_ref().map(|telemetry| telemetry.samples())
    }

    /// The collector, its settings and its figures.
    ///
    /// # Errors
    /// There is none.
    pub fn telemetry_report(&self) -> Result<TelemetryReport, Problem> {
        let telemetry = self.telemetry()?;
        Ok(TelemetryReport { status: telemetry.status(), settings: telemetry.settings() })
    }

    /// Tries everything that telemetry needs: the hypervisor, the store, `InfluxDB`.
    ///
    /// # Errors
    /// Nothing is measured here.
    pub async fn diagnose_telemetry(&self) -> Result<Diagnosis, Problem> {
        Ok(self.telemetry()?.diagnose().await)
    }

    /// Starts the collector; false if it runs already.
    ///
    /// # Errors
    /// There is none, or its state cannot be kept.
    pub async fn start_collector(&self, caller: &Caller) -> Result<bool, Problem> {
        let is_new = self.telemetry()?.start().await?;
        if is_new {
            tracing::info!(by = %caller.actor.to_json(), "the collector was started");
        }
        Ok(is_new)
    }

    /// Stops the collector; false if it does not run.
    ///
    /// # Errors
    /// There is none, or its state cannot be kept.
    pub async fn stop_collector(&self, caller: &Caller) -> Result<bool, Problem> {
        let was_running = self.telemetry()?.stop().await?;
        if was_running {
            tracing::info!(by = %caller.actor.to_json(), "the collector was stopped");
        }
        Ok(was_running)
    }

    /// One metric of a guest or device over time.
    ///
    /// # Errors
    /// Nothing is measured here, the range cannot be used, or the store cannot be read.
    pub async fn series(&self, query: SeriesQuery) -> Result<Series, Problem> {
        self.telemetry()?.series(query).await
    }
}
