//! Server-sent events to open pages: what a page missed, or else the present state, and then every change.
//!
//! The first event, `start`, says which of the two comes. The id of an event is the page's position in the stream: a
//! page that comes back with it (as the header `Last-Event-ID`, or in the query, which a page of ours sends that makes
//! its connections anew by itself) receives what happened since.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response, Sse as SseResponse};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use memdeck_model::telemetry::Watch;
use memdeck_model::{Event, Problem, ProblemKind};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;

use super::DashboardState;
use super::access::Standing;
use super::answer::{RestError, UrlQuery};
use memdeck_operations::{Heard, Listener, OpenSession, Position};

/// Between two signs of life. An event, not a comment: `EventSource` does not show comments to the page.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Between two looks whether the operator is still signed in. An open page uses its session.
const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Resume {
    /// The id of the last event that was received: what came after it is sent. The header `Last-Event-ID` says the same.
    last_event_id: Option<String>,
    /// What live values of guests are sent, once a second: `all` (each guest in short, as `summaries`), UUIDs of guests
    /// (everything about each, as `sample`), or both, separated by commas. None if it is not given.
    #[param(example = "all")]
    watch: Option<String>,
}

/// Server-sent events: `start`, then what was missed or the present state, then every change as `dump`, `record`,
/// `verification`, `guests`, `service`, `hypervisor`, `storage` or `import`, and a `ping` every 15 s. With `watch`, live
/// values of guests as `sample` and `summaries`, which are not kept.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "events",
    params(Resume),
    responses((status = 200, description = "A stream without end", body = String, content_type = "text/event-stream"))
)]
pub async fn stream(
    State(state): State<DashboardState>,
    Extension(standing): Extension<Standing>,
    UrlQuery(resume): UrlQuery<Resume>,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let watch = resume.watch.as_deref().unwrap_or_default().parse::<Watch>();
    let watch = watch.map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    // The header is what the browser's own reconnection sends, so it is newer than the address it was given.
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let told: Option<Position> =
        header.or(resume.last_event_id.as_deref()).and_then(|position| position.parse().ok());
    let connection = Connection::new(state, standing, told, watch);
    let ping =
        KeepAlive::new().interval(PING_INTERVAL).event(Sse::default().event(Event::KEEP_ALIVE).data("{}"));
    let mut response = SseResponse::new(connection.events()).keep_alive(ping).into_response();
    // A reverse proxy that collects a response before it passes it on would make live events late.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Connection {
    state: DashboardState,
    listener: Listener,
    next: Next,
    watch: Watch,
    collections: Option<BoxStream<'static, ()>>,
    closing: watch::Receiver<bool>,
    session: Option<OpenSession>,
    session_check: Interval,
}

/// Why a connection that waited goes on.
enum Woken {
    Heard(Heard),
    Collected,
    SessionCheck,
}

/// What is sent next.
enum Next {
    Start { resumed: bool },
    Present,
    Changes,
}

impl Connection {
    fn new(state: DashboardState, standing: Standing, told: Option<Position>, watch: Watch) -> Self {
        // Listens before the present state is taken: a change in between is sent twice rather than never.
        let (listener, resumed) = state.operations.feed().listen(told);
        let session = match standing {
            Standing::SignedIn(session, _) => Some(session),
            Standing::Open
            | Standing::Local
            | Standing::Bearer
            | Standing::Metrics
            | Standing::Token(_)
            | Standing::Vouched(_)
            | Standing::NotAdmitted(_)
            | Standing::Stranger => None,
        };
        let mut session_check = interval(SESSION_CHECK_INTERVAL);
        session_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let closing = state.closing.clone();
        let telemetry = state.operations.telemetry().ok().filter(|_| !watch.is_empty());
        let collections = telemetry.map(|telemetry| telemetry.collections());
        let next = Next::Start { resumed };
        Self { state, listener, next, watch, collections, closing, session, session_check }
    }

