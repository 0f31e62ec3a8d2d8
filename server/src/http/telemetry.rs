//! The dashboard's telemetry (contract section 3): the live guests.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use memdeck_model::{GuestState, Vm};
use serde::Serialize;

use super::DashboardState;
use super::answer::RestError;

pub fn routes() -> Router<DashboardState> {
    Router::new().route("/live-vms", get(live_vms))
}

#[derive(Serialize)]
struct LiveVms {
    count: usize,
    source: &'static str,
    vms: Vec<Vm>,
}

/// The guests that libvirt runs now: those with an id.
async fn live_vms(State(state): State<DashboardState>) -> Result<Json<LiveVms>, RestError> {
    let guests = state.desk.list_guests().await?;
    let live = guests.into_iter().filter(|guest| guest.id.is_some() && guest.state != GuestState::Shutoff);
    let vms: Vec<Vm> = live.map(Vm::from).collect();
    Ok(Json(LiveVms { count: vms.len(), source: "libvirt", vms }))
}
