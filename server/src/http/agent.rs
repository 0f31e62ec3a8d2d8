//! The dump service of one hypervisor (contract section 1), and what memdeck's own dashboard asks of it beyond that.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_clock::{Clock as _, SystemClock};
use memdeck_model::{
    CancelReply, Capabilities, DumpId, DumpStatus, FrozenPause, Guest, OnBehalf, Problem, ProblemKind,
    RequestKey, Target, TriggerRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AgentState;
use super::access::Who;
use super::answer::{
    JsonBody, JsonBodyIfAny, Repeatable, RequestKeyHeader, RestError, UrlPath, UrlQuery, cancelling,
};
use super::openapi::ErrorBody;
use memdeck_agent::{
    DELETIONS_PER_CALL, DeletionFeedPage, HostReport, NumberedDeletion, NumberedRecord, NumberedVerification,
    RECORDS_PER_CALL, RecordFeedPage, VERIFICATIONS_PER_CALL, VerificationFeedPage,
};
use memdeck_operations::{self as operations, Once, blocking, catalog_problem};

pub fn routes() -> OpenApiRouter<AgentState> {
    OpenApiRouter::new()
        .routes(routes!(statuses, trigger))
        .routes(routes!(status))
        .routes(routes!(cancel))
        .routes(routes!(records))
        .routes(routes!(deletions))
        .routes(routes!(verifications))
        .routes(routes!(guests))
        .routes(routes!(frozen_pause))
        .routes(routes!(capabilities))
        .routes(routes!(host))
}

type Statuses = Json<BTreeMap<String, DumpStatus>>;

/// Asks for dumps; the present state of each guest, under the name it was given.
#[utoipa::path(
    post,
    path = "/api/dumps",
    tag = "dumps",
    params(RequestKeyHeader),
    request_body = TriggerRequest,
    responses(
        (status = 200, body = BTreeMap<String, DumpStatus>),
        (status = 422, description = "The key belongs to another request", body = ErrorBody),
    )
)]
async fn trigger(
    State(agent): State<AgentState>,
    Extension(who): Extension<Who>,
    Repeatable(key): Repeatable,
    JsonBody(request): JsonBody<TriggerRequest>,
) -> Result<Statuses, RestError> {
    let (options, caller) = (request.options.clone(), who.calls_for(request.actor()));
    let body = (request.clone(), caller.actor.clone());
    let targets = request.targets().map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    let targets: Vec<Target> = targets.into_iter().map(Target::from).collect();
    let ask = async |key: &RequestKey| {
        agent.host.trigger(targets, options, &caller.actor, key).await.map_err(Problem::from)
    };
    let statuses = match key {
        Some(key) => agent.once.answer(&key, &body, async |open| ask(open.passed_on()).await).await?,
        None => ask(&Once::fresh()).await?,
    };
    Ok(Json(statuses))
}

/// The newest dump of every guest that had one, by the guest's name and by the texts by which it was asked for in the last
/// day.
#[utoipa::path(get, path = "/api/dumps", tag = "dumps", responses((status = 200, body = BTreeMap<String, DumpStatus>)))]
async fn statuses(State(agent): State<AgentState>) -> Result<Statuses, RestError> {
    Ok(Json(agent.host.statuses().await.map_err(Problem::from)?))
}

/// The newest dump of one guest, whatever it was asked for by.
#[utoipa::path(
    get,
    path = "/api/dumps/{vm}",
    tag = "dumps",
    params(("vm" = String, Path, description = "The guest by UUID, by libvirt's id, by name, or as a request named it")),
    responses(
        (status = 200, body = DumpStatus),
        (status = 404, description = "It had no dump", body = ErrorBody),
    )
)]
async fn status(
    State(agent): State<AgentState>,
    UrlPath(vm): UrlPath,
) -> Result<Json<DumpStatus>, RestError> {
    let status = agent.host.status(&vm).await.map_err(Problem::from)?;
    status
        .map(Json)
        .ok_or_else(|| RestError::new(StatusCode::NOT_FOUND, format!("No dump status for VM '{vm}'")))
}

