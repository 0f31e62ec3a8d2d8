//! What an agent measures of its guests, for the dashboard that shows them. The agent collects, keeps and writes points by itself.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use futures_util::StreamExt as _;
use memdeck_agent::{CollectorChange, GUESTS_WATCHED, VALUES_WAIT};
use memdeck_clock::{Clock as _, SystemClock};
use memdeck_model::audit::AuditObject;
use memdeck_model::telemetry::{Diagnosis, LiveValues, Measurements, Series, TelemetryReport, Watch};
use memdeck_model::{OnBehalf, Problem, ProblemKind, Timestamp};
use memdeck_operations::{Telemetry, run_collector};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AgentState;
use super::access::Who;
use super::answer::{JsonBodyIfAny, RestError, UrlPath, UrlQuery};
use super::series::Range;

pub fn routes() -> OpenApiRouter<AgentState> {
    OpenApiRouter::new()
        .routes(routes!(report))
        .routes(routes!(guests))
        .routes(routes!(values))
        .routes(routes!(series))
        .routes(routes!(diagnosis))
        .routes(routes!(start))
        .routes(routes!(stop))
}

fn measuring(agent: &AgentState) -> Result<&Arc<dyn Telemetry>, Problem> {
    let nothing = || Problem::new(ProblemKind::Unavailable, "no guests are measured here");
    agent.telemetry.as_ref().ok_or_else(nothing)
}

/// How the collector stands, and the settings that it works with, secrets as `***`.
#[utoipa::path(get, path = "/report", tag = "telemetry", responses((status = 200, body = TelemetryReport)))]
async fn report(State(agent): State<AgentState>) -> Result<Json<TelemetryReport>, RestError> {
    Ok(Json(measuring(&agent)?.report().await?))
}

/// Every guest that was measured, how busy it is, and its newest values.
#[utoipa::path(get, path = "/guests", tag = "telemetry", responses((status = 200, body = Measurements)))]
async fn guests(State(agent): State<AgentState>) -> Result<Json<Measurements>, RestError> {
    Ok(Json(measuring(&agent)?.measurements().await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Watched {
    /// `all` (each guest in short, in `summaries`), UUIDs of up to 200 guests (everything about each, in `samples`), or both,
    /// separated by commas.
    #[param(example = "all")]
    watch: String,
    /// `collected_at` of the newest values that the caller has: the answer waits up to a second for newer ones.
    after: Option<Timestamp>,
}

/// The newest values of the guests that are named.
#[utoipa::path(
    get,
    path = "/values",
    tag = "telemetry",
    params(Watched),
    responses((status = 200, body = LiveValues))
)]
async fn values(
    State(agent): State<AgentState>,
    UrlQuery(Watched { watch, after }): UrlQuery<Watched>,
) -> Result<Json<LiveValues>, RestError> {
    let telemetry = measuring(&agent)?;
    let watch = Watch::parse_up_to(&watch, GUESTS_WATCHED);
    let watch = watch.map_err(|_| {
        let detail =
            format!("`watch` takes `all` and up to {GUESTS_WATCHED} UUIDs of guests, separated by commas");
        Problem::new(ProblemKind::Invalid, detail)
    })?;
    let mut values = telemetry.values(watch);
    let mut newest = LiveValues::default();
    let is_known = |newest: &LiveValues| newest.collected_at.is_none() || newest.collected_at == after;
    // Whatever is there is told when the wait is over.
    let _ = tokio::time::timeout(VALUES_WAIT, async {
        while let Some(told) = values.next().await {
            newest = told;
            if !is_known(&newest) {
                break;
            }
        }
    })
    .await;
    Ok(Json(newest))
}

/// One metric of a guest or device over time: lowest, mean and highest value of each step.
#[utoipa::path(
    get,
    path = "/series/{uuid}",
    tag = "telemetry",
    params(("uuid" = String, Path, description = "UUID of the guest"), Range),
    responses((status = 200, body = Series))
)]
async fn series(
    State(agent): State<AgentState>,
    UrlPath(uuid): UrlPath,
    UrlQuery(range): UrlQuery<Range>,
) -> Result<Json<Series>, RestError> {
    let query = range.query((None, uuid), SystemClock::default().now())?;
    query.check()?;
    Ok(Json(measuring(&agent)?.series(query).await?))
}

/// Tries everything that telemetry needs: the hypervisor, the store, `InfluxDB`.
#[utoipa::path(get, path = "/diagnosis", tag = "telemetry", responses((status = 200, body = Diagnosis)))]
async fn diagnosis(State(agent): State<AgentState>) -> Result<Json<Diagnosis>, RestError> {
    Ok(Json(measuring(&agent)?.diagnose().await?))
}

/// Starts the collector. It runs after a restart of the agent too.
#[utoipa::path(
    post,
    path = "/start",
    tag = "telemetry",
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = CollectorChange))
)]
async fn start(
    State(agent): State<AgentState>,
    Extension(who): Extension<Who>,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<CollectorChange>, RestError> {
    run(&agent, &who, &request, true).await
}

/// Stops the collector, until it is started again.
#[utoipa::path(
    post,
    path = "/stop",
    tag = "telemetry",
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 200, body = CollectorChange))
)]
async fn stop(
    State(agent): State<AgentState>,
    Extension(who): Extension<Who>,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<CollectorChange>, RestError> {
    run(&agent, &who, &request, false).await
}

async fn run(
    agent: &AgentState,
    who: &Who,
    request: &OnBehalf,
    run: bool,
) -> Result<Json<CollectorChange>, RestError> {
    let (telemetry, caller) = (measuring(agent)?, who.calls_for(request.actor()));
    let (audit, object) = (agent.images.audit(), AuditObject::Collector);
    let changed = run_collector(telemetry.as_ref(), audit, object, run, &caller).await?;
    Ok(Json(CollectorChange { changed }))
}
