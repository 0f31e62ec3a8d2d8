//! Answers of the REST calls: JSON, and errors as `{"detail": "<sentence>"}`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use memdeck_model::{CancelReply, DumpId, Message, ParseRequestKeyError, Problem, ProblemKind, RequestKey};
use serde::de::DeserializeOwned;
use serde_json::json;
use utoipa::IntoParams;

/// When a call may be tried again that a part of memdeck could not answer, in seconds.
const RETRY_AFTER_S: u32 = 10;

/// An error of a REST call.
#[derive(Debug)]
pub struct RestError {
    status: StatusCode,
    detail: Message,
    /// Only if the page must know it, which reads refusals of the access like those of its own calls.
    kind: Option<ProblemKind>,
    /// What a name that means several things may mean.
    candidates: Vec<String>,
    /// Whose images are differences to the one that was to be deleted.
    needed_by: Vec<DumpId>,
}

impl RestError {
    pub fn new(status: StatusCode, detail: impl Into<Message>) -> Self {
        Self { status, detail: detail.into(), kind: None, candidates: Vec::new(), needed_by: Vec::new() }
    }

    /// The caller is not known.
    pub fn unauthorized(detail: impl Into<Message>) -> Self {
        Self { kind: Some(ProblemKind::Unauthorized), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }
}

impl RestError {
    pub fn detail(&self) -> &Message {
        &self.detail
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let mut body = json!({"detail": self.detail});
        if let Some(kind) = self.kind {
            body["kind"] = json!(kind);
        }
        if !self.candidates.is_empty() {
            body["candidates"] = json!(self.candidates);
        }
        if !self.needed_by.is_empty() {
            body["needed_by"] = json!(self.needed_by);
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        response
    }
}

impl From<Problem> for RestError {
    fn from(problem: Problem) -> Self {
        let status = StatusCode::from_u16(problem.kind.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = (problem.kind == ProblemKind::Forbidden).then_some(problem.kind);
        let Problem { detail, candidates, needed_by, .. } = problem;
        Self { kind, candidates, needed_by, ..Self::new(status, detail) }
    }
}

/// A request body of JSON. What cannot be read is 400 with the place in the text, as the contract has no 422.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        parsed(&json_of(request, state).await?).map(Self)
    }
}

/// The key under which a request may be repeated. What cannot be one is 400.
pub struct Repeatable(pub Option<RequestKey>);

impl<S: Send + Sync> FromRequestParts<S> for Repeatable {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, RestError> {
        let mut sent = parts.headers.get_all(RequestKey::HEADER).iter();
        let key = match (sent.next(), sent.next()) {
            (None, _) => None,
            (Some(key), None) => Some(key.to_str().unwrap_or_default().parse::<RequestKey>()),
            (Some(_), Some(_)) => Some(Err(ParseRequestKeyError)),
        };
        let refuse = |error: ParseRequestKeyError| RestError::new(StatusCode::BAD_REQUEST, error.to_string());
        key.transpose().map(Self).map_err(refuse)
    }
}

/// The same, as the description of the calls has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "read by the description alone")]
pub struct RequestKeyHeader {
    /// A request that is repeated under the same key within 24 h gets the first answer, and nothing is dumped again.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 200, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

/// A request body of JSON that may be missing.
pub struct JsonBodyIfAny<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for JsonBodyIfAny<T> {
    type Rejection = RestError;

    async fn from_request(request: Request, state: &S) -> Result<Self, RestError> {
        let body = json_of(request, state).await?;
        if body.is_empty() { Ok(Self(T::default())) } else { parsed(&body).map(Self) }
    }
}

/// The body, which is JSON by its own account or empty.
async fn json_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, RestError> {
    let is_json = is_json(request.headers());
    let body = body_of(request, state).await?;
    if is_json || body.is_empty() { Ok(body) } else { Err(not_json()) }
}

/// The media type that a request says its body has, without parameters.
pub fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim()
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("application/json")
}

fn not_json() -> RestError {
    RestError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send JSON with `Content-Type: application/json`")
}

/// A layer for routes whose POSTs must be JSON and are read by somebody else.
pub async fn json_only(request: Request, next: Next) -> Response {
    if request.method() == Method::POST && !is_json(request.headers()) {
        return not_json().into_response();
    }
    next.run(request).await
}

async fn body_of<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, RestError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        RestError::new(rejection.status(), format!("the body cannot be read: {rejection}"))
    })
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, RestError> {
    serde_json::from_slice(body).map_err(|error| {
        RestError::new(StatusCode::BAD_REQUEST, format!("the body is not what this call takes: {error}"))
    })
}

/// The query of a URL; what cannot be read is 400.
pub struct UrlQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for UrlQuery<T> {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let Query(value) = Query::from_request_parts(parts, state).await.map_err(|rejection| {
            RestError::new(
                StatusCode::BAD_REQUEST,
                format!("the query is not what this call takes: {rejection}"),
            )
        })?;
        Ok(Self(value))
    }
}

/// A part of a URL's path; what cannot be read (percent signs that make no text) is 400.
pub struct UrlPath(pub String);

impl<S: Send + Sync> FromRequestParts<S> for UrlPath {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let Path(value) = Path::from_request_parts(parts, state).await.map_err(|rejection| {
            let detail = format!("the path is not what this call takes: {}", rejection.body_text());
            RestError::new(rejection.status(), detail)
        })?;
        Ok(Self(value))
    }
}

/// Several parts of a URL's path; otherwise as [`UrlPath`].
pub struct UrlPaths<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for UrlPaths<T> {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let Path(values) = Path::from_request_parts(parts, state).await.map_err(|rejection| {
            let detail = format!("the path is not what this call takes: {}", rejection.body_text());
            RestError::new(rejection.status(), detail)
        })?;
        Ok(Self(values))
    }
}

/// A dump is being cancelled: its end follows.
pub fn cancelling(dump_id: String) -> (StatusCode, Json<CancelReply>) {
    (StatusCode::ACCEPTED, Json(CancelReply { status: "cancelling".to_owned(), dump_id }))
}

/// No such call.
pub async fn unknown_route(method: Method, uri: Uri) -> RestError {
    RestError::new(StatusCode::NOT_FOUND, format!("there is no {method} {}", uri.path()))
}

/// The call exists for other methods.
pub async fn wrong_method(method: Method, uri: Uri) -> RestError {
    RestError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_another_try_says_when() {
        for (kind, when) in [(ProblemKind::Unavailable, Some("10")), (ProblemKind::Internal, None)] {
            let answer = RestError::from(Problem::new(kind, "why")).into_response();
            let told = answer.headers().get(RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(told, when, "{kind:?}");
        }
    }
}
