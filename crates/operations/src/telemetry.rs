//! What is measured of guests: the collector, the newest values, series over time.

use std::sync::Arc;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::telemetry::{Diagnosis, Series, SeriesQuery, TelemetryReport, VmTotals};
use memdeck_model::{Permission, Problem, ProblemKind};

use crate::audit::Deed;
use crate::{Caller, Operations, Telemetry};

/// The longest range of a series: longer than anything is kept.
const MAX_RANGE_MS: u64 = 10 * 366 * 24 * 60 * 60 * 1000;

impl Operations {
    /// What measures the guests.
    ///
    /// # Errors
    /// Nothing is measured here.
    pub fn telemetry(&self) -> Result<&Arc<dyn Telemetry>, Problem> {
        self.telemetry.as_ref().ok_or_else(|| {
            let detail = "no guests are measured here: their host is another machine";
            Problem::new(ProblemKind::Unavailable, detail)
        })
    }

    /// The collector, its settings and its figures.
    ///
    /// # Errors
    /// Nothing is measured here.
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

    /// The newest values of the guest that a text names: by UUID, id or name.
    ///
    /// # Errors
    /// Nothing is measured here, or there is no such guest.
    pub fn vm_stats(&self, vm: &str) -> Result<VmTotals, Problem> {
        self.telemetry()?.totals(vm).ok_or_else(|| {
            let shown: String = vm.chars().filter(|c| !c.is_control()).take(80).collect();
            Problem::new(ProblemKind::NotFound, format!("no guest '{shown}' was measured"))
        })
    }

    /// Starts the collector; false if it runs already.
    ///
    /// # Errors
    /// There is none.
    pub async fn start_collector(&self, caller: &Caller) -> Result<bool, Problem> {
        caller.must(Permission::Collect)?;
        let telemetry = self.telemetry()?;
        let begun = self
            .audit
            .begin(caller, Deed::new(AuditAction::CollectorStarted, AuditObject::Collector))
            .await?;
        let is_new = telemetry.start().await;
        begun.end(changed_if(is_new), AuditDetails::default()).await;
        if is_new {
            tracing::info!(by = %caller.actor.to_json(), "the collector was started");
        }
        Ok(is_new)
    }

    /// Stops the collector; false if it does not run.
    ///
    /// # Errors
    /// There is none.
    pub async fn stop_collector(&self, caller: &Caller) -> Result<bool, Problem> {
        caller.must(Permission::Collect)?;
        let telemetry = self.telemetry()?;
        let begun = self
            .audit
            .begin(caller, Deed::new(AuditAction::CollectorStopped, AuditObject::Collector))
            .await?;
        let was_running = telemetry.stop().await;
        begun.end(changed_if(was_running), AuditDetails::default()).await;
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
        let telemetry = self.telemetry()?;
        if query.to <= query.from || query.to.since(query.from).0 > MAX_RANGE_MS {
            let detail = "`to` must be later than `from`, by ten years at most";
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        if query.step_ms.is_some_and(|step| step.0 == 0) {
            return Err(Problem::new(ProblemKind::Invalid, "a step must be longer than 0"));
        }
        telemetry.series(query).await
    }
}

fn changed_if(is_changed: bool) -> AuditResult {
    if is_changed { AuditResult::Succeeded } else { AuditResult::Unchanged }
}