    fn events(self) -> impl Stream<Item = Result<Sse, Infallible>> {
        stream::unfold(self, Self::step).flat_map(|events| stream::iter(events.into_iter().map(Ok)))
    }

    /// The next events; none ends the stream.
    async fn step(mut self) -> Option<(Vec<Sse>, Self)> {
        let events = match self.next {
            Next::Start { resumed } => {
                self.next = if resumed { Next::Changes } else { Next::Present };
                vec![Sse::default().event(Event::START).data(format!("{{\"resumed\":{resumed}}}"))]
            }
            Next::Present => {
                self.next = Next::Changes;
                self.present().await
            }
            Next::Changes => self.changes().await?,
        };
        // Asked at the end: what waited for its turn while the session ended is not sent any more.
        self.session.as_ref().is_none_or(OpenSession::is_open).then_some((events, self))
    }

    async fn changes(&mut self) -> Option<Vec<Sse>> {
        loop {
            let woken = tokio::select! {
                heard = self.listener.next() => Woken::Heard(heard),
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = ended(self.session.as_mut()) => return None,
                () = collected(self.collections.as_mut()) => Woken::Collected,
                _ = self.session_check.tick() => Woken::SessionCheck,
            };
            match woken {
                Woken::Heard(Heard::Events(events)) => {
                    let told = events.iter().map(|(position, event)| told(event, Some(*position)));
                    return Some(told.collect());
                }
                // A page that reads slowly, or a loss between the parts: send the present state.
                Woken::Heard(Heard::Lost) => return Some(self.present().await),
                Woken::Collected => return Some(self.live()),
                Woken::SessionCheck if self.session.as_ref().is_none_or(OpenSession::is_open) => {}
                Woken::SessionCheck => return None,
            }
        }
    }

    /// The live values that the page watches, without ids: they are not kept.
    fn live(&self) -> Vec<Sse> {
        let Ok(telemetry) = self.state.operations.telemetry() else { return Vec::new() };
        let summaries = self.watch.all.then(|| Event::Summaries(telemetry.summaries()));
        let watched = self.watch.guests.iter().filter_map(|uuid| telemetry.live(uuid));
        let samples = watched.map(|sample| Event::Sample(Box::new(sample)));
        summaries.into_iter().chain(samples).map(|event| told(&event, None)).collect()
    }

    /// Only the last one has an id: a page that heard half of it must hear it all again.
    async fn present(&mut self) -> Vec<Sse> {
        let position = self.listener.position();
        let events = self.state.operations.present_state().await;
        let last = events.len().saturating_sub(1);
        let numbered = events.iter().enumerate();
        numbered.map(|(index, event)| told(event, (index == last).then_some(position))).collect()
    }
}

/// Waits for the next collection, where guests are measured.
async fn collected(collections: Option<&mut BoxStream<'static, ()>>) {
    if let Some(collections) = collections
        && collections.next().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Waits for the end of a session, if there is one.
async fn ended(session: Option<&mut OpenSession>) {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}

fn told(event: &Event, position: Option<Position>) -> Sse {
    let data = match event {
        Event::Dump(status) => serde_json::to_string(status),
        Event::Record(record) => serde_json::to_string(record),
        Event::Verification(verification) => serde_json::to_string(verification),
        Event::Guests(guests) => serde_json::to_string(guests),
        Event::Hosts(hosts) => serde_json::to_string(hosts),
        Event::Service(health) => serde_json::to_string(health),
        Event::Hypervisor(error) | Event::Storage(error) => serde_json::to_string(error),
        Event::Import(import) => serde_json::to_string(import),
        Event::Sample(sample) => serde_json::to_string(sample),
        Event::Summaries(summaries) => serde_json::to_string(summaries),
    };
    let data = data.unwrap_or_else(|error| {
        tracing::error!(kind = event.kind(), %error, "an event cannot be written as JSON");
        "null".to_owned()
    });
    let sse = Sse::default().event(event.kind()).data(data);
    match position {
        Some(position) => sse.id(position.to_string()),
        None => sse,
    }
}
