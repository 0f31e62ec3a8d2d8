//! The dump service of one hypervisor (contract section 1), and what memdeck's own dashboard asks of it beyond that.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use memdeck_model::{
    CancelReply, CancelRequest, DumpId, DumpStatus, Guest, Problem, ProblemKind, TriggerRequest,
};
use serde::Deserialize;

use super::AgentState;
use super::answer::{API_CALLER, JsonBody, JsonBodyIfAny, RestError, UrlQuery};
use crate::blocking;
use crate::desk::catalog_problem;
use crate::remote::{
    DELETIONS_PER_CALL, DeletionFeedPage, NumberedDeletion, NumberedRecord, RECORDS_PER_CALL, RecordFeedPage,
};

pub fn routes() -> Router<AgentState> {
    Router::new()
        .route("/api/dumps", get(statuses).post(trigger))
        .route("/api/dumps/{vm}", get(status))
        .route("/api/dumps/{vm}/cancel", post(cancel))
        .route("/api/records", get(records))
        .route("/api/deletions", get(deletions))
        .route("/api/guests", get(guests))
}

type Statuses = Json<BTreeMap<String, DumpStatus>>;

async fn trigger(
    State(agent): State<AgentState>,
    JsonBody(request): JsonBody<TriggerRequest>,
) -> Result<Statuses, RestError> {
    let options = request.options.clone();
    let targets = request.targets().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    Ok(Json(agent.backend.trigger(targets, options, "api").await.map_err(Problem::from)?))
}

async fn statuses(State(agent): State<AgentState>) -> Result<Statuses, RestError> {
    Ok(Json(agent.backend.statuses().await.map_err(Problem::from)?))
}

async fn status(
    State(agent): State<AgentState>,
    Path(vm): Path<String>,
) -> Result<Json<DumpStatus>, RestError> {
    let status = agent.backend.status(&vm).await.map_err(Problem::from)?;
    status
        .map(Json)
        .ok_or_else(|| RestError::new(StatusCode::NOT_FOUND, format!("No dump status for VM '{vm}'")))
}

/// Cancels a dump, which the path names by its id. Accepted: the end follows.
async fn cancel(
    State(agent): State<AgentState>,
    Path(dump_id): Path<String>,
    JsonBodyIfAny(request): JsonBodyIfAny<CancelRequest>,
) -> Result<(StatusCode, Json<CancelReply>), RestError> {
    let known = match DumpId::try_from(dump_id.clone()) {
        Ok(dump_id) => {
            agent.backend.cancel(dump_id, &request.who(API_CALLER)).await.map_err(Problem::from)?
        }
        Err(_) => false,
    };
    if known {
        Ok((StatusCode::ACCEPTED, Json(CancelReply { status: "cancelling".to_owned(), dump_id })))
    } else {
        Err(RestError::new(StatusCode::NOT_FOUND, format!("there is no dump {dump_id}")))
    }
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
    limit: Option<u32>,
}

async fn records(
    State(agent): State<AgentState>,
    UrlQuery(query): UrlQuery<Since>,
) -> Result<Json<RecordFeedPage>, RestError> {
    let since = query.since.unwrap_or(0);
    let limit = query.limit.unwrap_or(RECORDS_PER_CALL).clamp(1, RECORDS_PER_CALL);
    let catalog = Arc::clone(&agent.catalog);
    let records = blocking(move || catalog.records_since(since, limit))
        .await
        .map_err(|error| catalog_problem(&error))?;
    let records = records.into_iter().map(|(seq, record)| NumberedRecord { seq, record }).collect();
    Ok(Json(RecordFeedPage { catalog_id: agent.catalog_id, records }))
}

async fn deletions(
    State(agent): State<AgentState>,
    UrlQuery(query): UrlQuery<Since>,
) -> Result<Json<DeletionFeedPage>, RestError> {
    let since = query.since.unwrap_or(0);
    let limit = query.limit.unwrap_or(DELETIONS_PER_CALL).clamp(1, DELETIONS_PER_CALL);
    let catalog = Arc::clone(&agent.catalog);
    let deletions = blocking(move || catalog.deletions_since(since, limit))
        .await
        .map_err(|error| catalog_problem(&error))?;
    let deletions = deletions.into_iter().map(|(seq, deletion)| NumberedDeletion { seq, deletion }).collect();
    Ok(Json(DeletionFeedPage { catalog_id: agent.catalog_id, deletions }))
}

async fn guests(State(agent): State<AgentState>) -> Result<Json<Vec<Guest>>, RestError> {
    Ok(Json(agent.guests.list().await?))
}
