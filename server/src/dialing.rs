//! An agent that dials its dashboard, so that it is called where nobody reaches it.
//!
//! ```text
//! wait ──► dial ──► answer what is called ──► wait      the connection ended
//!   ▲        └── no answer, or not wanted ──────┤
//!   └───────────────────────────────────────────┘
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use memdeck_agent::{Attempt, CallError, DashboardClient, Dialed, Pace};
use memdeck_model::with_causes;
use tokio::sync::watch;

use crate::config::{HttpConfig, ServiceConfig};
use crate::http::{Access, server};

/// The dashboard that this agent dials, and who is let in over that connection.
pub struct Dialing {
    access: Arc<Access>,
    wanted: watch::Sender<Option<ServiceConfig>>,
}

impl Dialing {
    /// To `dashboard`, if there is one.
    pub fn new(access: Arc<Access>, dashboard: Option<ServiceConfig>) -> Self {
        Self { access, wanted: watch::Sender::new(dashboard) }
    }

    /// From now on this dashboard is dialed. A connection with another one, or with another token, ends.
    pub async fn change(&self, dashboard: Option<ServiceConfig>) {
        self.access.change_tokens(&tokens(dashboard.as_ref())).await;
        self.wanted.send_if_modified(|wanted| {
            let is_another = *wanted != dashboard;
            *wanted = dashboard;
            is_another
        });
    }

    /// Dials, and answers by `routes` what is called over the connection. Runs until `closing` is true and what is being answered
    /// has been.
    pub fn keep(
        &self,
        routes: Router,
        closing: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let mut wanted = self.wanted.subscribe();
        // Tells this process from another agent with the same token.
        let instance = uuid::Uuid::new_v4().simple().to_string();
        async move {
            loop {
                let dashboard = wanted.borrow_and_update().clone();
                let dialing = async {
                    match dashboard {
                        Some(dashboard) => dial(&dashboard, &instance, &routes, closing.clone()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = dialing => return,
                    changed = wanted.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

/// What whoever calls over the connection has to send: the token with which it was opened.
pub fn tokens(dashboard: Option<&ServiceConfig>) -> HttpConfig {
    let token = dashboard.and_then(|dashboard| dashboard.token.clone());
    HttpConfig { token, ..HttpConfig::default() }
}

async fn dial(
    dashboard: &ServiceConfig,
    instance: &str,
    routes: &Router,
    mut closing: watch::Receiver<bool>,
) {
    let url = dashboard.url.as_str();
    let client = match DashboardClient::new(dashboard) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(url, reason = with_causes(&error), "this dashboard is not dialed");
            return std::future::pending().await;
        }
    };
    let mut pace = Pace::default();
    // Said once, and not with each attempt.
    let mut told = None;
    while !*closing.borrow() {
        let begun = Instant::now();
        let dialed = tokio::select! {
            dialed = client.dial(instance) => dialed,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let attempt = match dialed {
            Ok(Dialed { stream, dashboard }) => {
                tracing::info!(url, "dialed in to the dashboard");
                told = None;
                let begun = Instant::now();
                let dashboard = dashboard.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
                server::answer_over(stream, dashboard, routes.clone(), closing.clone()).await;
                if *closing.borrow() {
                    return;
                }
                tracing::warn!(url, "the connection with the dashboard has ended");
                Attempt::Ended(begun.elapsed())
            }
            Err(error) => {
                let reason = with_causes(&error);
                if told.as_ref() != Some(&reason) {
                    tracing::warn!(
                        url,
                        reason,
                        "the dashboard cannot be dialed; it is tried again until it can"
                    );
                    told = Some(reason);
                }
                attempt(&error, begun.elapsed())
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pace.wait(attempt)) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

/// What became of an attempt that failed and `took` so long.
fn attempt(error: &CallError, took: Duration) -> Attempt {
    match error {
        CallError::NoAnswer(_) | CallError::Broken(_) => Attempt::Unanswered(took),
        // So does a proxy answer for a dashboard that is away.
        CallError::Refused { status, .. } if status.is_server_error() => Attempt::Unanswered(took),
        CallError::Refused { .. }
        | CallError::Certificate { .. }
        | CallError::Unreadable(_)
        | CallError::TooLarge(_) => Attempt::Refused,
    }
}
