//! The dashboard's telemetry (contract section 3): guests as they were measured, the collector, series over time.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::telemetry::{
    Check, CheckState, CheckedPart, CollectorStatus, Diagnosis, Metric, Series, SeriesQuery, VmTelemetry,
};
use memdeck_model::{FrozenPause, Guest, GuestState, Message, Millis, Problem, ProblemKind, Timestamp, Vm};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlPath, UrlQuery};

/// A guest without points for this long is not monitored any more.
const MONITORED: Millis = Millis(5 * 60 * 1000);

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(status))
        .routes(routes!(vms))
        .routes(routes!(live_vms))
        .routes(routes!(monitored_vms))
        .routes(routes!(vm_stats))
        .routes(routes!(vm_telemetry))
        .routes(routes!(config))
        .routes(routes!(diagnostic))
        .routes(routes!(series))
}

/// How the collector stands, and what it works with.
#[derive(Serialize, ToSchema)]
struct Status {
    #[serde(flatten)]
    collector: CollectorStatus,
    /// Its settings by the names of their environment variables, secrets as `***`.
    config: BTreeMap<String, String>,
}

impl Status {
    fn of(state: &DashboardState) -> Result<Self, Problem> {
        let report = state.operations.telemetry_report()?;
        let config = report.settings.into_iter().map(|setting| (setting.name, setting.value)).collect();
        Ok(Self { collector: report.status, config })
    }
}

#[derive(Serialize, ToSchema)]
struct Started {
    /// `started` or `already_running`.
    status: &'static str,
    /// A sentence for people.
    message: Message,
    /// How the collector stands.
    details: Status,
}

