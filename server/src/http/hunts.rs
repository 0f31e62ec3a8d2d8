//! Hunts: where patterns are in the memory of dumps.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use memdeck_model::{Actor, HuntDetails, HuntHits, HuntList, NewHunt};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::{Standing, Who};
use super::answer::{JsonBody, RestError, UrlPath, UrlQuery};
use super::hunts_csv;
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(list, ask))
        .routes(routes!(one, remove))
        .routes(routes!(cancel))
        .routes(routes!(hits))
        .routes(routes!(csv))
}

/// A hunt, and for whom it is asked.
#[derive(Deserialize, ToSchema)]
struct AskHunt {
    #[serde(flatten)]
    hunt: NewHunt,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// Which hits of a hunt are shown.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HitsParameters {
    /// Only those behind the hit of this number: what `next` of the page before says.
    after: Option<u32>,
    /// At most this many, 1 to 1000; 100 if missing.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Hits on a page where nobody says how many.
const USUAL_HITS: u32 = 100;

/// Every hunt that is kept, newest first: the last fifty, and those that wait or run.
#[utoipa::path(
    get,
    path = "",
    operation_id = "list_hunts",
    tag = "hunts",
    responses((status = 200, body = HuntList))
)]
async fn list(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<HuntList>, RestError> {
    Ok(Json(state.operations.list_hunts(&who.calls()).await?))
}

/// Queues a hunt. One runs at a time, at a low priority. The audit notes that it is asked for, which images it reads, and how
/// it ends.
#[utoipa::path(
    post,
    path = "",
    operation_id = "ask_for_hunt",
    tag = "hunts",
    request_body = AskHunt,
    responses(
        (status = 202, description = "It waits for its turn", body = HuntDetails),
        (status = 400, description = "A pattern cannot be looked for: the sentence names its line; or there are too many",
            body = ErrorBody),
        (status = 404, description = "There is no such dump, or a guest has no image here", body = ErrorBody),
        (status = 409, description = "An image is on another host", body = ErrorBody),
        (status = 410, description = "An image was deleted", body = ErrorBody),
        (status = 503, description = "Twenty hunts wait", body = ErrorBody),
    )
)]
async fn ask(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(AskHunt { hunt, by }): JsonBody<AskHunt>,
) -> Result<(StatusCode, Json<HuntDetails>), RestError> {
    let caller = who.calls_for(Actor::claimed(by.as_ref()));
    Ok((StatusCode::ACCEPTED, Json(state.operations.request_hunt(hunt, &caller).await?)))
}

/// How far a hunt is, with its patterns and dumps, and what it came to.
#[utoipa::path(
    get,
    path = "/{id}",
    operation_id = "hunt",
    tag = "hunts",
    params(("id" = String, Path, description = "The hunt")),
    responses(
        (status = 200, body = HuntDetails),
        (status = 404, description = "There is no such hunt", body = ErrorBody),
    )
)]
async fn one(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
) -> Result<Json<HuntDetails>, RestError> {
    Ok(Json(state.operations.hunt(&id, &who.calls()).await?))
}

/// Cancels a hunt that waits or runs. One that runs ends within a second or two; what it found in the
/// images before stays.
#[utoipa::path(
    post,
    path = "/{id}/cancel",
    operation_id = "cancel_hunt",
    tag = "hunts",
    params(("id" = String, Path, description = "The hunt")),
    responses(
        (status = 202, description = "It ends", body = HuntDetails),
        (status = 404, description = "There is no such hunt", body = ErrorBody),
        (status = 409, description = "It has ended", body = ErrorBody),
    )
)]
async fn cancel(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
) -> Result<(StatusCode, Json<HuntDetails>), RestError> {
    Ok((StatusCode::ACCEPTED, Json(state.operations.cancel_hunt(&id, &who.calls()).await?)))
}

/// Forgets a hunt that has ended, with what it found.
#[utoipa::path(
    delete,
    path = "/{id}",
    operation_id = "remove_hunt",
    tag = "hunts",
    params(("id" = String, Path, description = "The hunt")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such hunt", body = ErrorBody),
        (status = 409, description = "It has not ended: cancel it first", body = ErrorBody),
    )
)]
async fn remove(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
) -> Result<StatusCode, RestError> {
    state.operations.remove_hunt(&id, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a hunt found, also while it runs: where, and the bytes around. The audit notes it.
#[utoipa::path(
    get,
    path = "/{id}/hits",
    operation_id = "hunt_hits",
    tag = "hunts",
    params(("id" = String, Path, description = "The hunt"), HitsParameters),
    responses(
        (status = 200, body = HuntHits),
        (status = 404, description = "There is no such hunt", body = ErrorBody),
    )
)]
async fn hits(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
    UrlQuery(parameters): UrlQuery<HitsParameters>,
) -> Result<Response, RestError> {
    let (after, limit) = (parameters.after.unwrap_or_default(), parameters.limit.unwrap_or(USUAL_HITS));
    let page = state.operations.hunt_hits(&id, after, limit, &who.calls()).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

/// Everything that a hunt found, as a CSV file. The audit notes it.
#[utoipa::path(
    get,
    path = "/{id}/hits.csv",
    operation_id = "hunt_hits_csv",
    tag = "hunts",
    params(("id" = String, Path, description = "The hunt")),
    responses(
        (status = 200, description = "RFC 4180 in UTF-8, with a line of names", body = String, content_type = "text/csv"),
        (status = 404, description = "There is no such hunt", body = ErrorBody),
    )
)]
async fn csv(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    UrlPath(id): UrlPath,
) -> Result<Response, RestError> {
    let hits = state.operations.all_hits(&id, &who.reads(&standing)).await?;
    let bytes = hunts_csv::file(&hits).map_err(|error| {
        tracing::error!(%error, "hits cannot be written as CSV");
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the hits cannot be written; the log says why")
    })?;
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"memdeck-hunt.csv\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}
