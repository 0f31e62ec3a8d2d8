//! One call to a dump service: how it gets there, its answer, read with bounds, or why there is none.

mod line;
mod request;

use memdeck_model::HostCondition;
use memdeck_operations::agent_noted;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use rustls::CertificateError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::protocol::AUDIT;

pub use line::{DialedBy, Line};
pub use request::{Limit, Request};

/// The longest answer that is read: statuses of some ten thousand guests.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// How much of a refusal's body is told.
const MAX_REASON_CHARS: usize = 300;

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// No answer: not reachable, or too slow.
    #[error("{0}")]
    NoAnswer(String),
    /// The connection broke when the request was on its way: whether it was understood is not known.
    #[error("{0}")]
    Broken(String),
    /// The certificate of the service is not trusted.
    #[error("{reason}")]
    Certificate {
        /// What the TLS library said.
        reason: String,
        /// Whether it is only too old.
        has_expired: bool,
    },
    /// An answer that is a refusal.
    #[error("HTTP {status}: {detail}")]
    Refused {
        /// Its status code.
        status: StatusCode,
        /// Its `detail`, or the beginning of its body.
        detail: String,
    },
    /// An answer that cannot be read.
    #[error("it answered what no dump service answers ({0})")]
    Unreadable(String),
    /// An answer that is longer than so many bytes, and was not read further.
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

/// `None` where the service has no such call: a path that is not there, or one that takes other methods only.
pub fn lacking_as_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Err(CallError::Refused { status: StatusCode::METHOD_NOT_ALLOWED, .. }) => Ok(None),
        other => absent_as_none(other),
    }
}

pub fn absent_as_none<T>(result: Result<T, CallError>) -> Result<Option<T>, CallError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub async fn answer<T: DeserializeOwned>(request: Request) -> Result<T, CallError> {
    let response = request.send().await?;
    note_audit(response.headers());
    read(response).await
}

pub async fn read<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, CallError> {
    let status = response.status();
    let body = bounded_body(response).await?;
    if !status.is_success() {
        return Err(CallError::Refused { status, detail: detail_of(&body) });
    }
    serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.to_string()))
}

/// Remembers how the audit of the service ends, where its answer says so, for the entry about what it was asked for.
pub fn note_audit(headers: &HeaderMap) {
    let said = headers.get(AUDIT).and_then(|head| head.to_str().ok());
    if let Some(head) = said.and_then(|head| head.parse().ok()) {
        agent_noted(head);
    }
}

pub async fn bounded_body(mut response: reqwest::Response) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(CallError::TooLarge(MAX_ANSWER_BYTES));
        }
    }
    Ok(body)
}

/// FastAPI's `{"detail": ...}`, or the beginning of whatever it is.
pub fn detail_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Detail {
        detail: serde_json::Value,
    }
    let text = match serde_json::from_slice(body) {
        Ok(Detail { detail: serde_json::Value::String(text) }) => text,
        Ok(Detail { detail }) => detail.to_string(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON_CHARS).collect()
}

/// Why no answer came.
pub fn no_answer(error: &reqwest::Error) -> CallError {
    let reason = root_cause(error);
    match certificate_error(error) {
        Some(error) => {
            let has_expired =
                matches!(error, CertificateError::Expired | CertificateError::ExpiredContext { .. });
            CallError::Certificate { reason, has_expired }
        }
        None if error.is_connect() || error.is_timeout() || error.is_builder() => CallError::NoAnswer(reason),
        None => CallError::Broken(reason),
    }
}

/// What is wrong with the certificate of the service, if that is why there is no connection.
fn certificate_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a CertificateError> {
    if let Some(rustls::Error::InvalidCertificate(error)) = error.downcast_ref() {
        return Some(error);
    }
    // The source of an input or output error is the source of what is in it.
    let within = match error.downcast_ref::<std::io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
        None => error.source(),
    };
    within.and_then(certificate_error)
}

/// Why no answer came that takes longer than it may.
pub const LATE: &str = "no answer in time";

/// The innermost cause: `connection refused` says more than `error sending request`. URLs are left out.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() { LATE.to_owned() } else { innermost(error) }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// What a call that failed says of the service.
pub fn condition_of(error: &CallError) -> HostCondition {
    match error {
        CallError::NoAnswer(_) | CallError::Broken(_) => HostCondition::Unreachable,
        CallError::Certificate { has_expired: true, .. } => HostCondition::ExpiredCertificate,
        CallError::Certificate { .. } => HostCondition::BadCertificate,
        CallError::Refused { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
            HostCondition::WrongToken
        }
        CallError::Refused { status, .. } if status.is_server_error() => HostCondition::Failing,
        CallError::Refused { .. } | CallError::Unreadable(_) | CallError::TooLarge(_) => {
            HostCondition::Garbage
        }
    }
}
