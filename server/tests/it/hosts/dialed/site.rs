//! A dashboard that listens, and agents that dial it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use memdeck::config::{HttpConfig, Secret};
use memdeck::dialing::Dialing;
use memdeck::http::server::{limits, serve};
use memdeck::http::{Access, Connections};
use memdeck_clock::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::hosts::fleet::{Fleet, service};
use crate::support::{HOST, TestApp};

pub const TOKEN: &str = "the token of the host that dials in";

/// The URL of a host whose agent dials in.
pub fn dials_in(name: &str) -> String {
    format!("dial://{name}")
}

/// A dashboard on a listener of its own.
pub struct Site {
    pub fleet: Fleet,
    pub address: SocketAddr,
    /// Ends with it.
    tasks: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Site {
    /// With the host `kvm-a`, which dials in.
    pub async fn start(app: &TestApp) -> Self {
        let fleet = tempfile::tempdir().unwrap();
        let hosts = vec![("kvm-a", service(&dials_in("kvm-a"), Some(TOKEN)))];
        Self::with(Fleet::over(fleet, app, hosts), "127.0.0.1:0").await
    }

    /// A dashboard that listens at this address.
    pub async fn with(fleet: Fleet, address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, None, fleet.router.clone(), Connections::new(limits()), closed));
        Self { fleet, address, tasks, closing }
    }

    /// Stops as by a signal; what is left is its state.
    pub async fn stop(self) -> tempfile::TempDir {
        let Self { fleet, mut tasks, closing, .. } = self;
        closing.send_replace(true);
        tasks.join_next().await;
        let Fleet { state, .. } = fleet;
        state
    }
}

/// An agent that dials until it is dropped.
pub struct Dialer {
    tasks: JoinSet<()>,
    closing: watch::Sender<bool>,
}

impl Dialer {
    /// One that answers by `routes`.
    pub fn start(routes: Router, dashboard: SocketAddr, token: &str) -> Self {
        memdeck::commands::install_tls_provider();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        // The rules of the routes are those of the tests.
        let http = HttpConfig { token: Some(Secret::new(token)), ..HttpConfig::default() };
        let access = Arc::new(Access::new(HOST.parse().unwrap(), &http, &clock));
        let dashboard = service(&format!("http://{dashboard}/"), Some(token));
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Lives as long as the connection that it wants.
            let dialing = Dialing::new(access, Some(dashboard));
            dialing.keep(routes, closed).await;
        });
        Self { tasks, closing }
    }

    /// Ends as by a signal.
    pub async fn stop(mut self) {
        self.closing.send_replace(true);
        self.tasks.join_next().await;
    }
}
