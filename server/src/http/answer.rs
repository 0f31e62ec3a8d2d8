//! Answers of the REST calls: JSON, and errors as `{"detail": "<sentence>"}`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use memdeck_model::{CancelReply, Message, Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde_json::json;

/// When a call may be tried again that a part of memdeck could not answer, in seconds.
const RETRY_AFTER_S: u32 = 10;

/// An error of a REST call.
#[derive(Debug)]
pub struct RestError {
    status: StatusCode,
    detail: Message,
    /// Only where the page must know it, which reads refusals of the access like those of its own calls.
    kind: Option<ProblemKind>,
}

impl RestError {
    pub fn new(status: StatusCode, detail: impl Into<Message>) -> Self {
        Self { status, detail: detail.into(), kind: None }
    }

    /// The caller is not known.
    pub fn unauthorized(detail: impl Into<Message>) -> Self {
        Self { kind: Some(ProblemKind::Unauthorized), ..Self::new(StatusCode::UNAUTHORIZED, detail) }
    }
}

impl RestError {
    /// Its sentence.
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
        Self::new(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), problem.detail)
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
