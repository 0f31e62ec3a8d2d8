//! The dashboard's telemetry (contract section 3): the live guests.

use axum::Json;
use axum::extract::State;
use memdeck_model::{FrozenPause, Guest, GuestState, Problem, Vm};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::answer::RestError;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(live_vms))
}

#[derive(Serialize, ToSchema)]
struct LiveVms {
    /// How many there are.
    count: usize,
    /// `libvirt`.
    source: &'static str,
    /// The guests.
    vms: Vec<Vm>,
}

/// The guests that libvirt runs now: those with an id.
#[utoipa::path(get, path = "/live-vms", tag = "telemetry", responses((status = 200, body = LiveVms)))]
async fn live_vms(State(state): State<DashboardState>) -> Result<Json<LiveVms>, RestError> {
    let guests = state.operations.list_guests().await?;
    let live = guests.into_iter().filter(|guest| guest.id.is_some() && guest.state != GuestState::Shutoff);
    let vms: Vec<Vm> = live.map(Vm::from).collect();
    Ok(Json(LiveVms { count: vms.len(), source: "libvirt", vms }))
}

/// Every guest of the hypervisor, running or not.
#[utoipa::path(get, path = "/api/guests", tag = "guests", responses((status = 200, body = Vec<Guest>)))]
pub async fn guests(State(state): State<DashboardState>) -> Result<Json<Vec<Guest>>, RestError> {
    Ok(Json(state.operations.list_guests().await?))
}

/// How long a guest may stand still for a frozen dump, and how fast the host of the dump service reads one. Null where the
/// service does not tell it.
#[utoipa::path(get, path = "/api/frozen-pause", tag = "guests", responses((status = 200, body = Option<FrozenPause>)))]
pub async fn frozen_pause(
    State(state): State<DashboardState>,
) -> Result<Json<Option<FrozenPause>>, RestError> {
    Ok(Json(state.operations.frozen_pause().await.map_err(Problem::from)?))
}