/// Cancels a dump, which the path names by its id. Accepted: the end follows.
#[utoipa::path(
    post,
    path = "/api/dumps/{dump_id}/cancel",
    tag = "dumps",
    params(("dump_id" = DumpId, Path, description = "The dump")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 202, description = "It ends soon, or has ended already", body = CancelReply),
        (status = 404, description = "There is no such dump", body = ErrorBody),
    )
)]
async fn cancel(
    State(agent): State<AgentState>,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<(StatusCode, Json<CancelReply>), RestError> {
    let caller = who.calls_for(request.actor());
    operations::cancel(agent.host.as_ref(), agent.images.audit(), &dump_id, &caller).await?;
    Ok(cancelling(dump_id))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Records after this sequence number; all of them if it is not given.
    since: Option<u64>,
    /// At most this many, 1 to 500.
    limit: Option<u32>,
}

/// The records of what this agent dumped, by sequence number.
#[utoipa::path(
    get,
    path = "/api/records",
    tag = "records",
    params(Since),
    responses((status = 200, body = RecordFeedPage))
)]
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

/// Deletions in the order they were recorded, with their sequence numbers: for dashboards that keep copies.
#[utoipa::path(
    get,
    path = "/api/deletions",
    tag = "records",
    params(Since),
    responses((status = 200, body = DeletionFeedPage))
)]
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

/// How the newest verification of each image ended, in the order in which they did, with their sequence numbers: for dashboards
/// that tell of damaged images. At most 100 at a time.
#[utoipa::path(
    get,
    path = "/api/verifications",
    tag = "records",
    params(Since),
    responses((status = 200, body = VerificationFeedPage))
)]
async fn verifications(
    State(agent): State<AgentState>,
    UrlQuery(query): UrlQuery<Since>,
) -> Result<Json<VerificationFeedPage>, RestError> {
    let since = query.since.unwrap_or(0);
    let limit = query.limit.unwrap_or(VERIFICATIONS_PER_CALL).clamp(1, VERIFICATIONS_PER_CALL);
    let catalog = Arc::clone(&agent.catalog);
    let told = blocking(move || catalog.verifications_since(since, limit)).await;
    let told = told.map_err(|error| catalog_problem(&error))?.into_iter();
    let verifications = told.map(|(seq, verification)| NumberedVerification { seq, verification }).collect();
    Ok(Json(VerificationFeedPage { catalog_id: agent.catalog_id, verifications }))
}

/// What this service can do beyond the three calls of the older protocol. A field that is missing means no.
#[utoipa::path(get, path = "/api/capabilities", tag = "guests", responses((status = 200, body = Capabilities)))]
async fn capabilities() -> Json<Capabilities> {
    std::future::ready(Json(Capabilities::ALL)).await
}

/// What this agent is: its version, its clock, the room for images.
#[utoipa::path(get, path = "/api/host", tag = "guests", responses((status = 200, body = HostReport)))]
async fn host(State(agent): State<AgentState>) -> Json<HostReport> {
    let facts = agent.host.facts().await;
    Json(HostReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: HostReport::PROTOCOL,
        time: SystemClock::default().now(),
        free_bytes: facts.free_bytes,
    })
}

/// Every guest of this hypervisor, running or not.
#[utoipa::path(get, path = "/api/guests", tag = "guests", responses((status = 200, body = Vec<Guest>)))]
async fn guests(State(agent): State<AgentState>) -> Result<Json<Vec<Guest>>, RestError> {
    Ok(Json(agent.host.guests().await?))
}

/// How long a guest may stand still for a frozen dump, and how fast this host reads one.
#[utoipa::path(get, path = "/api/frozen-pause", tag = "guests", responses((status = 200, body = Option<FrozenPause>)))]
async fn frozen_pause(State(agent): State<AgentState>) -> Result<Json<Option<FrozenPause>>, RestError> {
    Ok(Json(agent.host.frozen_pause().await.map_err(Problem::from)?))
}