/// Starts the collector. It runs after a restart of memdeck too.
#[utoipa::path(post, path = "/start", tag = "telemetry", responses((status = 200, body = Started)))]
async fn start(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Started>, RestError> {
    let is_new = state.operations.start_collector(&who.calls()).await?;
    let (status, message) = if is_new {
        ("started", "The collector runs.")
    } else {
        ("already_running", "The collector runs already.")
    };
    Ok(Json(Started { status, message: message.into(), details: Status::of(&state)? }))
}

#[derive(Serialize, ToSchema)]
struct Stopped {
    /// `stopped` or `not_running`.
    status: &'static str,
    /// A sentence for people.
    message: Message,
}

/// Stops the collector, until it is started again.
#[utoipa::path(post, path = "/stop", tag = "telemetry", responses((status = 200, body = Stopped)))]
async fn stop(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Stopped>, RestError> {
    let was_running = state.operations.stop_collector(&who.calls()).await?;
    let (status, message) = if was_running {
        ("stopped", "The collector is stopped.")
    } else {
        ("not_running", "The collector does not run.")
    };
    Ok(Json(Stopped { status, message: message.into() }))
}

/// How the collector stands.
#[utoipa::path(get, path = "/status", tag = "telemetry", responses((status = 200, body = Status)))]
async fn status(State(state): State<DashboardState>) -> Result<Json<Status>, RestError> {
    Ok(Json(Status::of(&state)?))
}

/// A guest, with what the customer's page Telemetry reads beside the fields of [`Vm`].
#[derive(Serialize, ToSchema)]
struct ListedVm {
    #[serde(flatten)]
    vm: Vm,
    /// The processor that the guest sees; empty if it is not known.
    arch: String,
    /// The most memory it may have, in KiB.
    max_mem: u64,
    vcpu_count: u32,
}

impl From<Vm> for ListedVm {
    fn from(vm: Vm) -> Self {
        Self { arch: String::new(), max_mem: vm.memory_max, vcpu_count: vm.cpu_count, vm }
    }
}

#[derive(Serialize, ToSchema)]
struct Vms {
    /// How many there are.
    count: usize,
    vms: Vec<ListedVm>,
}

/// Every guest of the hypervisor, running or not.
#[utoipa::path(get, path = "/vms", tag = "telemetry", responses((status = 200, body = Vms)))]
async fn vms(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Vms>, RestError> {
    let guests = state.operations.list_guests(&who.calls()).await?;
    let vms: Vec<ListedVm> = guests.into_iter().map(|guest| Vm::from(guest).into()).collect();
    Ok(Json(Vms { count: vms.len(), vms }))
}

#[derive(Serialize, ToSchema)]
struct LiveVms {
    /// How many there are.
    count: usize,
    /// `libvirt`.
    source: &'static str,
    vms: Vec<Vm>,
}

/// The guests that libvirt runs now: those with an id.
#[utoipa::path(get, path = "/live-vms", tag = "telemetry", responses((status = 200, body = LiveVms)))]
async fn live_vms(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<LiveVms>, RestError> {
    let guests = state.operations.list_guests(&who.calls()).await?;
    let live = guests.into_iter().filter(|guest| guest.id.is_some() && guest.state != GuestState::Shutoff);
    let vms: Vec<Vm> = live.map(Vm::from).collect();
    Ok(Json(LiveVms { count: vms.len(), source: "libvirt", vms }))
}

#[derive(Serialize, ToSchema)]
struct MonitoredVms {
    /// How many there are.
    count: usize,
    /// `influxdb`, as older clients expect it, whichever store has the points.
    source: &'static str,
    /// When the guests were measured last.
    last_collection: Option<Timestamp>,
    /// The guests that were measured in the last minutes.
    vms: Vec<Vm>,
}

/// The guests that were measured in the last five minutes.
#[utoipa::path(get, path = "/monitored-vms", tag = "telemetry", responses((status = 200, body = MonitoredVms)))]
async fn monitored_vms(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<MonitoredVms>, RestError> {
    let telemetry = state.operations.telemetry()?;
    let last_collection = telemetry.collected_at();
    let is_recent = last_collection.is_some_and(|at| state.operations.now().since(at) <= MONITORED);
    let vms = if is_recent { state.operations.measured_vms(&who.calls())? } else { Vec::new() };
    Ok(Json(MonitoredVms { count: vms.len(), source: "influxdb", last_collection, vms }))
}

#[derive(Serialize, ToSchema)]
struct VmStats {
    /// The guest as it was named.
    vm_id: String,
    /// Every field of `vm_totals`; 0 if it is not known.
    #[schema(value_type = Object)]
    metrics: Map<String, Value>,
    /// Fields above that are 0 because they are not known.
    unknown: Vec<&'static str>,
}

/// The newest values of one guest, by UUID, id or name.
#[utoipa::path(
    get,
    path = "/vm-stats/{vm_id}",
    tag = "telemetry",
    params(("vm_id" = String, Path, description = "UUID, id or name of the guest")),
    responses((status = 200, body = VmStats))
)]
async fn vm_stats(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(vm_id): UrlPath,
) -> Result<Json<VmStats>, RestError> {
    let totals = state.operations.vm_stats(&vm_id, &who.calls())?;
    let metrics = memdeck_model::telemetry::VmTotals::METRICS;
    let value = |metric: &Metric| (metric.field().to_owned(), totals.get(*metric).unwrap_or(0).into());
    let unknown = metrics.iter().filter(|metric| totals.get(**metric).is_none()).map(|metric| metric.field());
    let unknown = unknown.collect();
    Ok(Json(VmStats { vm_id, metrics: metrics.iter().map(value).collect(), unknown }))
}

#[derive(Serialize, ToSchema)]
struct AllVmTelemetry {
    /// How many there are.
    count: usize,
    /// When they were measured; the present before the first collection.
    timestamp: Timestamp,
    vms: Vec<VmTelemetry>,
}

/// Every guest and how busy it is.
#[utoipa::path(get, path = "/vm-telemetry", tag = "telemetry", responses((status = 200, body = AllVmTelemetry)))]
async fn vm_telemetry(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<AllVmTelemetry>, RestError> {
    let telemetry = state.operations.telemetry()?;
    let vms = state.operations.vm_telemetry(&who.calls())?;
    let timestamp = telemetry.collected_at().unwrap_or_else(|| state.operations.now());
    Ok(Json(AllVmTelemetry { count: vms.len(), timestamp, vms }))
}

#[derive(Serialize, ToSchema)]
struct ConfigInUse {
    /// The settings of telemetry by the names of their environment variables, secrets as `***`.
    config: BTreeMap<String, String>,
}

/// What telemetry works with.
#[utoipa::path(get, path = "/config", tag = "telemetry", responses((status = 200, body = ConfigInUse)))]
async fn config(State(state): State<DashboardState>) -> Result<Json<ConfigInUse>, RestError> {
    Ok(Json(ConfigInUse { config: Status::of(&state)?.config }))
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
#[utoipa::path(get, path = "/diagnostic", tag = "telemetry", responses((status = 200, body = Diagnostic)))]
async fn diagnostic(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Diagnostic>, RestError> {
    let status = Status::of(&state)?;
    let Diagnosis { checks } = state.operations.diagnose_telemetry().await?;
    let kvm = match state.operations.list_guests(&who.calls()).await {
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Range {
    /// A field of `vm_totals` or `vm_devices`, such as `cputime` or `rd_bytes`. Counters are given per second.
    #[param(inline, value_type = Metric)]
    metric: String,
    /// The device, for a metric of a device.
    device: Option<String>,
    /// The start of the range. An hour before `to` if it is not given.
    #[param(example = "2025-11-14T07:00:00Z")]
    from: Option<Timestamp>,
    /// The end of the range. The present if it is not given.
    to: Option<Timestamp>,
    /// Seconds in a step. It becomes longer where so short a step is not kept, or would be more than 2,000 points.
    step: Option<u32>,
}

/// One metric of a guest or device over time: lowest, mean and highest value of each step.
#[utoipa::path(
    get,
    path = "/series/{uuid}",
    tag = "telemetry",
    params(("uuid" = String, Path, description = "UUID of the guest"), Range),
    responses((status = 200, body = Series))
)]
async fn series(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(uuid): UrlPath,
    UrlQuery(range): UrlQuery<Range>,
) -> Result<Json<Series>, RestError> {
    let metric = range.metric.parse::<Metric>();
    let metric = metric.map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    let to = range.to.unwrap_or_else(|| state.operations.now());
    let from = range.from.unwrap_or_else(|| to.minus(Millis(60 * 60 * 1000)));
    let step_ms = range.step.map(|seconds| Millis(u64::from(seconds) * 1000));
    let query = SeriesQuery { uuid, metric, device: range.device, from, to, step_ms };
    Ok(Json(state.operations.series(query, &who.calls()).await?))
}

/// Every guest of the hypervisor, running or not.
#[utoipa::path(get, path = "/api/guests", tag = "guests", responses((status = 200, body = Vec<Guest>)))]
pub async fn guests(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Vec<Guest>>, RestError> {
    Ok(Json(state.operations.list_guests(&who.calls()).await?))
}

/// How long a guest may stand still for a frozen dump, and how fast the host of the dump service reads one. Null where the
/// service does not report it.
#[utoipa::path(get, path = "/api/frozen-pause", tag = "guests", responses((status = 200, body = Option<FrozenPause>)))]
pub async fn frozen_pause(
    State(state): State<DashboardState>,
) -> Result<Json<Option<FrozenPause>>, RestError> {
    Ok(Json(state.operations.frozen_pause().await.map_err(Problem::from)?))
}
