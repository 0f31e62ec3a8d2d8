//! A dump service's calls about its images: the small ones as JSON, downloads passed through as they come.

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use axum::response::IntoResponse as _;
use futures_util::{StreamExt, TryStreamExt};
use memdeck_model::{DumpId, Problem, ProblemKind};
use serde_json::{Value, json};

use super::client::{CallError, ServiceClient, answer, bounded_body, detail_of, root_cause};
use crate::images::DownloadPlace;

/// Names the memory that a format leaves out.
pub const OMITTED: HeaderName = HeaderName::from_static("memdeck-omitted");
/// The header that tells what is checked before it is sent: `frames`, each of them; or `whole`: the image was stored
/// without digests, and a part of it cannot be checked.
pub const CHECKED: HeaderName = HeaderName::from_static("memdeck-checked");

/// What of a request decides about the answer.
const ASKED: [HeaderName; 3] = [RANGE, IF_RANGE, IF_NONE_MATCH];
/// What of the answer is about the image. What a browser makes of it (its type, its name, whether it is kept) is said
/// here, not there.
const TOLD: [HeaderName; 7] =
    [ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, RETRY_AFTER, OMITTED, CHECKED];

impl ServiceClient {
    /// A call about a dump's image that is answered with JSON.
    ///
    /// # Errors
    /// The service does not answer, or refuses: its own words, under its own status where that is one of ours.
    pub async fn image_call(
        &self,
        method: Method,
        dump_id: &DumpId,
        what: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, Problem> {
        let path: Vec<&str> = ["api", "memory-dumps", dump_id.as_str()].into_iter().chain(what).collect();
        let request = self.request(method, &path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        answer(request).await.map_err(|error| self.problem(&error))
    }

    /// Passes a download on: what decides about the answer to the service, the answer to the caller under `described`,
    /// its body as it comes. `permit` is given back when the body ends.
    ///
    /// # Errors
    /// The service does not answer or refuses.
    pub async fn image(
        &self,
        method: Method,
        dump_id: &DumpId,
        form: &str,
        headers: &HeaderMap,
        described: HeaderMap,
        permit: Option<DownloadPlace>,
    ) -> Result<Response<Body>, Problem> {
        let path = ["api", "memory-dumps", dump_id.as_str(), "image"];
        let mut request = self.stream_request(method, &path).query(&[("format", form)]);
        for name in ASKED {
            for value in headers.get_all(&name) {
                request = request.header(&name, value);
            }
        }
        let response =
            request.send().await.map_err(|error| self.problem(&CallError::NoAnswer(root_cause(&error))))?;
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            let range = response.headers().get(CONTENT_RANGE).cloned();
            let body = bounded_body(response).await.map_err(|error| self.problem(&error))?;
            let mut answer = (status, Json(json!({"detail": detail_of(&body)}))).into_response();
            answer.headers_mut().extend(range.map(|range| (CONTENT_RANGE, range)));
            return Ok(answer);
        }
        let is_ours =
            matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED);
        if !is_ours {
            let body = bounded_body(response).await.map_err(|error| self.problem(&error))?;
            return Err(self.problem(&CallError::Refused { status, detail: detail_of(&body) }));
        }
        let mut passed = described;
        for name in TOLD {
            if let Some(value) = response.headers().get(&name) {
                passed.insert(name, value.clone());
            }
        }
        let (dump_id, service) = (dump_id.clone(), self.url().to_owned());
        let body = response.bytes_stream().map_err(std::io::Error::other).inspect_err(move |error| {
            let reason = error.to_string();
            tracing::warn!(%dump_id, service, reason, "a download from the dump service broke off");
        });
        let body = body.map(move |chunk| {
            let _held = &permit;
            chunk
        });
        let mut answer = Response::new(Body::from_stream(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = passed;
        Ok(answer)
    }

    pub(crate) fn problem(&self, error: &CallError) -> Problem {
        let service = self.url();
        match error {
            CallError::NoAnswer(reason) => Problem::new(
                ProblemKind::Unavailable,
                format!("the dump service {service}, which has the image, does not answer ({reason})"),
            ),
            CallError::Refused { status, detail } => {
                let kind = match *status {
                    StatusCode::BAD_REQUEST => ProblemKind::Invalid,
                    // What has no such call answers one of the two.
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ProblemKind::NotFound,
                    StatusCode::GONE => ProblemKind::Gone,
                    StatusCode::CONFLICT => ProblemKind::Conflict,
                    _ => ProblemKind::Unavailable,
                };
                Problem::new(kind, format!("the dump service {service} refuses: {detail}"))
            }
            CallError::Unreadable(_) | CallError::TooLarge(_) => Problem::new(
                ProblemKind::Unavailable,
                format!("the dump service {service} cannot be understood: {error}"),
            ),
        }
    }
}
