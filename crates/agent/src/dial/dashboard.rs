//! The dashboard that an agent dials.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{ByteStream, INSTANCE, PATH, accept_key, over_websocket};
use crate::call::{CallError, LATE, bounded_body, detail_of, no_answer};
use crate::client::{ServiceAddress, client_builder, trusting};

/// How long it may take to reach it, and until it has agreed to the connection.
const CONNECT_LIMIT: Duration = Duration::from_millis(2500);
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// A dashboard as an agent calls it.
pub struct DashboardClient {
    http: reqwest::Client,
    address: ServiceAddress,
}

/// A connection over which a dashboard calls.
pub struct Dialed {
    pub stream: Box<dyn ByteStream>,
    /// The other end of it: the dashboard, or what it is behind.
    pub dashboard: Option<SocketAddr>,
}

/// What a dashboard says of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// It is the one of a host that dials in.
    Right,
    /// What answers knows no agents that dial in.
    Unknown(StatusCode),
}

impl DashboardClient {
    /// The dashboard at `address`, which is sent the token.
    ///
    /// # Errors
    /// The TLS library cannot be set up, or the certificates of the issuers cannot be read.
    pub fn new(address: &ServiceAddress) -> Result<Self, reqwest::Error> {
        let issuers = address.ca.as_deref().map(reqwest::Certificate::from_pem_bundle).transpose()?;
        let builder = trusting(client_builder(address), &address.url, issuers.as_deref());
        // A connection of HTTP/2 cannot become another one.
        let builder = builder.http1_only().connect_timeout(CONNECT_LIMIT);
        Ok(Self { http: builder.build()?, address: address.clone() })
    }

    /// Where it is.
    pub fn url(&self) -> &Url {
        &self.address.url
    }

    /// Opens a connection over which it calls, for this process, which `instance` tells from others.
    ///
    /// # Errors
    /// It does not answer, does not want this agent, or is none.
    pub async fn dial(&self, instance: &str) -> Result<Dialed, CallError> {
        timeout(DIAL_LIMIT, self.open(instance)).await.map_err(|_| CallError::NoAnswer(LATE.to_owned()))?
    }

    async fn open(&self, instance: &str) -> Result<Dialed, CallError> {
        let key = generate_key();
        let request = self
            .request()
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key)
            .header(HeaderName::from_static(INSTANCE), instance);
        let response = request.send().await.map_err(|error| no_answer(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(response).await);
        }
        let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accepted| accepted.as_bytes() != accept_key(key.as_bytes()).as_bytes()) {
            return Err(CallError::Unreadable("its WebSocket is not for this agent".to_owned()));
        }
        let dashboard = response.remote_addr();
        let upgraded = response.upgrade().await.map_err(|error| no_answer(&error))?;
        Ok(Dialed { stream: over_websocket(upgraded, Role::Client).await, dashboard })
    }

    /// Whether it would let this agent in. No connection of it is touched.
    ///
    /// # Errors
    /// It does not answer, or refuses the token.
    pub async fn check(&self) -> Result<TokenCheck, CallError> {
        let asked = async {
            let response = self.request().send().await.map_err(|error| no_answer(&error))?;
            match response.status() {
                // All that was missing is the WebSocket.
                StatusCode::UPGRADE_REQUIRED => Ok(TokenCheck::Right),
                StatusCode::NOT_FOUND => Ok(TokenCheck::Unknown(StatusCode::NOT_FOUND)),
                status if status.is_success() => Ok(TokenCheck::Unknown(status)),
                _ => Err(refusal(response).await),
            }
        };
        timeout(DIAL_LIMIT, asked).await.map_err(|_| CallError::NoAnswer(LATE.to_owned()))?
    }

    fn request(&self) -> RequestBuilder {
        let mut url = self.address.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(PATH);
        }
        let request = self.http.get(url);
        match &self.address.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }
}

async fn refusal(response: Response) -> CallError {
    let status = response.status();
    match bounded_body(response).await {
        Ok(body) => CallError::Refused { status, detail: detail_of(&body) },
        Err(error) => error,
    }
}
