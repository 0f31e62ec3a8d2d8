//! What both services do alike: listen, answer until a signal, end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use memdeck_catalog::{LockHolder, LockRole, StateLock};
use memdeck_engine::Ended;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::reload::Reload;
use super::{Exit, Failure};
use crate::config::HttpConfig;
use crate::http::{Connections, Limits, server, tls};
use crate::node::{self, Node};
use crate::service_manager::Notifier;

/// How long requests that are being answered may take after a signal.
const REQUEST_GRACE: Duration = Duration::from_secs(2);
/// What a stop may take beside the time that dumps have.
const STOP_ALLOWANCE: Duration = Duration::from_secs(5);

/// A bound address, what is spoken there, and how many may come in.
pub struct Door {
    listener: TcpListener,
    tls: Option<watch::Sender<Arc<ServerConfig>>>,
    limits: Limits,
}

impl Door {
    /// Where it is, also if the system chose the port.
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
    Ok(Door { listener, tls: tls.map(|tls| watch::channel(tls).0), limits: server::limits() })
}

/// Publishes where this process answers.
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

/// What a service does beside answering.
pub struct Attendant<'a> {
    /// What a service manager is told.
    pub notifier: &'a Notifier,
    /// Reads tokens and certificates anew.
    pub reload: &'a Reload<'a>,
    /// The longest that running dumps may take after a signal.
    pub grace: Duration,
}

/// Answers until SIGINT or SIGTERM, and reads tokens and certificates anew on SIGHUP. Then it tells `closing`, lets requests
/// end, and meanwhile shuts down `node`.
pub async fn answer(
    door: Door,
    routes: Router,
    closing: watch::Sender<bool>,
    stop: &mut StopSignal,
    attendant: &Attendant<'_>,
    node: Node,
) -> Ended {
    let Attendant { notifier, reload, grace } = attendant;
    let connections = Connections::new(door.limits);
    let tls = door.tls.as_ref().map(watch::Sender::subscribe);
    let server = tokio::spawn(server::serve(door.listener, tls, routes, connections, closing.subscribe()));
    let running = async {
        loop {
            match stop.next().await {
                Heard::Stop(signal) => return signal,
                Heard::Reload => {
                    notifier.reloading();
                    reload.now(door.tls.as_ref()).await;
                    notifier.ready("Tokens and certificates were read anew");
                }
            }
        }
    };
    let signal = tokio::select! {
        signal = running => signal,
        () = notifier.keep_alive() => return Ended::default(),
    };
    tracing::info!(signal, "stopping");
    notifier.stopping(*grace + STOP_ALLOWANCE);
    let _ = closing.send(true);
    let requests = async {
        match tokio::time::timeout(REQUEST_GRACE, server).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the listener panicked"),
            Err(_) => tracing::warn!("some requests were cut off"),
        }
    };
    // Side by side: a stop takes as long as the dumps may take, and some seconds at most.
    let ((), ended) = tokio::join!(requests, node.shut_down());
    ended
}

/// How a service ends: whether dumps did not come to their end because it was stopped.
pub fn exit(ended: Ended) -> Exit {
    let Ended { cancelled, left_behind } = ended;
    if left_behind > 0 {
        tracing::error!(left_behind, "dumps did not end in time; the guardian looks after their guests");
        return Exit::DumpsLeft;
    }
    if cancelled > 0 {
        tracing::warn!(cancelled, "running dumps were cancelled");
        return Exit::DumpsCancelled;
    }
    Exit::Done
}

/// Answers until `work` is done, or until a signal: then `None`.
pub async fn answer_during<T>(
    door: Door,
    routes: Router,
    work: impl Future<Output = T>,
    stop: &mut StopSignal,
) -> Option<T> {
    let (closing, closed) = watch::channel(false);
    let connections = Connections::new(door.limits);
    let tls = door.tls.as_ref().map(watch::Sender::subscribe);
    let server = tokio::spawn(server::serve(door.listener, tls, routes, connections, closed));
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
    /// Whether SIGHUP asks for anything but the end.
    reloads: bool,
    /// Whether there was a terminal at the start.
    had_terminal: bool,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The end; what people call the signal.
    Stop(&'static str),
    /// To read tokens and certificates anew.
    Reload,
}

impl StopSignal {
    /// From now on they are received, and each asks for the end.
    pub fn receive() -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::new(format!("signals cannot be received: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
            reloads: false,
            had_terminal: has_terminal(),
        })
    }

    /// The same for a service: SIGHUP asks it to read its configuration anew, unless it says that the terminal is gone from
    /// which the service was started.
    pub fn of_service() -> Result<Self, Failure> {
        Ok(Self { reloads: true, ..Self::receive()? })
    }

    /// Waits for one that asks for the end; what people call it. A service that is not ready yet has nothing to reload.
    pub async fn wait(&mut self) -> &'static str {
        loop {
            if let Heard::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }

    /// Waits for one of them.
    pub async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Heard::Stop("Ctrl-C"),
            _ = self.hangup.recv() => {
                let terminal_is_gone = self.had_terminal && !has_terminal();
                if self.reloads && !terminal_is_gone { Heard::Reload } else { Heard::Stop("SIGHUP") }
            }
        }
    }
}

/// Whether a terminal controls this process. The kernel takes it away before it sends SIGHUP for it.
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}
