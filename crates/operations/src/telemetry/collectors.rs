//! The collectors of the hosts: how they stand, and what is asked of them.

use futures_util::future::join_all;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::telemetry::{Diagnosis, HostCollector, TelemetryReport};
use memdeck_model::{Guest, Permission, Problem};

use super::measurers::Measurer;
use crate::asked::with_agent;
use crate::audit::{Audit, Deed, result_of};
use crate::{Caller, Operations, Telemetry};

impl Operations {
    /// The collector of a host, its settings and its figures; of this machine where none is named.
    ///
    /// # Errors
    /// The guests there are not measured, or it does not answer; or several other machines measure, and none is named.
    pub async fn telemetry_report(&self, host: Option<&str>) -> Result<TelemetryReport, Problem> {
        self.measurer(host)?.telemetry.report().await
    }

    /// The collector of each host, where there are several. One that cannot be asked says why.
    pub async fn collectors(&self) -> Vec<HostCollector> {
        if !self.hosts.are_many() {
            return Vec::new();
        }
        let asked = self.hosts.members().map(|member| async move {
            let report = match self.measurer(Some(member.name().as_str())) {
                Ok(measurer) => measurer.telemetry.report().await,
                Err(problem) => Err(problem),
            };
            let (status, problem) = match report {
                Ok(report) => (Some(report.status), None),
                Err(problem) => (None, Some(problem.detail)),
            };
            HostCollector { host: member.name().clone(), status, problem }
        });
        join_all(asked).await
    }

    /// Tries everything that telemetry of a host needs: the hypervisor, the store, `InfluxDB`; of this machine where none is named.
    ///
    /// # Errors
    /// As [`Self::telemetry_report`].
    pub async fn diagnose_telemetry(&self, host: Option<&str>) -> Result<Diagnosis, Problem> {
        self.measurer(host)?.telemetry.diagnose().await
    }

    /// The guests of the host whose collector is meant by this name, or by none.
    ///
    /// # Errors
    /// As [`Self::telemetry_report`]; or its guests are not known.
    pub async fn guests_of_collector(
        &self,
        host: Option<&str>,
        caller: &Caller,
    ) -> Result<Vec<Guest>, Problem> {
        let label = self.measurer(host)?.label;
        let mut guests = self.list_guests(caller).await?;
        guests.retain(|guest| guest.host == label);
        Ok(guests)
    }

    /// Starts or stops the collector of a host, of this machine where none is named; false if nothing changes.
    ///
    /// # Errors
    /// The caller may not, or as [`Self::telemetry_report`].
    pub async fn run_collector(
        &self,
        host: Option<&str>,
        run: bool,
        caller: &Caller,
    ) -> Result<bool, Problem> {
        caller.must(Permission::Collect)?;
        let Measurer { member, telemetry, is_own, .. } = self.measurer(host)?;
        let object = if is_own {
            AuditObject::Collector
        } else {
            AuditObject::Host { name: member.name().to_string() }
        };
        run_collector(telemetry.as_ref(), &self.audit, object, run, caller).await
    }
}

/// Starts or stops a collector, which is called `object` in the audit; false if nothing changes.
///
/// # Errors
/// The caller may not, or the host does not answer.
pub async fn run_collector(
    telemetry: &dyn Telemetry,
    audit: &Audit,
    object: AuditObject,
    run: bool,
    caller: &Caller,
) -> Result<bool, Problem> {
    caller.must(Permission::Collect)?;
    let action = if run { AuditAction::CollectorStarted } else { AuditAction::CollectorStopped };
    let begun = audit.begin(caller, Deed::new(action, object.clone())).await?;
    let by = &caller.actor;
    let (done, agent) =
        with_agent(async { if run { telemetry.start(by).await } else { telemetry.stop(by).await } }).await;
    match &done {
        Ok(is_changed) => {
            begun.end(changed_if(*is_changed), AuditDetails { agent, ..AuditDetails::default() }).await;
        }
        Err(problem) => {
            let details = AuditDetails::because(&problem.detail);
            begun.end(result_of(problem), AuditDetails { agent, ..details }).await;
        }
    }
    if matches!(done, Ok(true)) {
        let what = if run { "started" } else { "stopped" };
        tracing::info!(by = %caller.actor.to_json(), "{object} was {what}");
    }
    done
}

fn changed_if(is_changed: bool) -> AuditResult {
    if is_changed { AuditResult::Succeeded } else { AuditResult::Unchanged }
}
