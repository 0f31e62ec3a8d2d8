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
use futures_util::stream::{self, Stream, StreamExt};
use memdeck_model::telemetry::Watch;
use memdeck_model::{Event, Guest, Problem, ProblemKind};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::IntoParams;

use super::DashboardState;
use super::access::{Standing, Who};
use super::answer::{RestError, UrlQuery};
use memdeck_operations::{Caller, Heard, Listener, Live, OpenSession, Position};

/// Between two signs of life. An event, not a comment: `EventSource` does not show comments to the page.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Between two looks whether the operator is still signed in. An open page uses its session.
const SESSION_CHECK_INTERVAL: Duration = Duration::from_secs(15);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Resume {
    /// The id of the last event that was received: what came after it is sent. The header `Last-Event-ID` says the same.
    last_event_id: Option<String>,
    /// What live values of guests are sent, once a second: `all` (each guest in short, as `summaries`; of several hosts, those of each
    /// by themselves), UUIDs of guests (everything about each, as `sample`; of several hosts, `host/UUID`), or both, separated by
    /// commas. None if it is not given.
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
    Extension(who): Extension<Who>,
    UrlQuery(resume): UrlQuery<Resume>,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let watch = resume.watch.as_deref().unwrap_or_default().parse::<Watch>();
    let watch = watch.map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))?;
    // The header is what the browser's own reconnection sends, so it is newer than the address it was given.
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let told: Option<Position> =
        header.or(resume.last_event_id.as_deref()).and_then(|position| position.parse().ok());
    let connection = Connection::new(state, standing, &who, told, watch);
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
    /// What is measured of what the page watches.
    live: Option<Live>,
    closing: watch::Receiver<bool>,
    session: Option<OpenSession>,
    session_check: Interval,
    caller: Caller,
    /// Hears when somebody may see other guests than before: whoever is known comes back as who they are then. `None` where that
    /// cannot change.
    regrouped: Option<watch::Receiver<()>>,
    /// What somebody who does not see all guests was told last of what has one present state: a change of what they do not see is
    /// no news to them.
    shown: Vec<Event>,
}

/// Why a connection that waited goes on.
enum Woken {
    Heard(Heard),
    Measured(Vec<Event>),
    SessionCheck,
}

/// What is sent next.
enum Next {
    Start { resumed: bool },
    Present,
    Changes,
}

impl Connection {
    fn new(
        state: DashboardState,
        standing: Standing,
        who: &Who,
        told: Option<Position>,
        watch: Watch,
    ) -> Self {
        let caller = who.on_page();
        // Positions count what happens to all guests: they are not told to who does not see all.
        let told = told.filter(|_| !caller.reach.is_limited());
        // Listens before the present state is taken: a change in between is sent twice rather than never.
        let (listener, resumed) = state.operations.feed().listen(told);
        let regrouped = who.identity.is_some().then(|| state.accounts.regrouped());
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
        let live = (!watch.is_empty()).then(|| state.operations.live(watch));
        let next = Next::Start { resumed };
        let shown = Vec::new();
        Self { state, listener, next, live, closing, session, session_check, caller, regrouped, shown }
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
        // Asked at the end: what waited for its turn while the session ended, or the caller's guests became others, is not sent
        // any more.
        let is_same = self.regrouped.as_ref().is_none_or(|changes| !changes.has_changed().unwrap_or(true));
        let is_open = self.session.as_ref().is_none_or(OpenSession::is_open);
        (is_same && is_open).then_some((events, self))
    }

    async fn changes(&mut self) -> Option<Vec<Sse>> {
        loop {
            let woken = tokio::select! {
                heard = self.listener.next() => Woken::Heard(heard),
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = ended(self.session.as_mut()) => return None,
                () = regrouped(self.regrouped.as_mut()) => return None,
                events = measured(self.live.as_mut()) => Woken::Measured(events),
                _ = self.session_check.tick() => Woken::SessionCheck,
            };
            match woken {
                Woken::Heard(Heard::Events(events)) => {
                    let mut told = Vec::new();
                    for (position, event) in &events {
                        told.extend(self.told(event, Some(*position)).await);
                    }
                    if !told.is_empty() {
                        return Some(told);
                    }
                }
                // A page that reads slowly, or a loss between the parts: send the present state.
                Woken::Heard(Heard::Lost) => return Some(self.present().await),
                Woken::Measured(events) => {
                    // Live values have no ids: they are not kept.
                    let mut told = Vec::new();
                    for event in &events {
                        told.extend(self.told(event, None).await);
                    }
                    return Some(told);
                }
                Woken::SessionCheck if self.session.as_ref().is_none_or(OpenSession::is_open) => {}
                Woken::SessionCheck => return None,
            }
        }
    }

    /// An event as the caller may hear it; nothing, if nothing of it is for them.
    async fn told(&mut self, event: &Event, position: Option<Position>) -> Option<Sse> {
        if !self.caller.reach.is_limited() {
            return Some(told(event, position));
        }
        let event = self.state.operations.event_for(event, &self.caller).await?;
        (!self.was_shown(&event)).then(|| told(&event, None))
    }

    /// Whether an event says what the last one of its kind said, where only the newest of a kind counts. It is the last one from
    /// now on.
    fn was_shown(&mut self, event: &Event) -> bool {
        let present = match event {
            Event::Guests(guests) => {
                // That the time of a running guest goes on is no news.
                let timeless = |guest: &Guest| Guest { cpu_time_ns: 0, ..guest.clone() };
                Event::Guests(guests.iter().map(timeless).collect())
            }
            Event::Service(_) | Event::Hypervisor(_) | Event::Storage(_) => event.clone(),
            _ => return false,
        };
        if self.shown.contains(&present) {
            return true;
        }
        self.shown.retain(|known| known.kind() != present.kind());
        self.shown.push(present);
        false
    }

    /// Only the last one has an id: a page that heard half of it must hear it all again.
    async fn present(&mut self) -> Vec<Sse> {
        let position = self.listener.position();
        let events = self.state.operations.present_state(&self.caller).await;
        if self.caller.reach.is_limited() {
            self.shown.clear();
            for event in &events {
                self.was_shown(event);
            }
            return events.iter().map(|event| told(event, None)).collect();
        }
        let last = events.len().saturating_sub(1);
        let numbered = events.iter().enumerate();
        numbered.map(|(index, event)| told(event, (index == last).then_some(position))).collect()
    }
}

/// Waits for what is measured next of what is watched.
async fn measured(live: Option<&mut Live>) -> Vec<Event> {
    match live {
        Some(live) => live.next().await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a session, if there is one.
async fn ended(session: Option<&mut OpenSession>) {
    match session {
        Some(session) => session.ended().await,
        None => std::future::pending().await,
    }
}

/// Waits until somebody may see other guests than before.
async fn regrouped(changes: Option<&mut watch::Receiver<()>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
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
