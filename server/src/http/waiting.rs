//! What is answered while memdeck waits for room for its catalog: that it lives, and what it waits for.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use memdeck_model::{FailedCheck, Problem, ProblemKind, Readiness, ReadinessCheck};

use super::answer::RestError;
use super::{headers, health};

/// The routes of either service while it waits, for the reason `detail`. Nothing in them is anybody's secret.
pub fn waiting(detail: &'static str) -> Router {
    let ready = move || async move {
        let failed = FailedCheck { check: ReadinessCheck::StateDir, detail: detail.into() };
        (StatusCode::SERVICE_UNAVAILABLE, Json(Readiness::of(vec![failed])))
    };
    let otherwise = move || async move {
        RestError::from(Problem::new(ProblemKind::Unavailable, detail)).into_response()
    };
    Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .fallback(otherwise)
        .layer(middleware::from_fn(careful))
}

async fn careful(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let kept: &mut HeaderMap = response.headers_mut();
    headers::add(kept);
    response
}
