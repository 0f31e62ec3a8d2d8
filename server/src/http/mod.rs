//! HTTP: routers that translate, call one use case and translate back.

mod agent;
mod answer;
mod events;
mod guard;
mod headers;
mod memory_dumps;
mod sign_in;
mod site;
mod telemetry;
pub mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use memdeck_app::api::Operations;
use memdeck_capture::DumpBackend;
use memdeck_catalog::Catalog;
use serde_json::json;
use tokio::sync::watch;

use crate::desk::{Desk, GuestSource};

pub use guard::{Guard, Peer};

/// The longest request body: a list of a thousand names fits many times.
const MAX_BODY_BYTES: usize = 1 << 20;

/// What the dashboard's routes work with.
#[derive(Clone)]
pub struct DashboardState {
    /// Use cases.
    pub desk: Arc<Desk>,
    /// Becomes true when open streams must end.
    pub closing: watch::Receiver<bool>,
}

/// What the agent's routes work with.
#[derive(Clone)]
pub struct AgentState {
    /// The engine.
    pub backend: Arc<dyn DumpBackend>,
    /// The records of what it dumped.
    pub catalog: Arc<Catalog>,
    /// Identity of `catalog`, to which sequence numbers belong.
    pub catalog_id: String,
    /// The guests of this hypervisor.
    pub guests: Arc<dyn GuestSource>,
}

/// The routes of `memdeck serve`: REST, the page's calls, live events and the page itself.
pub fn dashboard(state: DashboardState, guard: Arc<Guard>, site_dir: Option<PathBuf>) -> Router {
    let operations: Arc<dyn Operations> = Arc::clone(&state.desk) as _;
    let api = Router::new()
        .nest("/api/memory-dumps", memory_dumps::routes())
        .nest("/api/telemetry", telemetry::routes())
        .route("/api/events", get(events::stream))
        .with_state(state)
        .merge(memdeck_app::api::router(&operations));
    let routes = api.merge(sign_in::routes(Arc::clone(&guard))).merge(site::routes(site_dir));
    protected(routes, guard)
}

/// The routes of `memdeck agent`.
pub fn agent(state: AgentState, guard: Arc<Guard>) -> Router {
    protected(agent::routes().with_state(state), guard)
}

/// What every route of either service has: health, JSON 404 under `/api`, limits and the guard.
fn protected(routes: Router, guard: Arc<Guard>) -> Router {
    routes
        .route(
            "/healthz",
            get(|| async { Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})) }),
        )
        .route("/api", any(answer::unknown_route))
        .route("/api/{*rest}", any(answer::unknown_route))
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(guard, guard::check))
}
