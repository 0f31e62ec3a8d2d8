//! What is measured of guests: the collector, the newest values, series over time.

use std::collections::BTreeSet;
use std::sync::Arc;

use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::telemetry::{Diagnosis, Series, SeriesQuery, TelemetryReport, VmTelemetry, VmTotals};
use memdeck_model::{Permission, Problem, ProblemKind, Vm};

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

    /// The guests that were measured, of those that the caller may see.
    ///
    /// # Errors
    /// Nothing is measured here.
    pub fn measured_vms(&self, caller: &Caller) -> Result<Vec<Vm>, Problem> {
        let mut vms = self.telemetry()?.vms();
        vms.retain(|vm| self.sees_measured(caller, Some(&vm.name.0), &vm.uuid));
        Ok(vms)
    }

    /// The same, and how busy they are.
    ///
    /// # Errors
    /// Nothing is measured here.
    pub fn vm_telemetry(&self, caller: &Caller) -> Result<Vec<VmTelemetry>, Problem> {
        let mut vms = self.telemetry()?.vm_telemetry();
        vms.retain(|measured| self.sees_measured(caller, Some(&measured.vm.name.0), &measured.vm.uuid));
        Ok(vms)
    }

    /// The UUIDs of the guests that were measured, of those that the caller may see.
    pub(crate) fn measured(&self, caller: &Caller) -> BTreeSet<String> {
        let vms = self.measured_vms(caller).unwrap_or_default();
        vms.into_iter().map(|vm| vm.uuid).collect()
    }

    /// Whether the caller may see what is measured of a guest of this machine.
    pub(crate) fn sees_measured(&self, caller: &Caller, name: Option<&str>, uuid: &str) -> bool {
        let here = self.hosts.members().find(|member| member.is_here());
        caller.sees(&self.hosts, here.as_ref().map(|here| here.name()), name, Some(uuid))
    }

    /// The newest values of the guest that a text names: by UUID, id or name.
    ///
    /// # Errors
    /// Nothing is measured here, or there is no such guest that the caller may see.
    pub fn vm_stats(&self, vm: &str, caller: &Caller) -> Result<VmTotals, Problem> {
        let telemetry = self.telemetry()?;
        let found = if caller.reach.is_limited() {
            let vms = self.measured_vms(caller)?;
            let by = |is_it: &dyn Fn(&Vm) -> bool| vms.iter().find(|vm| is_it(vm));
            let found = by(&|known| known.uuid == vm)
                .or_else(|| by(&|known| known.id >= 0 && known.id.to_string() == vm))
                .or_else(|| by(&|known| known.name.0 == vm));
            found.and_then(|vm| telemetry.totals(&vm.uuid))
        } else {
            telemetry.totals(vm)
        };
        found.ok_or_else(|| unmeasured(vm))
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
    /// Nothing is measured here, the range cannot be used, or the store cannot be read; or the caller does not see every guest,
    /// and this one is not measured now or not one of theirs.
    pub async fn series(&self, query: SeriesQuery, caller: &Caller) -> Result<Series, Problem> {
        let telemetry = self.telemetry()?;
        if caller.reach.is_limited() && !self.measured(caller).contains(&query.uuid) {
            return Err(unmeasured(&query.uuid));
        }
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

/// A guest of which no values are known.
fn unmeasured(vm: &str) -> Problem {
    let shown: String = vm.chars().filter(|c| !c.is_control()).take(80).collect();
    Problem::new(ProblemKind::NotFound, format!("no guest '{shown}' was measured"))
}

fn changed_if(is_changed: bool) -> AuditResult {
    if is_changed { AuditResult::Succeeded } else { AuditResult::Unchanged }
}
