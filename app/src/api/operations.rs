//! The use cases the page calls, and how they are put behind HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{MethodFilter, on};
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{ResponseOptions, handle_server_fns_with_context};
use memdeck_model::{
    DumpId, DumpStatus, Guest, Problem, ProblemKind, RecordPage, RecordQuery, TriggerRequest,
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

    /// Asks for dumps; the present state of each that was named.
    async fn trigger(&self, request: TriggerRequest) -> Result<Vec<DumpStatus>, Problem>;

    /// Cancels a dump that waits or runs; one that has ended stays as it ended.
    async fn cancel(&self, dump_id: DumpId) -> Result<(), Problem>;

    /// One page of records, newest first.
    async fn records(&self, query: RecordQuery) -> Result<RecordPage, Problem>;
}

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
            on(filter, move |request| {
                let operations = Arc::clone(&operations);
                handle_server_fns_with_context(move || provide_context(Arc::clone(&operations)), request)
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

/// Puts the problem's status code on the response.
pub(super) fn refuse(problem: Problem) -> ApiError {
    if let Some(response) = use_context::<ResponseOptions>() {
        response.set_status(status_of(problem.kind));
    }
    ApiError(problem)
}

fn status_of(kind: ProblemKind) -> StatusCode {
    match kind {
        ProblemKind::Invalid => StatusCode::BAD_REQUEST,
        ProblemKind::NotFound => StatusCode::NOT_FOUND,
        ProblemKind::Gone => StatusCode::GONE,
        ProblemKind::Conflict => StatusCode::CONFLICT,
        ProblemKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
