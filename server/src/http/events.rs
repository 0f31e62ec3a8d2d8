//! Server-sent events to open pages: first the present state, then every change.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response, Sse as SseResponse};
use futures_util::stream::{self, Stream, StreamExt};
use memdeck_model::Event;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::DashboardState;
use crate::desk::Numbered;

/// Between two signs of life. An event, not a comment: `EventSource` does not show comments to the page.
const PING_INTERVAL: Duration = Duration::from_secs(15);

pub async fn stream(State(state): State<DashboardState>) -> Response {
    let ping = KeepAlive::new().interval(PING_INTERVAL).event(Sse::default().event("ping").data("{}"));
    let mut response = SseResponse::new(changes(state)).keep_alive(ping).into_response();
    // A reverse proxy that collects a response before it passes it on would make live events late.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    response
}

struct Listening {
    state: DashboardState,
    receiver: broadcast::Receiver<Numbered>,
    closing: watch::Receiver<bool>,
}

fn changes(state: DashboardState) -> impl Stream<Item = Result<Sse, Infallible>> {
    // Listen before the present state is taken: a change in between is told twice rather than never.
    let receiver = state.desk.live().subscribe();
    let closing = state.closing.clone();
    let present = {
        let state = state.clone();
        stream::once(async move { present(&state).await })
    };
    let later = stream::unfold(Listening { state, receiver, closing }, next);
    present.chain(later).flat_map(|events| stream::iter(events.into_iter().map(Ok)))
}

/// The next events; none ends the stream.
async fn next(mut listening: Listening) -> Option<(Vec<Sse>, Listening)> {
    let received = tokio::select! {
        received = listening.receiver.recv() => received,
        _ = listening.closing.wait_for(|closing| *closing) => return None,
    };
    let events = match received {
        Ok(Numbered { id, event: Some(event) }) => vec![told(&event, Some(id))],
        // Something was lost between the parts or to a slow page: tell where things stand.
        Ok(Numbered { event: None, .. }) | Err(RecvError::Lagged(_)) => present(&listening.state).await,
        Err(RecvError::Closed) => return None,
    };
    Some((events, listening))
}

async fn present(state: &DashboardState) -> Vec<Sse> {
    state.desk.present_state().await.iter().map(|event| told(event, None)).collect()
}

fn told(event: &Event, id: Option<u64>) -> Sse {
    let data = match event {
        Event::Dump(status) => serde_json::to_string(status),
        Event::Record(record) => serde_json::to_string(record),
        Event::Guests(guests) => serde_json::to_string(guests),
        Event::Service(health) => serde_json::to_string(health),
        Event::Hypervisor(error) => serde_json::to_string(error),
    };
    let data = data.unwrap_or_else(|error| {
        tracing::error!(kind = event.kind(), %error, "an event cannot be written as JSON");
        "null".to_owned()
    });
    let sse = Sse::default().event(event.kind()).data(data);
    match id {
        Some(id) => sse.id(id.to_string()),
        None => sse,
    }
}
