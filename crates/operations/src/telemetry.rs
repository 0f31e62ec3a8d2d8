//! What is measured of guests: the collector, the newest values, series over time.

use std::sync::Arc;

use memdeck_model::telemetry::{Diagnosis, Series, SeriesQuery, TelemetryReport};
use memdeck_model::{Problem, ProblemKind};
use tokio::sync::watch;

use crate::{Caller, Operations, Samples, Telemetry};

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
