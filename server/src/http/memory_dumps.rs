//! The dashboard's memory dumps (contract section 2).

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use memdeck_model::{
    CancelReply, DumpId, DumpStatus, OnBehalf, RecordPage, RecordQuery, ServiceStatus, Stats, TriggerReply,
    TriggerRequest,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::DashboardState;
use super::access::Who;
use super::answer::{
    JsonBody, JsonBodyIfAny, Repeatable, RequestKeyHeader, RestError, UrlPath, UrlQuery, cancelling,
};
use super::export;
use super::openapi::ErrorBody;
use super::record_parameters::{FilterParameters, SortParameters};
use super::trends;

pub fn routes() -> OpenApiRouter<DashboardState> {
    OpenApiRouter::new()
        .routes(routes!(trigger))
        .routes(routes!(records))
        .routes(routes!(export::csv))
        .routes(routes!(status))
        .routes(routes!(dump_status))
        .routes(routes!(cancel))
        .routes(routes!(stats))
        .routes(routes!(trends::trends))
}

/// Asks for dumps. A guest that is being dumped is not dumped twice at the same time: it keeps the dump it has.
#[utoipa::path(
    post,
    path = "/trigger",
    tag = "memory dumps",
    params(RequestKeyHeader),
    request_body = TriggerRequest,
    responses(
        (status = 200, description = "Accepted", body = TriggerReply),
        (status = 422, description = "The key belongs to another request", body = ErrorBody),
    )
)]
async fn trigger(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    Repeatable(key): Repeatable,
    JsonBody(request): JsonBody<TriggerRequest>,
) -> Result<Json<TriggerReply>, RestError> {
    let caller = who.calls_for(request.actor());
    let accepted = state.operations.request_dumps(request, &caller, key.as_ref()).await?;
    Ok(Json(TriggerReply {
        status: "scheduled".to_owned(),
        message: format!("Memory dump scheduled for {} VM(s)", accepted.vm_ids.len()).into(),
        vm_ids: accepted.vm_ids,
        timestamp: accepted.at,
        dumps: accepted.statuses.into_values().collect(),
        omitted: accepted.omitted,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// At most this many, 1 to 1000; 1000 if it is not given or 0 or less.
    limit: Option<i64>,
    /// After skipping this many.
    offset: Option<i64>,
}

/// Records of finished dumps that match all that is given, newest first unless another order is asked for.
#[utoipa::path(
    get,
    path = "/records",
    tag = "memory dumps",
    params(FilterParameters, SortParameters, PageQuery),
    responses(
        (status = 200, body = RecordPage),
        (status = 400, description = "A parameter means nothing", body = ErrorBody),
    )
)]
async fn records(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlQuery(page): UrlQuery<PageQuery>,
    UrlQuery(filter): UrlQuery<FilterParameters>,
    UrlQuery(sort): UrlQuery<SortParameters>,
) -> Result<Json<RecordPage>, RestError> {
    let query = RecordQuery::from_request(filter.read()?, sort.read()?, page.limit, page.offset);
    Ok(Json(state.operations.list_records(query, &who.calls()).await?))
}

/// Whether the dump service answers, the newest dump of every guest, and what became of the last request. Never an
/// error: the answer says what is wrong.
#[utoipa::path(get, path = "/status", tag = "memory dumps", responses((status = 200, body = ServiceStatus)))]
async fn status(State(state): State<DashboardState>, Extension(who): Extension<Who>) -> Json<ServiceStatus> {
    Json(state.operations.service_status(&who.calls()).await)
}

/// The newest dump of one guest, whatever it was asked for by.
#[utoipa::path(
    get,
    path = "/status/{vm}",
    tag = "memory dumps",
    params(("vm" = String, Path, description = "The guest by UUID, by libvirt's id, by name, or as a request named it")),
    responses(
        (status = 200, body = DumpStatus),
        (status = 404, description = "It had no dump", body = ErrorBody),
        (status = 503, description = "The dump service does not answer", body = ErrorBody),
    )
)]
async fn dump_status(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(vm): UrlPath,
) -> Result<Json<DumpStatus>, RestError> {
    Ok(Json(state.operations.dump_status(&vm, &who.calls()).await?))
}

/// Totals over all records.
#[utoipa::path(get, path = "/stats", tag = "memory dumps", responses((status = 200, body = Stats)))]
async fn stats(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
) -> Result<Json<Stats>, RestError> {
    Ok(Json(state.operations.stats(&who.calls()).await?))
}

/// Cancels a dump. Accepted: the end follows.
#[utoipa::path(
    post,
    path = "/cancel/{dump_id}",
    tag = "memory dumps",
    params(("dump_id" = DumpId, Path, description = "The dump")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 202, description = "It ends soon, or has ended already", body = CancelReply),
        (status = 404, description = "There is no such dump", body = ErrorBody),
    )
)]
async fn cancel(
    State(state): State<DashboardState>,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<(StatusCode, Json<CancelReply>), RestError> {
    state.operations.cancel_dump(&dump_id, &who.calls_for(request.actor())).await?;
    Ok(cancelling(dump_id))
}
