//! Stored images by dump id: download, manifest, inspection, verification, deletion. The dashboard and the agent have
//! the same calls.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use headers::ETag;
use memdeck_agent::{CHECKED, OMITTED};
use memdeck_model::{DeleteRequest, OnBehalf, Problem, ProblemKind, Record, Verification};
use memdeck_operations::{AddressRange, Form, Images, OpenImage};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Caller, Standing, Who};
use super::answer::{JsonBody, JsonBodyIfAny, RestError, UrlPath, UrlQuery};
use super::conditional::{Wanted, has_it_already, wanted};
use super::downloads::Downloads;

/// When to ask again for a place among the downloads.
const RETRY_AFTER_S: &str = "30";
/// Segments that the header names; it is the first that matter, and a header has its limits.
const MAX_OMITTED: usize = 32;

pub fn routes<S>(images: Arc<Images>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new()
        .routes(routes!(record, delete))
        .routes(routes!(image))
        .routes(routes!(manifest))
        .routes(routes!(inspect))
        .routes(routes!(verification, verify))
        .layer(Extension(Arc::<Downloads>::default()))
        .with_state(images)
}

type Stored = State<Arc<Images>>;

/// The record of one dump.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, body = Record))
)]
async fn record(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
) -> Result<Json<Record>, RestError> {
    Ok(Json(images.record(&dump_id, &who.calls()).await?))
}

/// Deletes the image of a dump; its record stays and says when and by whom.
#[utoipa::path(
    delete,
    path = "/api/memory-dumps/{dump_id}",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    request_body = DeleteRequest,
    responses((status = 200, body = Record))
)]
async fn delete(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
    JsonBody(request): JsonBody<DeleteRequest>,
) -> Result<Json<Record>, RestError> {
    let caller = who.calls_for(request.actor());
    Ok(Json(images.delete(&dump_id, request, &caller).await?))
}

/// The manifest of a stored image.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/manifest",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, body = serde_json::Value))
)]
async fn manifest(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
) -> Result<Response, RestError> {
    Ok(unkept(Json(images.manifest(&dump_id, &who.calls()).await?)))
}

/// Segments, notes and sizes of a stored image in each format.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/inspect",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, body = serde_json::Value))
)]
async fn inspect(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
) -> Result<Response, RestError> {
    Ok(unkept(Json(images.inspect(&dump_id, &who.calls()).await?)))
}

/// What is known of a guest's memory belongs into no cache.
fn unkept<T: Serialize>(json: Json<T>) -> Response {
    ([(CACHE_CONTROL, "no-store")], json).into_response()
}

/// How far the newest verification of an image is, or what it found.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/verify",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, body = Verification))
)]
async fn verification(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
) -> Result<Json<Verification>, RestError> {
    Ok(Json(images.verification(&dump_id, &who.calls()).await?))
}

