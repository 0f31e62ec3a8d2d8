//! Notifications: targets, rules, the delivery log.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::OnBehalf;
use memdeck_model::notice::{
    Delivery, DeliveryLog, DeliveryQuery, NewRule, NewTarget, Rule, RuleList, TargetChange, TargetList,
    TestResult,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{JsonBody, JsonBodyIfAny, RestError, UrlPath, UrlQuery};
use super::openapi::ErrorBody;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(targets, add_target))
        .routes(routes!(change_target, remove_target))
        .routes(routes!(test_target))
        .routes(routes!(rules, add_rule))
        .routes(routes!(remove_rule))
        .routes(routes!(log))
        .routes(routes!(retry))
}

/// The targets by name, without their secrets.
#[utoipa::path(get, path = "/targets", tag = "notifications", responses((status = 200, body = TargetList)))]
async fn targets(State(state): State<DashboardState>) -> Result<Json<TargetList>, RestError> {
    Ok(Json(state.operations.notice_targets().await?))
}

/// Adds a target. Nothing is sent to it before a rule says so.
#[utoipa::path(
    post,
    path = "/targets",
    tag = "notifications",
    request_body = NewTarget,
    responses(
        (status = 201, description = "All targets", body = TargetList),
        (status = 400, description = "What it is cannot be used", body = ErrorBody),
        (status = 409, description = "There is one of this name, or there are too many", body = ErrorBody),
    )
)]
async fn add_target(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(target): JsonBody<NewTarget>,
) -> Result<(StatusCode, Json<TargetList>), RestError> {
    Ok((
        StatusCode::CREATED,
        Json(state.operations.add_notice_target(target, &who.calls_for(OnBehalf::default().actor())).await?),
    ))
}

/// Changes where a target is. Secrets that are left out stay, and empty ones are taken away; everything else becomes what is
/// sent. A token or password that is kept is never sent to another server.
#[utoipa::path(
    put,
    path = "/targets/{name}",
    tag = "notifications",
    params(("name" = String, Path, description = "The name of the target")),
    request_body = TargetChange,
    responses(
        (status = 200, description = "All targets", body = TargetList),
        (status = 400, description = "What it would be cannot be used, or is of another kind", body = ErrorBody),
        (status = 404, description = "There is no such target", body = ErrorBody),
        (status = 409, description = "It was changed meanwhile", body = ErrorBody),
    )
)]
async fn change_target(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBody(change): JsonBody<TargetChange>,
) -> Result<Json<TargetList>, RestError> {
    let caller = who.calls_for(OnBehalf::default().actor());
    Ok(Json(state.operations.change_notice_target(&name, change, &caller).await?))
}

/// Removes a target, its rules and its secrets. What waits for it is given up; the log stays.
#[utoipa::path(
    delete,
    path = "/targets/{name}",
    tag = "notifications",
    params(("name" = String, Path, description = "The name of the target")),
    responses(
        (status = 200, description = "The other targets", body = TargetList),
        (status = 404, description = "There is no such target", body = ErrorBody),
    )
)]
async fn remove_target(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
) -> Result<Json<TargetList>, RestError> {
    Ok(Json(state.operations.remove_notice_target(&name, &who.calls_for(OnBehalf::default().actor())).await?))
}

/// Sends a message to a target at once. 200 whatever comes of it: the answer says it.
#[utoipa::path(
    post,
    path = "/targets/{name}/test",
    tag = "notifications",
    params(("name" = String, Path, description = "The name of the target")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 200, body = TestResult),
        (status = 404, description = "There is no such target", body = ErrorBody),
    )
)]
async fn test_target(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(name): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<TestResult>, RestError> {
    Ok(Json(state.operations.test_notice_target(&name, &who.calls_for(request.actor())).await?))
}

/// The rules, the oldest first.
#[utoipa::path(get, path = "/rules", tag = "notifications", responses((status = 200, body = RuleList)))]
async fn rules(State(state): State<DashboardState>) -> Result<Json<RuleList>, RestError> {
    Ok(Json(state.operations.notice_rules().await?))
}

/// Adds a rule: its target is told what it names.
#[utoipa::path(
    post,
    path = "/rules",
    tag = "notifications",
    request_body = NewRule,
    responses(
        (status = 201, body = Rule),
        (status = 400, description = "The rule cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such target", body = ErrorBody),
        (status = 409, description = "There are too many", body = ErrorBody),
    )
)]
async fn add_rule(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    JsonBody(rule): JsonBody<NewRule>,
) -> Result<(StatusCode, Json<Rule>), RestError> {
    Ok((
        StatusCode::CREATED,
        Json(state.operations.add_notice_rule(rule, &who.calls_for(OnBehalf::default().actor())).await?),
    ))
}

/// Removes a rule.
#[utoipa::path(
    delete,
    path = "/rules/{id}",
    tag = "notifications",
    params(("id" = u64, Path, description = "The number of the rule")),
    responses(
        (status = 200, description = "The other rules", body = RuleList),
        (status = 404, description = "There is no such rule", body = ErrorBody),
    )
)]
async fn remove_rule(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
) -> Result<Json<RuleList>, RestError> {
    let Ok(id) = id.parse() else {
        return Err(RestError::new(StatusCode::NOT_FOUND, "a rule is named by its number"));
    };
    Ok(Json(state.operations.remove_notice_rule(id, &who.calls_for(OnBehalf::default().actor())).await?))
}

/// Messages that wait, have arrived or were given up, the newest first.
#[utoipa::path(
    get,
    path = "/log",
    tag = "notifications",
    params(
        ("state" = Option<String>, Query, description = "Only these: waiting, delivered or dead", example = "dead"),
        ("target" = Option<String>, Query, description = "Only to this target"),
        ("limit" = Option<u32>, Query, description = "At most this many: 100 where it is missing, 1000 at most"),
        ("offset" = Option<u32>, Query, description = "So many of the newest are left out"),
    ),
    responses((status = 200, body = DeliveryLog))
)]
async fn log(
    State(state): State<DashboardState>,
    UrlQuery(query): UrlQuery<DeliveryQuery>,
) -> Result<Json<DeliveryLog>, RestError> {
    Ok(Json(state.operations.deliveries(query).await?))
}

/// Sends a message again that was given up.
#[utoipa::path(
    post,
    path = "/log/{id}/retry",
    tag = "notifications",
    params(("id" = String, Path, description = "The id of the message")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 200, body = Delivery),
        (status = 404, description = "There is no such message", body = ErrorBody),
        (status = 409, description = "It was not given up, or its target is gone", body = ErrorBody),
    )
)]
async fn retry(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(id): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<Delivery>, RestError> {
    Ok(Json(state.operations.retry_delivery(&id, &who.calls_for(request.actor())).await?))
}
