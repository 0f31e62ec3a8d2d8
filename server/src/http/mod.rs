//! HTTP: routers that translate, call one use case and translate back.

mod access;
mod agent;
mod answer;
mod base_path;
mod conditional;
mod connections;
mod downloads;
mod events;
mod export;
mod headers;
mod images;
mod memory_dumps;
mod openapi;
mod page;
mod record_parameters;
pub(crate) mod records_csv;
mod request_id;
pub mod server;
mod sign_in;
mod site;
mod telemetry;
pub mod tls;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::routing::any;
use axum::{Extension, Json, Router, middleware};
use memdeck_catalog::Catalog;
use memdeck_model as model;
use memdeck_operations::{Host, Images, Operations, Readiness};
use serde::Serialize;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::{Access, LocalTrust, Peer, SIGN_IN_LINK_LIFETIME, SignInLinks};
pub(crate) use answer::RestError;
pub use base_path::below;
pub use connections::{Connections, network};
pub use downloads::MAX_DOWNLOADS_OF_ONE;
pub(crate) use record_parameters::{FilterParameters, SortParameters};
pub use sign_in::link_path;
pub use waiting::waiting;

/// The longest request body: a list of a thousand names fits many times.
const MAX_BODY_BYTES: usize = 1 << 20;

/// Shorter answers are not worth the work: they fit into a packet.
const MIN_COMPRESSED_BYTES: u16 = 1024;

/// Whether an answer is JSON: event streams must not wait, and images are compressed or belong to nobody else.
fn is_json(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

/// What the dashboard's routes work with.
#[derive(Clone)]
pub struct DashboardState {
    /// Use cases.
    pub operations: Arc<Operations>,
    /// Becomes true when open streams must end.
    pub closing: watch::Receiver<bool>,
}

/// What the agent's routes work with.
#[derive(Clone)]
pub struct AgentState {
    /// This machine.
    pub host: Arc<dyn Host>,
    /// The records of what it dumped.
    pub catalog: Arc<Catalog>,
    /// Identity of `catalog`, to which sequence numbers belong.
    pub catalog_id: String,
    /// The images of what it dumped.
    pub images: Arc<Images>,
    /// Whether it can take and keep dumps.
    pub readiness: Arc<Readiness>,
}

/// The routes of `memdeck serve`: REST, the page's calls, live events and the page itself.
pub fn dashboard(state: DashboardState, access: Arc<Access>, site_dir: Option<PathBuf>) -> Router {
    let readiness = Arc::clone(state.operations.readiness());
    let page = page::calls(Arc::clone(&state.operations));
    let images = images::routes(Arc::clone(state.operations.images()));
    let described = OpenApiRouter::with_openapi(openapi::dashboard())
        .nest("/api/memory-dumps", memory_dumps::routes())
        .nest("/api/telemetry", telemetry::routes())
        .routes(routes!(telemetry::guests))
        .routes(routes!(telemetry::frozen_pause))
        .routes(routes!(events::stream))
        .routes(routes!(sign_in::links::make));
    let described = described.with_state(state).merge(images);
    let routes = described_routes(described, true, readiness)
        .merge(memdeck_app::api::router(&page).layer(middleware::from_fn(answer::json_only)))
        .merge(sign_in::routes(Arc::clone(&access)))
        .merge(site::routes(site_dir));
    protected(routes, access)
}

/// The routes of `memdeck agent`.
pub fn agent(state: AgentState, access: Arc<Access>) -> Router {
    let images = images::routes(Arc::clone(&state.images));
    let readiness = Arc::clone(&state.readiness);
    let described = OpenApiRouter::with_openapi(openapi::agent()).merge(agent::routes());
    let routes = described_routes(described.with_state(state).merge(images), false, readiness);
    protected(routes, access)
}

/// The routes, with those of both services and the description of them all.
fn described_routes(routes: OpenApiRouter, has_sign_in: bool, readiness: Arc<Readiness>) -> Router {
    let routes = routes.routes(routes!(health)).routes(routes!(ready)).routes(routes!(openapi::document));
    let (routes, described) = routes.split_for_parts();
    routes.layer(Extension(openapi::Document::of(described, has_sign_in))).layer(Extension(readiness))
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of memdeck.
    version: &'static str,
}

/// Whether memdeck answers, and nothing else: for whoever restarts what hangs. Open to everybody.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()), responses((status = 200, body = Health)))]
async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether dumps can be taken, stored and recorded now: everything that is needed is tried. 503 while something is
/// missing. Open to everybody.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "service",
    security(()),
    responses(
        (status = 200, description = "Every check succeeded", body = model::Readiness),
        (status = 503, description = "Some checks failed", body = model::Readiness),
    )
)]
async fn ready(Extension(readiness): Extension<Arc<Readiness>>) -> (StatusCode, Json<model::Readiness>) {
    let readiness = readiness.now().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

/// What every route of either service has: JSON 404 under `/api`, limits and the access.
fn protected(routes: Router, access: Arc<Access>) -> Router {
    routes
        .route("/api", any(answer::unknown_route))
        .route("/api/{*rest}", any(answer::unknown_route))
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED_BYTES).and(is_json)))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(Arc::clone(&access)))
        .layer(middleware::from_fn_with_state(access, access::check))
        .layer(middleware::from_fn(request_id::name))
}
