//! Calls and answers as text to compare, with what differs from run to run named instead of shown.

use std::fmt::Write as _;

use axum::Router;
use serde_json::Value;

use super::{TestApp, answer, get, post};

/// A conversation with one service.
pub struct Transcript<'a> {
    app: &'a TestApp,
    router: &'a Router,
    text: String,
    dump_ids: Vec<String>,
}

impl<'a> Transcript<'a> {
    pub fn with_dashboard(app: &'a TestApp) -> Self {
        Self { app, router: &app.dashboard, text: String::new(), dump_ids: Vec::new() }
    }

    pub fn with_agent(app: &'a TestApp) -> Self {
        Self { app, router: &app.agent, text: String::new(), dump_ids: Vec::new() }
    }

    pub async fn get(&mut self, path: &str) {
        let answered = answer(self.router, get(path)).await;
        self.note(&format!("GET {path}"), answered);
    }

    pub async fn post(&mut self, path: &str, body: &str) {
        let answered = answer(self.router, post(path, body)).await;
        self.note(&format!("POST {path} {body}"), answered);
    }

    fn note(&mut self, call: &str, (status, mut body): (axum::http::StatusCode, Value)) {
        self.name(None, &mut body);
        let body = serde_json::to_string_pretty(&body).unwrap();
        writeln!(self.text, "> {call}\n{}\n{body}\n", status.as_u16()).unwrap();
    }

    /// Replaces what no run repeats: ids and hashes of them, temporary directories, file times and sizes that depend on the codec.
    fn name(&mut self, key: Option<&str>, value: &mut Value) {
        match value {
            Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| self.name(Some(key), value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.name(None, item)),
            Value::String(text) => {
                if key == Some("dump_id") && !self.dump_ids.contains(text) {
                    self.dump_ids.push(text.clone());
                }
                if key == Some("manifest_sha256") {
                    *value = "<sha256>".into();
                    return;
                }
                *text = text.replace(&self.app.dir.path().display().to_string(), "<state>");
                for (index, id) in self.dump_ids.iter().enumerate() {
                    *text = text.replace(id, &format!("<dump {}>", index + 1));
                }
                if let Some((before, after)) = text.clone().split_once("stored as ")
                    && let Some((_size, after)) = after.split_once(';')
                {
                    *text = format!("{before}stored as <size>;{after}");
                }
            }
            Value::Number(number) => match key {
                Some("ctime" | "mtime" | "atime") if number.is_i64() => *value = "<unix seconds>".into(),
                // How far a dump is that somebody reads in another thread.
                Some("bytes_done" | "bytes_expected") => *value = "<bytes>".into(),
                Some("gzip_size_bytes" | "total_size_bytes") if number.as_u64() > Some(0) => {
                    *value = "<bytes>".into();
                }
                _ => {}
            },
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// What was said.
    pub fn text(self) -> String {
        self.text
    }
}
