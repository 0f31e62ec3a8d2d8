//! The way in for agents that dial in: a WebSocket, over which this dashboard calls them.

use axum::extract::Request;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hyper_util::rt::TokioIo;
use memdeck_agent::{DialedBy, INSTANCE, WebSocketRole, accept_key, over_websocket};

use super::access::{Caller, DialingIn};
use super::answer::RestError;

const VERSION: &str = "13";
/// The longest name of an instance that is believed.
const MAX_INSTANCE_BYTES: usize = 64;

pub fn routes() -> Router {
    Router::new().route("/api/agents/dial", get(dial))
}

async fn dial(
    Extension(DialingIn(line)): Extension<DialingIn>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Response {
    let Some(key) = websocket_key(request.headers()) else {
        let detail = "an agent that dials in opens a WebSocket here, by HTTP/1.1; a proxy on the way has to pass on Upgrade and \
                      Connection";
        let mut response = RestError::new(StatusCode::UPGRADE_REQUIRED, detail).into_response();
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    if !line.admit() {
        let detail = "another connection was opened with this token a moment ago";
        return RestError::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
    }
    let by = DialedBy { address: caller.address, instance: instance(request.headers()) };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                let stream = over_websocket(TokioIo::new(upgraded), WebSocketRole::Server).await;
                line.keep(stream, by).await;
            }
            Err(error) => tracing::debug!(address = %by.address, %error, "an agent that dialed in was gone"),
        }
    });
    let agreed = [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, key),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, agreed).into_response()
}

/// What is answered to a request for a WebSocket; `None` if it is none.
fn websocket_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name: &HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
    };
    let asks =
        has(&CONNECTION, "upgrade") && has(&UPGRADE, "websocket") && has(&SEC_WEBSOCKET_VERSION, VERSION);
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| asks)?;
    HeaderValue::from_str(&accept_key(key.as_bytes())).ok()
}

/// What tells the process of the agent from others, as it says.
fn instance(headers: &HeaderMap) -> Option<String> {
    let said = headers.get(INSTANCE)?.to_str().ok()?;
    let fits = !said.is_empty() && said.len() <= MAX_INSTANCE_BYTES;
    fits.then(|| said.to_owned())
}
