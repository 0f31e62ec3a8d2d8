//! The use cases the page calls, and how they are put behind HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, on};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context};
use memdeck_model::telemetry::{Diagnosis, Series, SeriesQuery, TelemetryReport};
use memdeck_model::{
    Activity, DumpId, DumpStatus, Guest, ImageFacts, LastDump, Problem, ProblemKind, Record, RecordPage,
    RecordQuery, TriggerRequest, Verification,
};

use super::{ApiError, Overview};

/// What the server does for the page. The server implements it with its use cases.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Figures and health.
    async fn overview(&self) -> Result<Overview, Problem>;

    /// Every guest of the hypervisor, running or not.
    async fn guests(&self) -> Result<Vec<Guest>, Problem>;

    /// The dumps that are queued or running, and those that ended in the last minutes.
    async fn dumps(&self) -> Result<Vec<DumpStatus>, Problem>;

    /// The last things that happened to dumps, newest first.
    async fn activity(&self) -> Result<Vec<Activity>, Problem>;

    /// Asks for dumps; the present state of each that was named.
    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem>;

    /// Cancels a dump that waits or runs; one that has ended stays as it ended.
    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem>;

    /// One page of the records that a filter means.
    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem>;

    /// The hosts that records name.
    async fn record_hosts(&self) -> Result<Vec<String>, Problem>;

    /// The newest dump of each guest.
    async fn last_dumps(&self) -> Result<Vec<LastDump>, Problem>;

    /// The record of one dump.
    async fn record(&self, dump_id: DumpId) -> Result<Record, Problem>;

    /// What the image of a dump and its manifest tell.
    async fn image(&self, dump_id: DumpId) -> Result<ImageFacts, Problem>;

    /// How far the newest verification of an image is, or what it found.
    async fn verification(&self, dump_id: DumpId) -> Result<Verification, Problem>;

    /// Begins to verify an image; the present state of that.
    async fn verify(&self, dump_id: DumpId) -> Result<Verification, Problem>;

    /// Deletes an image that `confirm` names by its guest; its record as it is afterwards.
    async fn delete_image(&self, dump_id: DumpId, confirm: String) -> Result<Record, Problem>;

    /// The collector, its settings and its figures.
    async fn collector(&self) -> Result<TelemetryReport, Problem>;

    /// Starts or stops the collector.
    async fn run_collector(&self, run: bool) -> Result<TelemetryReport, Problem>;

    /// Tries everything that telemetry needs.
    async fn diagnose_telemetry(&self) -> Result<Diagnosis, Problem>;

    /// One metric of a guest or device over time.
    async fn series(&self, query: SeriesQuery) -> Result<Series, Problem>;
}

/// What the server's log calls a request. The server puts it among the request's extensions.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The routes of all server functions, `POST /api/ui/...`, answered by `operations`.
///
/// Their full paths are routed, so this is merged into the server's router, never nested.
pub fn router<S>(operations: &Arc<dyn Operations>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    leptos::server_fn::axum::server_fn_paths().fold(Router::new(), |router, (path, method)| {
        let operations = Arc::clone(operations);
        let Ok(filter) = MethodFilter::try_from(method) else { return router };
        router.route(
            path,
            on(filter, move |request: Request| {
                let operations = Arc::clone(&operations);
                let id = request.extensions().get::<RequestId>().cloned();
                let context = move || {
                    provide_context(Arc::clone(&operations));
                    if let Some(id) = id.clone() {
                        provide_context(id);
                    }
                };
                handle_server_fns_with_context(context, request)
            }),
        )
    })
}

/// The use cases of the server that runs this server function.
pub(super) fn present() -> Result<Arc<dyn Operations>, ApiError> {
    use_context().ok_or_else(|| {
        ApiError(Problem::new(ProblemKind::Internal, "The server was started without its use cases."))
    })
}

/// Puts the problem's status code on the response, and the request's id on the problem.
pub(super) fn refuse(problem: Problem) -> ApiError {
    let request_id = use_context::<RequestId>().map(|RequestId(id)| id);
    let problem = Problem { request_id, ..problem };
    if let Some(response) = use_context::<ResponseOptions>() {
        let status = StatusCode::from_u16(problem.kind.http_status());
        response.set_status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    }
    ApiError(problem)
}
