//! Everything that telemetry needs, tried (contract section 3).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::Message;
use memdeck_model::telemetry::{Check, CheckState, CheckedPart, Diagnosis};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlQuery};
use super::telemetry::{OfHost, Status};

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(diagnostic))
}

#[derive(Serialize, ToSchema)]
struct Diagnostic {
    /// `ok`, or `error` if a check failed.
    status: &'static str,
    /// The settings of telemetry.
    config: BTreeMap<String, String>,
    kvm: KvmDiagnostic,
    /// `InfluxDB`.
    influx: InfluxDiagnostic,
    collector: CollectorDiagnostic,
    /// Everything that was tried, with what to do.
    checks: Vec<Check>,
}

#[derive(Serialize, ToSchema)]
struct KvmDiagnostic {
    /// `ok` or `error`.
    status: &'static str,
    /// Guests that run.
    live_vms: usize,
    /// What the hypervisor said.
    error: Option<Message>,
}

#[derive(Serialize, ToSchema)]
struct InfluxDiagnostic {
    /// `ok`, `error` or `not_configured`.
    status: &'static str,
    /// What does not work.
    error: Option<Message>,
}

#[derive(Serialize, ToSchema)]
struct CollectorDiagnostic {
    /// Whether it runs.
    running: bool,
    /// Guests that it measures.
    vms_monitored: u64,
}

/// Tries everything that telemetry needs.
#[utoipa::path(
    get,
    path = "/diagnostic",
    tag = "telemetry",
    params(OfHost),
    responses((status = 200, body = Diagnostic))
)]
async fn diagnostic(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(OfHost { host }): UrlQuery<OfHost>,
) -> Result<Json<Diagnostic>, RestError> {
    let status = Status::of(&state, host.as_deref()).await?;
    let Diagnosis { checks } = state.operations.diagnose_telemetry(host.as_deref()).await?;
    let kvm = match state.operations.guests_of_collector(host.as_deref(), &who.calls()).await {
        Ok(guests) => {
            let live_vms = guests.iter().filter(|guest| guest.id.is_some()).count();
            KvmDiagnostic { status: "ok", live_vms, error: None }
        }
        Err(problem) => KvmDiagnostic { status: "error", live_vms: 0, error: Some(problem.detail) },
    };
    let failed = checks.iter().any(|check| check.state == CheckState::Failed) || kvm.error.is_some();
    Ok(Json(Diagnostic {
        status: if failed { "error" } else { "ok" },
        config: status.config,
        kvm,
        influx: influx_of(&checks),
        collector: CollectorDiagnostic {
            running: status.collector.running,
            vms_monitored: status.collector.vms_monitored,
        },
        checks,
    }))
}

/// The store of points in short.
fn influx_of(checks: &[Check]) -> InfluxDiagnostic {
    let mut of_influx = checks.iter().filter(|check| check.part == CheckedPart::Influx);
    let failed = of_influx.clone().find(|check| check.state == CheckState::Failed);
    let status = match failed {
        Some(_) => "error",
        None if of_influx.all(|check| check.state == CheckState::Off) => "not_configured",
        None => "ok",
    };
    InfluxDiagnostic { status, error: failed.map(|check| check.finding.clone()) }
}
