//! A request to a service, whichever way leads there.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};
use serde::Serialize;

use super::{CallError, Line, no_answer};

/// How long an answer may take that comes over a line. Elsewhere the client of the request limits it.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// All of it.
    Whole(Duration),
    /// Its head, and whatever is between two parts of it.
    Part(Duration),
}

/// A request that is being put together.
pub struct Request {
    request: RequestBuilder,
    line: Option<(Arc<Line>, Limit)>,
}

impl Request {
    /// Over `line`, if the service is one that dials in.
    pub fn new(request: RequestBuilder, line: Option<(Arc<Line>, Limit)>) -> Self {
        Self { request, line }
    }

    fn map(self, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Self {
        Self { request: change(self.request), ..self }
    }

    pub fn query(self, query: &(impl Serialize + ?Sized)) -> Self {
        self.map(|request| request.query(query))
    }

    pub fn json(self, body: &(impl Serialize + ?Sized)) -> Self {
        self.map(|request| request.json(body))
    }

    pub fn header(self, name: &'static str, value: &str) -> Self {
        self.map(|request| request.header(name, value))
    }

    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|request| request.headers(headers))
    }

    /// Sends it; the head of the answer.
    pub async fn send(self) -> Result<Response, CallError> {
        match self.line {
            None => self.request.send().await.map_err(|error| no_answer(&error)),
            Some((line, limit)) => {
                let request = self.request.build().map_err(|error| no_answer(&error))?;
                line.send(request, limit).await
            }
        }
    }
}
