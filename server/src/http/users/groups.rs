//! Groups of people who see and touch the same guests, and nothing of others.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::{Group, GroupChange, NewGroup};

use super::name;
use crate::http::DashboardState;
use crate::http::access::Who;
use crate::http::answer::{JsonBody, RestError, UrlPath};
use crate::http::openapi::ErrorBody;

/// Every group, by name.
#[utoipa::path(
    get,
    path = "/api/groups",
    operation_id = "groups",
    tag = "users",
    responses((status = 200, body = Vec<Group>))
)]
pub async fn list(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Vec<Group>>, RestError> {
    Ok(Json(state.accounts.list_groups(&who.calls())?))
}

/// Makes a group. Whoever is in it sees and touches the guests that it names, and nothing of others; admins always see all.
#[utoipa::path(
    post,
    path = "/api/groups",
    operation_id = "add_group",
    tag = "users",
    request_body = NewGroup,
    responses(
        (status = 201, body = Group),
        (status = 409, description = "There is one of this name", body = ErrorBody),
    )
)]
pub async fn add(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(new): JsonBody<NewGroup>,
) -> Result<(StatusCode, Json<Group>), RestError> {
    Ok((StatusCode::CREATED, Json(state.accounts.add_group(new, &who.calls()).await?)))
}

/// Gives a group other guests, from the next call of its members on.
#[utoipa::path(
    put,
    path = "/api/groups/{name}",
    operation_id = "change_group",
    tag = "users",
    params(("name" = String, Path, description = "The name of the group")),
    request_body = GroupChange,
    responses(
        (status = 200, body = Group),
        (status = 404, description = "There is no such group", body = ErrorBody),
    )
)]
pub async fn change(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(group): UrlPath,
    JsonBody(change): JsonBody<GroupChange>,
) -> Result<Json<Group>, RestError> {
    Ok(Json(state.accounts.change_group(&name(&group)?, change, &who.calls()).await?))
}

/// Removes a group that nobody is in.
#[utoipa::path(
    delete,
    path = "/api/groups/{name}",
    operation_id = "remove_group",
    tag = "users",
    params(("name" = String, Path, description = "The name of the group")),
    responses(
        (status = 204, description = "It is removed"),
        (status = 404, description = "There is no such group", body = ErrorBody),
        (status = 409, description = "An account is in it", body = ErrorBody),
    )
)]
pub async fn remove(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(group): UrlPath,
) -> Result<StatusCode, RestError> {
    state.accounts.remove_group(&name(&group)?, &who.calls()).await?;
    Ok(StatusCode::NO_CONTENT)
}
