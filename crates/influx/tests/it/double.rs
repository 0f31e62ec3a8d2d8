//! A contract double: answers `/write` and `/query` as a test lays down. It stands in for `InfluxDB` 3, which has no
//! package to install (its refusals are quoted from a measured 3.9), and for proxies and failures in between.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// One call that was received.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub body: String,
}

/// What it answers to the next call of a path.
#[derive(Clone, Debug)]
pub enum Answer {
    With(u16, String),
    /// 307 to another path of the double.
    RedirectTo(&'static str),
    /// No answer, for as long as the client waits.
    Never,
}

#[derive(Default)]
struct Script {
    writes: VecDeque<Answer>,
    queries: VecDeque<Answer>,
    otherwise: Option<Answer>,
    calls: Vec<Call>,
}

/// A listening double. Calls beyond the script get 204 (`/write`) and an empty result (`/query`).
pub struct Double {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

impl Double {
    pub async fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, script }
    }

    pub fn on_write(&self, answer: Answer) {
        self.script.lock().unwrap().writes.push_back(answer);
    }

    /// What it answers to every write that the script does not answer.
    pub fn on_every_write(&self, answer: Answer) {
        self.script.lock().unwrap().otherwise = Some(answer);
    }

    pub fn on_query(&self, answer: Answer) {
        self.script.lock().unwrap().queries.push_back(answer);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.script.lock().unwrap().calls.clone()
    }

    /// The bodies that were written.
    pub fn lines(&self) -> Vec<String> {
        self.calls()
            .into_iter()
            .filter(|call| call.path.ends_with("/write") || call.path.ends_with("/write_lp"))
            .map(|call| call.body)
            .collect()
    }
}

pub fn with(status: u16, body: &str) -> Answer {
    Answer::With(status, body.to_owned())
}

/// `InfluxDB` 3's answer to `SHOW FIELD KEYS`.
pub fn field_keys(types: &[(&str, &str)]) -> Answer {
    let values: Vec<_> = types.iter().map(|(name, word)| serde_json::json!([name, word])).collect();
    let series =
        serde_json::json!([{"name": "mem_dumps", "columns": ["fieldKey", "fieldType"], "values": values}]);
    with(200, &serde_json::json!({"results": [{"statement_id": 0, "series": series}]}).to_string())
}

/// `InfluxDB` 3's refusal of a column's type.
pub fn invalid_column_type(field: &str, expected: &str, got: &str) -> Answer {
    let message = format!(
        "invalid column type for column '{field}', expected iox::column_type::field::{expected}, \
         got iox::column_type::field::{got}"
    );
    let data = serde_json::json!([{"original_line": "mem_dumps,dom=web-01 ", "line_number": 1, "error_message": message}]);
    with(
        400,
        &serde_json::json!({"error": "partial write of line protocol occurred", "data": data}).to_string(),
    )
}

async fn answer(
    State(script): State<Arc<Mutex<Script>>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    let next = {
        let mut script = script.lock().unwrap();
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let body = String::from_utf8(body.to_vec()).unwrap();
        script.calls.push(Call {
            method,
            path: path.clone(),
            query: query.unwrap_or_default(),
            authorization,
            body,
        });
        if path.ends_with("/query") {
            script.queries.pop_front().unwrap_or_else(|| with(200, r#"{"results":[{"statement_id":0}]}"#))
        } else {
            let otherwise = script.otherwise.clone().unwrap_or_else(|| with(204, ""));
            script.writes.pop_front().unwrap_or(otherwise)
        }
    };
    match next {
        Answer::With(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Answer::RedirectTo(path) => (StatusCode::TEMPORARY_REDIRECT, [("location", path)]).into_response(),
        Answer::Never => std::future::pending().await,
    }
}
