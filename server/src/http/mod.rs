//! HTTP: routers that translate, call one use case and translate back.

mod access;
mod agent;
mod agent_telemetry;
mod answer;
mod archives;
mod audit;
pub(crate) mod audit_rows;
mod base_path;
mod conditional;
mod connections;
mod custody;
mod cut_short;
mod diagnostic;
mod dial;
mod downloads;
mod events;
mod export;
mod headers;
mod hosts;
mod hunts;
pub(crate) mod hunts_csv;
mod images;
mod inside;
mod memory_dumps;
mod metrics;
mod notifications;
mod openapi;
mod page;
pub(crate) mod pages_csv;
mod patient;
mod record_parameters;
pub(crate) mod records_csv;
mod request_id;
mod retention;
mod schedules;
mod series;
pub mod server;
mod sign_in;
mod signing_keys;
mod site;
mod study;
mod telemetry;
pub mod tls;
mod trends;
mod users;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::routing::any;
use axum::{Extension, Json, Router, middleware};
use memdeck_catalog::Catalog;
use memdeck_model::{self as model, Service};
use memdeck_operations::{Accounts, Archives, Host, Images, Once, Operations, Readiness, Telemetry};
use memdeck_signing::KeyFiles;
use serde::Serialize;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate as _, SizeAbove};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::{Access, LineOf, LocalTrust, Peer, SIGN_IN_LINK_LIFETIME, SignInLinks, Tell};
pub(crate) use answer::RestError;
pub(crate) use audit::AuditParameters;
pub use base_path::below;
pub use connections::{Connections, Limits, network};
pub use downloads::MAX_DOWNLOADS_OF_ONE;
pub(crate) use record_parameters::{FilterParameters, SortParameters};
pub use sign_in::link_path;
pub use waiting::waiting;

use crate::metrics::Metrics;

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
    /// Who may do what.
    pub accounts: Arc<Accounts>,
    /// What Prometheus is told.
    pub metrics: Arc<Metrics>,
    /// The keys with which this host signs.
    pub keys: KeyFiles,
    /// Archives of records.
    pub archives: Arc<Archives>,
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
    /// What measures its guests.
    pub telemetry: Option<Arc<dyn Telemetry>>,
    /// Requests that may be repeated.
    pub once: Arc<Once>,
    /// Whether it can take and keep dumps.
    pub readiness: Arc<Readiness>,
    /// What Prometheus is told.
    pub metrics: Arc<Metrics>,
    /// The keys with which this host signs.
    pub keys: KeyFiles,
    /// Archives of records.
    pub archives: Arc<Archives>,
}

/// The routes of `memdeck serve`: REST, the page's calls, live events and the page itself.
pub fn dashboard(state: DashboardState, access: Arc<Access>, site_dir: Option<PathBuf>) -> Router {
    let (readiness, metrics) = (Arc::clone(state.operations.readiness()), Arc::clone(&state.metrics));
    let page = page::calls(Arc::clone(&state.operations), Arc::clone(&state.accounts));
    let inside = inside::routes(Arc::clone(state.operations.images()));
    let images = images::routes(Arc::clone(state.operations.images()));
    let keys = signing_keys::routes(state.keys.clone(), state.operations.audit().clone());
    let audit = audit::routes(state.operations.audit().clone());
    let archives = archives::routes(Arc::clone(&state.archives));
    let described = OpenApiRouter::with_openapi(openapi::dashboard())
        .nest("/api/memory-dumps", memory_dumps::routes())
        .merge(study::routes())
        .merge(custody::routes())
        .nest("/api/hunts", hunts::routes())
        .nest("/api/telemetry", telemetry::routes().merge(diagnostic::routes()).merge(series::routes()))
        .nest("/api/hosts", hosts::routes())
        .nest("/api/schedules", schedules::routes())
        .routes(routes!(schedules::preview))
        .nest("/api/retention", retention::routes())
        .nest("/api/holds", retention::hold_routes())
        .nest("/api/notifications", notifications::routes())
        .routes(routes!(telemetry::guests))
        .routes(routes!(telemetry::frozen_pause))
        .routes(routes!(events::stream))
        .routes(routes!(sign_in::links::make))
        .merge(users::routes());
    let described = described.with_state(state).merge(images).merge(inside).merge(keys).merge(audit);
    let described = described.merge(archives);
    let routes = described_routes(described, true, readiness, &metrics)
        .merge(memdeck_app::api::router(&page).layer(middleware::from_fn(answer::json_only)))
        .merge(sign_in::routes(Arc::clone(&access)))
        .merge(dial::routes())
        .merge(site::routes(site_dir));
    protected(routes, access, metrics, Service::Dashboard)
}

/// The routes of `memdeck agent`.
pub fn agent(state: AgentState, access: Arc<Access>) -> Router {
    let inside = inside::routes(Arc::clone(&state.images));
    let images = images::routes(Arc::clone(&state.images));
    let keys = signing_keys::routes(state.keys.clone(), state.images.audit().clone());
    let audit = audit::routes(state.images.audit().clone());
    let archives = archives::routes(Arc::clone(&state.archives));
    let (readiness, metrics) = (Arc::clone(&state.readiness), Arc::clone(&state.metrics));
    let described = OpenApiRouter::with_openapi(openapi::agent())
        .merge(agent::routes())
        .nest("/api/telemetry", agent_telemetry::routes());
    let described = described.with_state(state).merge(images).merge(inside).merge(keys).merge(audit);
    let described = described.merge(archives);
    let routes = described_routes(described, false, readiness, &metrics);
    let routes = routes.layer(middleware::from_fn(audit::tell));
    protected(routes, access, metrics, Service::Agent)
}

/// The routes, with those of both services and the description of them all.
fn described_routes(
    routes: OpenApiRouter,
    has_sign_in: bool,
    readiness: Arc<Readiness>,
    metrics: &Arc<Metrics>,
) -> Router {
    let routes = routes.routes(routes!(health)).routes(routes!(ready)).routes(routes!(metrics::metrics));
    let routes = routes.routes(routes!(openapi::document));
    let (routes, described) = routes.split_for_parts();
    routes
        .layer(Extension(openapi::Document::of(described, has_sign_in)))
        .layer(Extension(readiness))
        .layer(Extension(Arc::clone(metrics)))
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of memdeck.
    version: &'static str,
}

/// Whether memdeck answers, and nothing else: for supervisors that restart what hangs. Open to everybody.
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
fn protected(routes: Router, access: Arc<Access>, metrics: Arc<Metrics>, service: Service) -> Router {
    routes
        .route("/api", any(answer::unknown_route))
        .route("/api/{*rest}", any(answer::unknown_route))
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED_BYTES).and(is_json)))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(Extension(Arc::clone(&access)))
        .layer(middleware::from_fn_with_state((access, service), access::check))
        .layer(middleware::from_fn(request_id::name))
        .layer(middleware::from_fn_with_state(metrics, metrics::count))
}
