//! The dashboard's memory dumps (contract section 2).

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use memdeck_model::{
    CancelReply, DumpStatus, RecordPage, RecordQuery, ServiceStatus, Stats, TriggerReply, TriggerRequest,
};
use serde::Deserialize;

use super::DashboardState;
use super::answer::{JsonBody, RestError, UrlQuery};
use super::export;
use super::record_parameters::{FilterParameters, SortParameters};

pub fn routes() -> Router<DashboardState> {
    Router::new()
        .route("/trigger", post(trigger))
        .route("/records", get(records))
        .route("/export.csv", get(export::csv))
        .route("/status", get(status))
        .route("/status/{vm}", get(dump_status))
        .route("/cancel/{dump_id}", post(cancel))
        .route("/stats", get(stats))
}

async fn trigger(
    State(state): State<DashboardState>,
    JsonBody(request): JsonBody<TriggerRequest>,
) -> Result<Json<TriggerReply>, RestError> {
    let accepted = state.desk.request_dumps(request, "api").await?;
    Ok(Json(TriggerReply {
        status: "scheduled".to_owned(),
        message: format!("Memory dump scheduled for {} VM(s)", accepted.vm_ids.len()),
        vm_ids: accepted.vm_ids,
        timestamp: accepted.at,
    }))
}

#[derive(Deserialize)]
struct PageQuery {
    limit: Option<i64>,
    offset: Option<i64>,
}

async fn records(
    State(state): State<DashboardState>,
    UrlQuery(page): UrlQuery<PageQuery>,
    UrlQuery(filter): UrlQuery<FilterParameters>,
    UrlQuery(sort): UrlQuery<SortParameters>,
) -> Result<Json<RecordPage>, RestError> {
    let query = RecordQuery::from_request(filter.read()?, sort.read()?, page.limit, page.offset);
    Ok(Json(state.desk.list_records(query).await?))
}

async fn status(State(state): State<DashboardState>) -> Json<ServiceStatus> {
    Json(state.desk.service_status().await)
}

async fn dump_status(
    State(state): State<DashboardState>,
    Path(vm): Path<String>,
) -> Result<Json<DumpStatus>, RestError> {
    Ok(Json(state.desk.dump_status(&vm).await?))
}

async fn stats(State(state): State<DashboardState>) -> Result<Json<Stats>, RestError> {
    Ok(Json(state.desk.stats().await?))
}

/// Cancels a dump. Accepted: the end follows.
async fn cancel(
    State(state): State<DashboardState>,
    Path(dump_id): Path<String>,
) -> Result<(StatusCode, Json<CancelReply>), RestError> {
    state.desk.cancel_dump(&dump_id, "api").await?;
    Ok((StatusCode::ACCEPTED, Json(CancelReply { status: "cancelling".to_owned(), dump_id })))
}
