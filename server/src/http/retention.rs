//! Retention: the rules, what they would do, and holds.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::retention::{Hold, HoldList, NewHold, Policy, RetentionReport};
use memdeck_model::{Actor, Remark};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{JsonBody, RestError, UrlPath};
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(policy, set_policy)).routes(routes!(preview))
}

pub fn hold_routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new().routes(routes!(holds, add_hold)).routes(routes!(lift_hold))
}

/// The rules, and for whom they are changed.
#[derive(Deserialize, ToSchema)]
struct SetPolicy {
    #[serde(flatten)]
    policy: Policy,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// A hold, and for whom it is set.
#[derive(Deserialize, ToSchema)]
struct AddHold {
    #[serde(flatten)]
    hold: NewHold,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// Why a hold is lifted, and for whom.
#[derive(Deserialize, ToSchema)]
struct LiftHold {
    reason: Remark,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// The rules by which images are removed; none at first.
#[utoipa::path(get, path = "", tag = "retention", responses((status = 200, body = Policy)))]
async fn policy(State(state): State<DashboardState>) -> Result<Json<Policy>, RestError> {
    Ok(Json(state.operations.retention_policy().await?))
}

/// Puts other rules in the place of those that are kept. They are applied within a minute. What they do, image by image.
#[utoipa::path(
    put,
    path = "",
    tag = "retention",
    request_body = SetPolicy,
    responses(
        (status = 200, body = RetentionReport),
        (status = 400, description = "A rule says nothing", body = ErrorBody),
    )
)]
async fn set_policy(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(SetPolicy { policy, by }): JsonBody<SetPolicy>,
) -> Result<Json<RetentionReport>, RestError> {
    Ok(Json(
        state.operations.set_retention_policy(policy, &who.calls_for(Actor::claimed(by.as_ref()))).await?,
    ))
}

/// What rules would do now, image by image. Nothing is kept and nothing removed.
#[utoipa::path(
    post,
    path = "/preview",
    tag = "retention",
    request_body = Policy,
    responses(
        (status = 200, body = RetentionReport),
        (status = 400, description = "A rule says nothing", body = ErrorBody),
    )
)]
async fn preview(
    State(state): State<DashboardState>,
    JsonBody(policy): JsonBody<Policy>,
) -> Result<Json<RetentionReport>, RestError> {
    Ok(Json(state.operations.preview_retention(policy).await?))
}

/// Legal holds, those that were lifted last.
#[utoipa::path(get, path = "", tag = "retention", responses((status = 200, body = HoldList)))]
async fn holds(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<HoldList>, RestError> {
    Ok(Json(state.operations.list_holds(&who.calls()).await?))
}

/// Holds a case or a dump: nobody deletes its images until the hold is lifted.
#[utoipa::path(
    post,
    path = "",
    tag = "retention",
    request_body = AddHold,
    responses(
        (status = 200, body = Hold),
        (status = 404, description = "There is no such dump", body = ErrorBody),
        (status = 410, description = "Its image was deleted", body = ErrorBody),
    )
)]
async fn add_hold(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(AddHold { hold, by }): JsonBody<AddHold>,
) -> Result<Json<Hold>, RestError> {
    Ok(Json(state.operations.add_hold(hold, &who.calls_for(Actor::claimed(by.as_ref()))).await?))
}

/// Lifts a hold. It stays in the list, with the reason.
#[utoipa::path(
    post,
    path = "/{id}/lift",
    tag = "retention",
    params(("id" = u32, Path, description = "The number of the hold")),
    request_body = LiftHold,
    responses((status = 200, body = Hold), (status = 404, description = "There is no such hold to lift", body = ErrorBody))
)]
async fn lift_hold(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
    JsonBody(LiftHold { reason, by }): JsonBody<LiftHold>,
) -> Result<Json<Hold>, RestError> {
    let number = id.parse().map_err(|_| {
        RestError::new(StatusCode::NOT_FOUND, "a hold is named by its number, as the list shows it")
    })?;
    Ok(Json(state.operations.lift_hold(number, reason, &who.calls_for(Actor::claimed(by.as_ref()))).await?))
}
