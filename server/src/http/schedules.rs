//! Schedules: what they do, when they run next, and what became of their runs.

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::schedule::{NewSchedule, Plan, Preview, RunList, Schedule, ScheduleList};
use memdeck_model::{Actor, OnBehalf};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{JsonBody, JsonBodyIfAny, RestError, UrlPath, UrlQuery};
use super::openapi::ErrorBody;

/// How many runs are told where nothing is said.
const USUAL_RUNS: u32 = 20;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(show, change, remove))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(run))
        .routes(routes!(next))
        .routes(routes!(runs))
}

/// A new schedule, and for whom it is made.
#[derive(Deserialize, ToSchema)]
struct AddSchedule {
    #[serde(flatten)]
    schedule: NewSchedule,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// What a schedule is to do from now on, and for whom it is changed.
#[derive(Deserialize, ToSchema)]
struct ChangeSchedule {
    #[serde(flatten)]
    plan: Plan,
    /// Who wants it: an actor, or plain text about the caller.
    #[serde(default)]
    by: Option<Actor>,
}

/// Every schedule by name, with its next run and its last one.
#[utoipa::path(get, path = "", tag = "schedules", responses((status = 200, body = ScheduleList)))]
async fn list(State(state): State<DashboardState>) -> Result<Json<ScheduleList>, RestError> {
    Ok(Json(state.operations.list_schedules().await?))
}

/// Makes a schedule, which runs from now on.
#[utoipa::path(
    post,
    path = "",
    tag = "schedules",
    request_body = AddSchedule,
    responses(
        (status = 200, description = "Kept", body = Schedule),
        (status = 400, description = "The plan cannot be read", body = ErrorBody),
        (status = 409, description = "There is one of this name", body = ErrorBody),
    )
)]
async fn add(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(AddSchedule { schedule, by }): JsonBody<AddSchedule>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.add_schedule(schedule, &who.calls_for(Actor::claimed(by.as_ref()))).await?))
}

/// What a plan would do: its next five runs. Nothing is kept.
#[utoipa::path(
    post,
    path = "/api/schedule-preview",
    tag = "schedules",
    request_body = Plan,
    responses(
        (status = 200, body = Preview),
        (status = 400, description = "The plan cannot be read", body = ErrorBody),
    )
)]
pub async fn preview(
    State(state): State<DashboardState>,
    JsonBody(plan): JsonBody<Plan>,
) -> Result<Json<Preview>, RestError> {
    Ok(Json(state.operations.preview_schedule(plan).await?))
}

/// One schedule.
#[utoipa::path(
    get,
    path = "/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    responses((status = 200, body = Schedule), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn show(
    State(state): State<DashboardState>,
    UrlPath(name): UrlPath,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.show_schedule(&name).await?))
}

/// Changes what a schedule does, from now on. A run that is under way goes on.
#[utoipa::path(
    put,
    path = "/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    request_body = ChangeSchedule,
    responses(
        (status = 200, body = Schedule),
        (status = 400, description = "The plan cannot be read", body = ErrorBody),
        (status = 404, description = "There is no such schedule", body = ErrorBody),
    )
)]
async fn change(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBody(ChangeSchedule { plan, by }): JsonBody<ChangeSchedule>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(
        state.operations.change_schedule(&name, plan, &who.calls_for(Actor::claimed(by.as_ref()))).await?,
    ))
}

/// Forgets a schedule and the history of its runs. What was dumped remains. The schedule as it was.
#[utoipa::path(
    delete,
    path = "/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = Schedule), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn remove(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.remove_schedule(&name, &who.calls_for(request.actor())).await?))
}

/// Pauses a schedule: it starts no runs until it is resumed. A run that is under way goes on.
#[utoipa::path(
    post,
    path = "/{name}/pause",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = Schedule), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn pause(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.pause_schedule(&name, true, &who.calls_for(request.actor())).await?))
}

/// Resumes a schedule from now on. Runs that were planned meanwhile are not made up.
#[utoipa::path(
    post,
    path = "/{name}/resume",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = Schedule), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn resume(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.pause_schedule(&name, false, &who.calls_for(request.actor())).await?))
}

/// Starts a run now, paused or not, beside those that are planned.
#[utoipa::path(
    post,
    path = "/{name}/run",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = Schedule), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn run(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<Schedule>, RestError> {
    Ok(Json(state.operations.run_schedule(&name, &who.calls_for(request.actor())).await?))
}

/// The next five runs of a schedule, whether it is paused or not.
#[utoipa::path(
    get,
    path = "/{name}/next",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule")),
    responses((status = 200, body = Preview), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn next(
    State(state): State<DashboardState>,
    UrlPath(name): UrlPath,
) -> Result<Json<Preview>, RestError> {
    Ok(Json(state.operations.next_runs(&name).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct RunsQuery {
    /// At most this many, 1 to 500; 20 if it is not given.
    limit: Option<u32>,
}

/// The newest runs of a schedule with each of their guests, the newest first.
#[utoipa::path(
    get,
    path = "/{name}/runs",
    tag = "schedules",
    params(("name" = String, Path, description = "The name of the schedule"), RunsQuery),
    responses((status = 200, body = RunList), (status = 404, description = "There is no such schedule", body = ErrorBody))
)]
async fn runs(
    State(state): State<DashboardState>,
    UrlPath(name): UrlPath,
    UrlQuery(query): UrlQuery<RunsQuery>,
) -> Result<Json<RunList>, RestError> {
    Ok(Json(state.operations.list_runs(&name, query.limit.unwrap_or(USUAL_RUNS)).await?))
}
