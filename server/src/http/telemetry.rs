//! The dashboard's telemetry (contract section 3): guests as they were measured, and the collectors.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::telemetry::{CollectorStatus, Metric, VmTelemetry};
use memdeck_model::{FrozenPause, Guest, GuestState, Message, Problem, Timestamp, Vm};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{RestError, UrlPath, UrlQuery};
use super::openapi::ErrorBody;

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
}

/// How the collector stands, and what it works with.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    #[serde(flatten)]
    pub(super) collector: CollectorStatus,
    /// Its settings by the names of their environment variables, secrets as `***`.
    pub(super) config: BTreeMap<String, String>,
}

impl Status {
    pub(super) async fn of(state: &DashboardState, host: Option<&str>) -> Result<Self, Problem> {
        let report = state.operations.telemetry_report(host).await?;
        let config = report.settings.into_iter().map(|setting| (setting.name, setting.value)).collect();
        Ok(Self { collector: report.status, config })
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfHost {
    /// The host whose collector is meant, where there are several. This machine's if it is not given; that of the only host, if
    /// that is another machine.
    #[param(example = "local")]
    pub(super) host: Option<String>,
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
#[utoipa::path(
    post,
    path = "/start",
    tag = "telemetry",
    params(OfHost),
    responses((status = 200, body = Started))
)]
async fn start(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(OfHost { host }): UrlQuery<OfHost>,
) -> Result<Json<Started>, RestError> {
    let is_new = state.operations.run_collector(host.as_deref(), true, &who.calls()).await?;
    let (status, message) = if is_new {
        ("started", "The collector runs.")
    } else {
        ("already_running", "The collector runs already.")
    };
    let details = Status::of(&state, host.as_deref()).await?;
    Ok(Json(Started { status, message: message.into(), details }))
}

#[derive(Serialize, ToSchema)]
struct Stopped {
    /// `stopped` or `not_running`.
    status: &'static str,
    /// A sentence for people.
    message: Message,
}

/// Stops the collector, until it is started again.
#[utoipa::path(
    post,
    path = "/stop",
    tag = "telemetry",
    params(OfHost),
    responses((status = 200, body = Stopped))
)]
async fn stop(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(OfHost { host }): UrlQuery<OfHost>,
) -> Result<Json<Stopped>, RestError> {
    let was_running = state.operations.run_collector(host.as_deref(), false, &who.calls()).await?;
    let (status, message) = if was_running {
        ("stopped", "The collector is stopped.")
    } else {
        ("not_running", "The collector does not run.")
    };
    Ok(Json(Stopped { status, message: message.into() }))
}

/// How the collector stands.
#[utoipa::path(
    get,
    path = "/status",
    tag = "telemetry",
    params(OfHost),
    responses((status = 200, body = Status))
)]
async fn status(
    State(state): State<DashboardState>,
    UrlQuery(OfHost { host }): UrlQuery<OfHost>,
) -> Result<Json<Status>, RestError> {
    Ok(Json(Status::of(&state, host.as_deref()).await?))
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
    let (last_collection, vms) = state.operations.monitored_vms(&who.calls()).await?;
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

/// The newest values of one guest, by UUID, id or name; of several hosts as `host/guest`, or by what only one host has.
#[utoipa::path(
    get,
    path = "/vm-stats/{vm_id}",
    tag = "telemetry",
    params(("vm_id" = String, Path, description = "UUID, id or name of the guest")),
    responses(
        (status = 200, body = VmStats),
        (status = 404, description = "No such guest was measured", body = ErrorBody),
        (status = 409, description = "Several hosts have measured such a guest; `candidates` names them", body = ErrorBody),
    )
)]
async fn vm_stats(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(vm_id): UrlPath,
) -> Result<Json<VmStats>, RestError> {
    let totals = state.operations.vm_stats(&vm_id, &who.calls()).await?;
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
    let (collected_at, vms) = state.operations.vm_telemetry(&who.calls()).await?;
    let timestamp = collected_at.unwrap_or_else(|| state.operations.now());
    Ok(Json(AllVmTelemetry { count: vms.len(), timestamp, vms }))
}

#[derive(Serialize, ToSchema)]
struct ConfigInUse {
    /// The settings of telemetry by the names of their environment variables, secrets as `***`.
    config: BTreeMap<String, String>,
}

/// What telemetry works with.
#[utoipa::path(
    get,
    path = "/config",
    tag = "telemetry",
    params(OfHost),
    responses((status = 200, body = ConfigInUse))
)]
async fn config(
    State(state): State<DashboardState>,
    UrlQuery(OfHost { host }): UrlQuery<OfHost>,
) -> Result<Json<ConfigInUse>, RestError> {
    Ok(Json(ConfigInUse { config: Status::of(&state, host.as_deref()).await?.config }))
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
