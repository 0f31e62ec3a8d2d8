//! `GET /metrics`, and the counting of requests for it.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::metrics::{MEDIA_TYPE, Metrics};

/// Figures for Prometheus, in its text format: dumps by state and end reason, durations and pauses, queue, outbox, collector,
/// requests, process.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "service",
    responses((status = 200, description = "Metrics in the text format of Prometheus", body = String, content_type = "text/plain"))
)]
pub async fn metrics(Extension(metrics): Extension<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, MEDIA_TYPE)], metrics.text().await)
}

/// The middleware around everything: counts a request when the head of its answer is there.
pub async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map(MatchedPath::as_str);
    metrics.requests().count(route, method.as_str(), response.status().as_u16(), began.elapsed());
    response
}
