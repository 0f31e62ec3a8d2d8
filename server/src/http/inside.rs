//! What is inside of guests, by dump id. The dashboard and the agent have the same calls.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use memdeck_model::{InsideReading, OnBehalf};
use memdeck_operations::Images;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Who;
use super::answer::{JsonBodyIfAny, RestError, UrlPath};
use super::openapi::ErrorBody;

pub fn routes<S>(images: Arc<Images>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().routes(routes!(inside, read)).with_state(images)
}

/// What was read out of a dump's image of its guest's own view: processes, open files, modules, interfaces, connections, the
/// kernel's log. Or how far the reading is.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/inside",
    tag = "study",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, body = InsideReading))
)]
async fn inside(
    State(images): State<Arc<Images>>,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
) -> Result<Response, RestError> {
    Ok(told(images.inside(&dump_id, &who.calls()).await?, StatusCode::OK))
}

/// Begins to read what is inside of a guest out of its image. Its end is reported at the same path. What was read before is
/// answered at once.
#[utoipa::path(
    post,
    path = "/api/memory-dumps/{dump_id}/inside",
    tag = "study",
    params(("dump_id" = String, Path, description = "Which dump")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 200, description = "It was read before", body = InsideReading),
        (status = 202, description = "It is being read, or waits for that", body = InsideReading),
        (status = 409, description = "The host that has the image cannot read it", body = ErrorBody),
        (status = 503, description = "Too many images wait to be read", body = ErrorBody),
    )
)]
async fn read(
    State(images): State<Arc<Images>>,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Response, RestError> {
    let reading = images.read_inside(&dump_id, &who.calls_for(request.actor())).await?;
    let status = if reading.state.is_active() { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(told(reading, status))
}

/// What was in a guest's memory belongs into no cache.
fn told(reading: InsideReading, status: StatusCode) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], Json(reading)).into_response()
}
