//! What both services do alike: listen, answer until a signal, end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use memdeck_catalog::{LockHolder, LockRole, StateLock};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::{Exit, Failure};
use crate::config::HttpConfig;
use crate::http::{Connections, server, tls};
use crate::node;

/// How long requests that are being answered may take after a signal.
const REQUEST_GRACE: Duration = Duration::from_secs(2);

/// A bound address, and what is spoken there.
pub struct Door {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Door {
    /// Where it is, also where the system chose the port.
    pub fn address(&self) -> Result<SocketAddr, Failure> {
        self.listener.local_addr().map_err(|error| Failure::new(format!("no local address: {error}")))
    }

    /// Where it answers.
    pub fn url(&self) -> Result<String, Failure> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }
}

/// Binds `address`.
pub async fn bind(address: SocketAddr, http: &HttpConfig) -> Result<Door, Failure> {
    let tls = http.tls.as_ref().map(tls::server_config).transpose();
    let tls = tls.map_err(|error| Failure { exit: Exit::Usage, message: super::with_causes(&error) })?;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!(
            "cannot listen on {address}: {error}; set MEMDECK_BIND to a free address and port"
        ))
    })?;
    Ok(Door { listener, tls })
}

/// Tells others where this process answers.
pub fn publish(
    lock: &StateLock,
    role: LockRole,
    http: &HttpConfig,
    door: &Door,
) -> Result<LockHolder, Failure> {
    let mut holder = node::holder(role, Some(door.url()?));
    holder.token_in_state_dir = http.token.is_none();
    lock.publish(&holder).map_err(|error| Failure::new(super::with_causes(&error)))?;
    Ok(holder)
}

/// Answers until SIGINT, SIGTERM or SIGHUP, then tells `closing` and lets requests end.
pub async fn answer(
    door: Door,
    routes: Router,
    closing: watch::Sender<bool>,
    stop: &mut StopSignal,
) -> Result<(), Failure> {
    let connections = Connections::new(server::limits());
    let server =
        tokio::spawn(server::serve(door.listener, door.tls, routes, connections, closing.subscribe()));
    let signal = stop.wait().await;
    tracing::info!(signal, "stopping");
    let _ = closing.send(true);
    match tokio::time::timeout(REQUEST_GRACE, server).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "the listener panicked"),
        Err(_) => tracing::warn!("some requests were cut off"),
    }
    Ok(())
}

/// Answers until `work` is done, or until a signal: then `None`.
pub async fn answer_during<T>(
    door: Door,
    routes: Router,
    work: impl Future<Output = T>,
    stop: &mut StopSignal,
) -> Option<T> {
    let (closing, closed) = watch::channel(false);
    let connections = Connections::new(server::limits());
    let server = tokio::spawn(server::serve(door.listener, door.tls, routes, connections, closed));
    let done = tokio::select! {
        done = work => Some(done),
        _ = stop.wait() => None,
    };
    let _ = closing.send(true);
    if tokio::time::timeout(REQUEST_GRACE, server).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
    done
}

/// SIGINT, SIGTERM and SIGHUP, which end nothing by themselves any more. A command has one, from its start to its end: what
/// nobody waits for between two of them would be lost.
pub struct StopSignal {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    /// From now on they are received.
    pub fn receive() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("signals cannot be received: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Waits for one of them; what people call it.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
            // The terminal has gone. Running dumps end in order, as after SIGTERM.
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}
