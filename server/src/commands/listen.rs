//! What both services do alike: listen, answer until a signal, end.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use memdeck_catalog::{LockHolder, LockRole, StateLock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::Failure;
use crate::node;

/// How long requests that are being answered may take after a signal.
const REQUEST_GRACE: Duration = Duration::from_secs(2);

/// Binds `address`.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!(
            "cannot listen on {address}: {error}; set MEMDECK_BIND to a free address and port"
        ))
    })
}

/// Tells others where this process answers.
pub fn publish(lock: &StateLock, role: LockRole, listener: &TcpListener) -> Result<LockHolder, Failure> {
    let address =
        listener.local_addr().map_err(|error| Failure::new(format!("no local address: {error}")))?;
    let holder = node::holder(role, Some(format!("http://{address}")));
    lock.publish(&holder).map_err(|error| Failure::new(super::with_causes(&error)))?;
    Ok(holder)
}

/// Answers until SIGINT or SIGTERM, then tells `closing` and lets requests end.
pub async fn answer(
    listener: TcpListener,
    routes: Router,
    closing: watch::Sender<bool>,
) -> Result<(), Failure> {
    let mut closed = closing.subscribe();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async move {
        let _ = closed.wait_for(|closed| *closed).await;
    });
    let server = tokio::spawn(server.into_future());
    stop_signal().await?;
    tracing::info!("stopping");
    let _ = closing.send(true);
    match tokio::time::timeout(REQUEST_GRACE, server).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, "the listener ended with an error"),
        Ok(Err(error)) => tracing::error!(%error, "the listener panicked"),
        Err(_) => tracing::warn!("some requests were cut off"),
    }
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub async fn stop_signal() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("signals cannot be received: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
