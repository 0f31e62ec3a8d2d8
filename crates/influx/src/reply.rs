//! What the store answered.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use crate::FeedError;
use crate::short::{masked, shortened};

/// More than any answer to a write that is of interest; the rest is not read.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// An answer other than 401 and 403.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Sends `request` and reads the answer. `store` and `timeout` are what errors name.
    pub(crate) async fn of(
        request: RequestBuilder,
        store: &str,
        timeout: Duration,
    ) -> Result<Self, FeedError> {
        Self::up_to(MAX_BODY_BYTES, request, store, timeout).await
    }

    /// The same with up to so many bytes of the answer.
    pub(crate) async fn up_to(
        most_bytes: usize,
        request: RequestBuilder,
        store: &str,
        timeout: Duration,
    ) -> Result<Self, FeedError> {
        let failed = |error: reqwest::Error| {
            let store = store.to_owned();
            if error.is_timeout() {
                FeedError::Timeout { store, after: timeout }
            } else {
                FeedError::Unreachable { store, source: Arc::new(error.without_url()) }
            }
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(FeedError::Unauthorized { store: store.to_owned(), status: status.as_u16() });
        }
        Ok(Self { status, body: read(response, most_bytes).await.map_err(failed)? })
    }

    /// Whether it acknowledges a write: 204, or another success without a word. A success with a body comes from
    /// something in between, or reports an error that the status does not.
    pub(crate) fn acknowledges(&self) -> bool {
        self.status.is_success() && self.body.is_empty()
    }

    /// The answer as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether a write by version 1's call was refused because the database does not exist: nothing else there is 404 with
    /// an `error`. Version 2 has `message` instead, a path that nobody serves has neither, and version 3 creates it.
    pub(crate) fn misses_database(&self) -> bool {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        self.status == StatusCode::NOT_FOUND && json.is_some_and(|json| json["error"].is_string())
    }

    /// Whether it is an answer of `InfluxDB` and not of a path that nobody serves.
    pub(crate) fn says_something(&self) -> bool {
        serde_json::from_slice::<serde_json::Value>(&self.body).is_ok_and(|json| json.is_object())
    }

    /// The lines that version 3 refused while it wrote the others, by their number from 1, each with the reason.
    pub(crate) fn refused_lines(&self) -> Option<Vec<(usize, String)>> {
        #[derive(Deserialize)]
        struct Answer {
            data: Vec<Line>,
        }
        #[derive(Deserialize)]
        struct Line {
            line_number: usize,
            #[serde(default)]
            error_message: String,
        }
        let answer: Answer = serde_json::from_slice(&self.body).ok()?;
        Some(answer.data.into_iter().map(|line| (line.line_number, line.error_message)).collect())
    }

    /// Its reason for a refusal.
    pub(crate) fn reason(&self) -> String {
        reason(&self.text())
    }

    /// A refusal as an error, with what made it so where that is known.
    pub(crate) fn into_error(self, store: &str, cause: Option<&str>, secret: Option<&str>) -> FeedError {
        let mut reason = self.reason();
        if let Some(cause) = cause {
            reason = format!("{reason} ({cause})");
        }
        FeedError::Refused {
            store: store.to_owned(),
            status: self.status.as_u16(),
            reason: shortened(&masked(&reason, secret)),
        }
    }
}

async fn read(mut response: Response, most_bytes: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > most_bytes {
            body.truncate(most_bytes);
            break;
        }
    }
    Ok(body)
}

/// Every sentence about an error in an answer; an answer that is no JSON, or was cut, is one sentence.
pub(crate) fn sentences(body: &str) -> Vec<String> {
    let Ok(json @ serde_json::Value::Object(_)) = serde_json::from_str(body) else {
        return vec![body.replace("\\\"", "\"")];
    };
    let list = |field: &str| json[field].as_array().cloned().unwrap_or_default();
    let of_lines = list("data").into_iter().map(|line| line["error_message"].clone());
    let of_statements = list("results").into_iter().map(|result| result["error"].clone());
    let found =
        [json["error"].clone(), json["message"].clone()].into_iter().chain(of_lines).chain(of_statements);
    found.filter_map(|sentence| sentence.as_str().map(str::to_owned)).collect()
}

/// The sentence in an answer: version 1 has it in `error`, or of a statement in `results`; version 2 in `message`; version 3
/// has the one that matters in `data`.
pub(crate) fn reason(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let sentence = |pointer| json.pointer(pointer).and_then(serde_json::Value::as_str);
    match (
        sentence("/error").or(sentence("/results/0/error")).or(sentence("/message")),
        sentence("/data/0/error_message"),
    ) {
        (Some(error), Some(detail)) => format!("{error}: {detail}"),
        (Some(sentence), None) | (None, Some(sentence)) => sentence.to_owned(),
        (None, None) if body.trim().is_empty() => "no reason given".to_owned(),
        (None, None) => body.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_sentence_in_the_answer() {
        assert_eq!(reason(r#"{"error":"timeout"}"#), "timeout");
        assert_eq!(reason(r#"{"results":[{"statement_id":0,"error":"invalid name"}]}"#), "invalid name");
        assert_eq!(
            reason(r#"{"error":"partial write","data":[{"error_message":"invalid column type"}]}"#),
            "partial write: invalid column type"
        );
        assert_eq!(reason("<h1>Bad gateway</h1>"), "<h1>Bad gateway</h1>");
        assert_eq!(reason(" "), "no reason given");
    }
}