/// Begins a verification of an image. Its end is reported at the same path.
#[utoipa::path(
    post,
    path = "/api/memory-dumps/{dump_id}/verify",
    tag = "images",
    params(("dump_id" = String, Path, description = "Which dump")),
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses((status = 202, body = Verification))
)]
async fn verify(
    State(images): Stored,
    Extension(who): Extension<Who>,
    UrlPath(dump_id): UrlPath,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<(StatusCode, Json<Verification>), RestError> {
    Ok((StatusCode::ACCEPTED, Json(images.verify(&dump_id, &who.calls_for(request.actor())).await?)))
}

/// The words of [`Form`], for the description.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only described")]
enum FormWord {
    Elf,
    Raw,
    Lime,
    Avml,
    Stored,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImageQuery {
    /// An export of the image (`elf` if it is not given), or `stored`: the file as it is.
    #[param(inline, value_type = Option<FormWord>)]
    format: Option<String>,
}

/// Downloads a stored image, whole or in part (`Range`), in one of the formats.
#[utoipa::path(
    get,
    path = "/api/memory-dumps/{dump_id}/image",
    tag = "images",
    params(ImageQuery, ("dump_id" = String, Path, description = "Which dump")),
    responses((status = 200, description = "The image", content_type = "application/octet-stream"),
        (status = 206, description = "The part that was asked for", content_type = "application/octet-stream"),
        (status = 304, description = "The caller has it already"))
)]
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
async fn image(
    State(images): Stored,
    Extension(downloads): Extension<Arc<Downloads>>,
    method: Method,
    UrlPath(dump_id): UrlPath,
    UrlQuery(query): UrlQuery<ImageQuery>,
    Extension(caller): Extension<Caller>,
    Extension(who): Extension<Who>,
    Extension(standing): Extension<Standing>,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let form = Form::parse(query.format.as_deref().unwrap_or("elf"))?;
    let reader = who.reads(&standing);
    let opened = images.open(&dump_id, form, &reader).await?;
    let tag = opened.entity_tag.as_deref().and_then(|tag| tag.parse::<ETag>().ok());
    let mut told = description(&opened)?;
    if has_it_already(&headers, tag.as_ref()) {
        return Ok((StatusCode::NOT_MODIFIED, told, nothing()).into_response());
    }
    let length = opened.length;
    // Ranges are for GET alone.
    let wanted = match length {
        Some(length) if method == Method::GET => wanted(&headers, tag.as_ref(), length),
        _ => Wanted::Whole,
    };
    let (status, part) = match (wanted, length) {
        (Wanted::Unsatisfiable, Some(length)) => {
            let detail = format!("there is no such part: as {} the image has {length} bytes", form.as_str());
            let range = header(&format!("bytes */{length}"))?;
            let body = Json(json!({"detail": detail}));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, range)], body).into_response());
        }
        (Wanted::Part(part), Some(length)) => {
            let last = part.end.saturating_sub(1);
            told.insert(CONTENT_RANGE, header(&format!("bytes {}-{last}/{length}", part.start))?);
            told.insert(CONTENT_LENGTH, (part.end - part.start).into());
            (StatusCode::PARTIAL_CONTENT, Some(part))
        }
        (_, Some(length)) => {
            told.insert(CONTENT_LENGTH, length.into());
            (StatusCode::OK, None)
        }
        (_, None) => (StatusCode::OK, None),
    };
    if method == Method::HEAD {
        return Ok((status, told, nothing()).into_response());
    }
    let place = match downloads.admit(caller.address) {
        Ok(place) => place,
        Err(problem) => return Ok(too_many(problem)),
    };
    let bytes = images.read(opened, part, Box::new(place), &reader).await?;
    Ok((status, told, Body::from_stream(bytes)).into_response())
}

/// No bytes, without saying that there are none: of an empty body the length would be sent, which here is another's.
fn nothing() -> Body {
    Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>())
}

/// The headers that do not depend on the part. What a browser makes of an image: never a page, never kept, always a file of
/// that name.
fn description(opened: &OpenImage) -> Result<HeaderMap, RestError> {
    let mut told = HeaderMap::new();
    told.insert(CONTENT_TYPE, HeaderValue::from_static(opened.form.media_type()));
    told.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    told.insert(CONTENT_DISPOSITION, header(&format!("attachment; filename=\"{}\"", opened.file_name))?);
    let ranges = if opened.length.is_some() { "bytes" } else { "none" };
    told.insert(ACCEPT_RANGES, HeaderValue::from_static(ranges));
    if let Some(tag) = &opened.entity_tag {
        told.insert(ETAG, header(tag)?);
    }
    let checked = if opened.is_checked { "frames" } else { "whole" };
    told.insert(CHECKED, HeaderValue::from_static(checked));
    if !opened.omitted.is_empty() {
        told.insert(OMITTED, header(&omitted(&opened.omitted))?);
    }
    Ok(told)
}

/// First and last address of each segment.
fn omitted(ranges: &[AddressRange]) -> String {
    let place = |range: &AddressRange| format!("{:#x}-{:#x}", range.first, range.last);
    ranges.iter().take(MAX_OMITTED).map(place).collect::<Vec<_>>().join(", ")
}

fn too_many(problem: Problem) -> Response {
    let mut response = RestError::from(problem).into_response();
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
    response
}

fn header(text: &str) -> Result<HeaderValue, RestError> {
    HeaderValue::from_str(text)
        .map_err(|_| Problem::new(ProblemKind::Internal, "a header of the answer cannot be made").into())
}
