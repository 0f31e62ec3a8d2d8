//! The hosts of a dashboard: which there are, how they stand, and what operators change about that.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::{Actor, HostList, HostState, NewHost, OnBehalf};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{JsonBody, JsonBodyIfAny, RestError, UrlPath};
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(remove))
        .routes(routes!(drain))
        .routes(routes!(undrain))
        .routes(routes!(test))
}

/// Every host and how it stands, in the order of the configuration. Never an error: the answer says which hosts are away.
#[utoipa::path(get, path = "", tag = "hosts", responses((status = 200, body = HostList)))]
async fn list(State(state): State<DashboardState>) -> Json<HostList> {
    Json(state.operations.list_hosts().await)
}

/// A host, and for whom it is added.
#[derive(Deserialize, ToSchema)]
struct AddHost {
    #[serde(flatten)]
    host: NewHost,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// Adds a host to the running dashboard, beside those of the configuration. It is asked at once: the answer says whether it can
/// be used. It is kept in the catalog with its token, and is a host after a restart, too.
#[utoipa::path(
    post,
    path = "",
    operation_id = "add_host",
    tag = "hosts",
    request_body = AddHost,
    responses(
        (status = 201, description = "It is one of the hosts", body = HostState),
        (status = 400, description = "The URL, the token or the certificates cannot be used", body = ErrorBody),
        (status = 409, description = "Another host has the name or the URL, or this dashboard has one dump service alone",
            body = ErrorBody)
    )
)]
async fn add(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(AddHost { host, by }): JsonBody<AddHost>,
) -> Result<(StatusCode, Json<HostState>), RestError> {
    let added = state.operations.add_host(host, &who.calls_for(Actor::claimed(by.as_ref()))).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Removes a host that was added to the running dashboard; the hosts that are left. Its records and images stay. While dumps
/// wait or run there it takes no new ones, and is listed until they have ended.
#[utoipa::path(
    delete,
    path = "/{name}",
    operation_id = "remove_host",
    tag = "hosts",
    params(("name" = String, Path, description = "The name of the host")),
    responses(
        (status = 200, body = HostList),
        (status = 404, description = "There is no such host", body = ErrorBody),
        (status = 409, description = "The configuration names it", body = ErrorBody)
    )
)]
async fn remove(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
) -> Result<Json<HostList>, RestError> {
    Ok(Json(state.operations.remove_host(&name, &who.calls()).await?))
}

/// Keeps a host from taking new dumps through this dashboard. What waits or runs there goes on.
#[utoipa::path(
    post,
    path = "/{name}/drain",
    tag = "hosts",
    params(("name" = String, Path, description = "The name of the host")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = HostState), (status = 404, description = "There is no such host", body = ErrorBody))
)]
async fn drain(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<HostState>, RestError> {
    Ok(Json(state.operations.drain_host(&name, true, &who.calls_for(request.actor())).await?))
}

/// Lets a host take new dumps again.
#[utoipa::path(
    post,
    path = "/{name}/undrain",
    tag = "hosts",
    params(("name" = String, Path, description = "The name of the host")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = HostState), (status = 404, description = "There is no such host", body = ErrorBody))
)]
async fn undrain(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<HostState>, RestError> {
    Ok(Json(state.operations.drain_host(&name, false, &who.calls_for(request.actor())).await?))
}

/// Asks a host at once whether it answers, instead of when its turn comes. What is wrong stands in the answer.
#[utoipa::path(
    post,
    path = "/{name}/test",
    tag = "hosts",
    params(("name" = String, Path, description = "The name of the host")),
    responses((status = 200, body = HostState), (status = 404, description = "There is no such host", body = ErrorBody))
)]
async fn test(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
) -> Result<Json<HostState>, RestError> {
    Ok(Json(state.operations.test_host(&name, &who.calls()).await?))
}
