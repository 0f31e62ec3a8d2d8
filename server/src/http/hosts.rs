//! The hosts of a dashboard: how they stand, and what operators change about that.

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::{HostList, HostState};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{JsonBodyIfAny, RestError, UrlPath};
use super::openapi::ErrorBody;
use memdeck_model::OnBehalf;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(drain))
        .routes(routes!(undrain))
        .routes(routes!(test))
}

/// Every host and how it stands, in the order of the configuration. Never an error: the answer says which hosts are away.
#[utoipa::path(get, path = "", tag = "hosts", responses((status = 200, body = HostList)))]
async fn list(State(state): State<DashboardState>) -> Json<HostList> {
    Json(state.operations.list_hosts().await)
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
