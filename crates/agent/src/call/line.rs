//! The way to an agent that dials in: the connection that it keeps to this dashboard, over which it is called by HTTP/2.
//!
//! ```text
//! away ──► there ──► away        the connection ended, or this side hung up
//!            └─────► there       another connection with the same token took its place
//! ```

mod body;

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::http::uri::PathAndQuery;
use hyper::http::{Uri, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use memdeck_clock::{Clock as _, SystemClock};
use memdeck_model::{Message, Timestamp};
use parking_lot::Mutex;
use reqwest::{Body, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::body::InTime;
use super::{CallError, LATE, Limit, innermost, no_answer};

/// After so long without a word an agent is asked for a sign of life, and after so long without an answer it is gone, whatever else
/// it sends.
const PING_INTERVAL: Duration = Duration::from_secs(3);
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// What an agent may have sent that nobody has read yet: of one answer, and of all of them.
const ANSWER_WINDOW_BYTES: u32 = 4 << 20;
const WINDOW_BYTES: u32 = 16 << 20;
/// The longest frame, and the longest head of an answer.
const MAX_FRAME_BYTES: u32 = 64 << 10;
const MAX_HEAD_BYTES: u32 = 32 << 10;
/// Between two connections that one token opens.
const ADMISSION_INTERVAL: Duration = Duration::from_millis(500);
/// How long answers that are on their way have when an agent says that it ends.
const LINGER: Duration = Duration::from_secs(5);
/// How long it is remembered that an agent took the place of another one, and of how many.
const TAKEOVER_KEPT: Duration = Duration::from_mins(1);
const TAKEOVERS_KEPT: usize = 16;
/// So many within that time are two agents, each of which comes back. One is an agent that moved.
const TAKEOVERS_OF_TWO: usize = 2;

/// Who opened a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialedBy {
    /// Where it comes from.
    pub address: IpAddr,
    /// Tells one process of an agent from another, as it says itself; `None` where it does not.
    pub instance: Option<String>,
}

impl DialedBy {
    fn is_another(&self, than: &Self) -> bool {
        self.instance.is_none() || self.instance != than.instance
    }
}

/// The way to one agent that dials in.
pub struct Line {
    service: String,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    present: Option<Present>,
    /// How many connections there were.
    count: u64,
    admitted_at: Option<Instant>,
    /// When the last connection ended.
    left_at: Option<Timestamp>,
    takeovers: VecDeque<Takeover>,
}

/// The connection that calls go over.
struct Present {
    number: u64,
    calls: SendRequest<Body>,
    by: DialedBy,
    /// The connection ends when this is dropped.
    end: watch::Sender<()>,
}

/// An agent took the place of another one.
struct Takeover {
    at: Instant,
    addresses: [IpAddr; 2],
}

impl Line {
    /// To `service`, which has not dialed in.
    pub fn to(service: &str) -> Self {
        Self { service: service.to_owned(), state: Mutex::default(), changed: Notify::new() }
    }

    /// Whether another connection may be opened now: who has the token and a fault in a loop is not to fill the log.
    pub fn admit(&self) -> bool {
        let mut state = self.state.lock();
        if state.admitted_at.is_some_and(|at| at.elapsed() < ADMISSION_INTERVAL) {
            return false;
        }
        state.admitted_at = Some(Instant::now());
        true
    }

    /// Calls the agent over `stream` from now on, instead of over any other connection, until it ends.
    pub async fn keep<S>(&self, stream: S, by: DialedBy)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (end, mut ended) = watch::channel(());
        let (service, address) = (&self.service, by.address);
        let opened = builder(Tasks(ended.clone())).handshake(TokioIo::new(stream)).await;
        let (calls, connection) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                tracing::warn!(service, %address, reason = innermost(&error), "an agent dialed in and was gone");
                return;
            }
        };
        let number = self.take(calls, &by, end);
        tokio::select! {
            _ = connection => {}
            _ = ended.changed() => return,
        }
        let Some(Present { calls, end: _end, .. }) = self.leave(number) else { return };
        tracing::info!(service, %address, "the connection of an agent that dials in has ended");
        drop(calls);
        tokio::time::sleep(LINGER).await;
    }

    /// Ends the connection, if there is one.
    pub fn hang_up(&self) {
        let number = self.state.lock().present.as_ref().map(|present| present.number);
        drop(number.and_then(|number| self.leave(number)));
    }

    /// Waits until the agent has come or gone.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// That several agents take each other's place, while they do.
    pub(crate) fn notice(&self) -> Option<Message> {
        let mut state = self.state.lock();
        state.takeovers.retain(|takeover| takeover.at.elapsed() < TAKEOVER_KEPT);
        if state.takeovers.len() < TAKEOVERS_OF_TWO {
            return None;
        }
        let mut addresses: Vec<IpAddr> =
            state.takeovers.iter().flat_map(|takeover| takeover.addresses).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        Some(Message::new(format_args!(
            "several agents dial in with its token and take each other's place, from {}: give each of them a host and a \
             token of its own",
            addresses.join(" and ")
        )))
    }

    /// Sends a request over the connection; the head of the answer.
    pub(crate) async fn send(&self, request: reqwest::Request, limit: Limit) -> Result<Response, CallError> {
        let request = as_http2(request)?;
        let present = self.state.lock().present.as_ref().map(|present| present.calls.clone());
        let mut calls = present.ok_or_else(|| CallError::NoAnswer(self.absence()))?;
        let (Limit::Whole(longest) | Limit::Part(longest)) = limit;
        let begun = tokio::time::Instant::now();
        let answer = timeout(longest, calls.send_request(request)).await;
        let answer = answer.map_err(|_| CallError::NoAnswer(LATE.to_owned()))?;
        let answer = answer.map_err(|error| {
            let reason = innermost(&error);
            // Whoever was not asked has begun nothing.
            if error.is_canceled() { CallError::NoAnswer(reason) } else { CallError::Broken(reason) }
        })?;
        Ok(Response::from(answer.map(|body| Body::wrap(InTime::new(body, limit, begun)))))
    }

    /// Why there is no connection.
    fn absence(&self) -> String {
        match self.state.lock().left_at {
            Some(at) => format!("it has not dialed in since {at}"),
            None => "it has never dialed in since this dashboard was started".to_owned(),
        }
    }

    fn take(&self, calls: SendRequest<Body>, by: &DialedBy, end: watch::Sender<()>) -> u64 {
        let (service, address) = (&self.service, by.address);
        let mut state = self.state.lock();
        state.count += 1;
        let number = state.count;
        let before = state.present.replace(Present { number, calls, by: by.clone(), end });
        match before.map(|before| before.by).filter(|before| by.is_another(before)) {
            None => tracing::info!(service, %address, "an agent dialed in"),
            Some(before) => {
                tracing::warn!(
                    service, %address, before = %before.address,
                    "an agent dialed in and took the place of another one with the same token"
                );
                let addresses = [before.address, address];
                state.takeovers.push_back(Takeover { at: Instant::now(), addresses });
                let too_many = state.takeovers.len().saturating_sub(TAKEOVERS_KEPT);
                state.takeovers.drain(..too_many);
            }
        }
        drop(state);
        self.changed.notify_one();
        number
    }

    /// The connection of this number, which nothing is called over any more.
    fn leave(&self, number: u64) -> Option<Present> {
        let mut state = self.state.lock();
        let left = state.present.take_if(|present| present.number == number)?;
        state.left_at = Some(SystemClock::default().now());
        drop(state);
        self.changed.notify_one();
        Some(left)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("service", &self.service).finish_non_exhaustive()
    }
}

/// What a connection does beside answering, until it has to end.
#[derive(Clone)]
struct Tasks(watch::Receiver<()>);

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let mut ended = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = task => {}
                _ = ended.changed() => {}
            }
        });
    }
}

fn builder(tasks: Tasks) -> Builder<Tasks> {
    let mut builder = Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(ANSWER_WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .max_header_list_size(MAX_HEAD_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE)
        .keep_alive_while_idle(true);
    builder
}

/// An agent that is called over its own connection has no name to be called by.
fn as_http2(request: reqwest::Request) -> Result<hyper::Request<Body>, CallError> {
    let mut request = hyper::Request::<Body>::try_from(request).map_err(|error| no_answer(&error))?;
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let uri = Uri::builder().scheme("http").authority("localhost").path_and_query(path).build();
    *request.uri_mut() = uri.map_err(|error| CallError::NoAnswer(error.to_string()))?;
    *request.version_mut() = Version::HTTP_2;
    Ok(request)
}

#[cfg(test)]
mod tests;
