//! The description of the calls (`OpenAPI` 3.1), made from the handlers themselves: what is routed with `routes!` is in it.
//!
//! A call is added by a `#[utoipa::path(...)]` on its handler and `.routes(routes!(handler))` in its router; the types
//! it takes and returns derive `ToSchema`. What every call has in common (errors, the ways to say who asks) is added
//! here. The page's own calls, `/api/ui/...`, belong to the page of the same build and are not described.

use std::sync::Arc;

use axum::Extension;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use memdeck_model::{DumpId, ProblemKind};
use serde::Serialize;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement, Server};
use utoipa::{OpenApi as _, ToSchema};

use crate::config::BasePath;

/// Every error, whatever its status.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// What failed, on which object, and what to do: one sentence.
    detail: String,
    /// The kind of error, where it is more than the status says.
    kind: Option<ProblemKind>,
    /// Where a name means guests of several hosts: what to name instead.
    candidates: Option<Vec<String>>,
    /// Where an image cannot be deleted because others are stored as differences to it: their dumps.
    needed_by: Option<Vec<DumpId>>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "memdeck: dashboard",
        description = "Memory dumps of KVM guests: ask for them, watch them, list their records. Times are RFC 3339 in \
                       UTC. Errors are `{\"detail\": \"<sentence>\"}`. A body must be `application/json`."
    ),
    components(schemas(ErrorBody))
)]
struct Dashboard;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "memdeck: agent",
        description = "The dump service of one hypervisor. Times are RFC 3339 in UTC. Errors are \
                       `{\"detail\": \"<sentence>\"}`. A body must be `application/json`."
    ),
    components(schemas(ErrorBody))
)]
struct Agent;

/// What the dashboard's description begins with.
pub fn dashboard() -> OpenApi {
    Dashboard::openapi()
}

/// What the agent's description begins with.
pub fn agent() -> OpenApi {
    Agent::openapi()
}

/// A description as it is served.
#[derive(Clone)]
pub struct Document {
    openapi: Arc<OpenApi>,
    /// The same as JSON.
    json: Arc<str>,
}

impl Document {
    /// Adds what every call has in common.
    pub fn of(mut openapi: OpenApi, has_sign_in: bool) -> Self {
        let error = Ref::from_schema_name("ErrorBody");
        let error = ResponseBuilder::new()
            .description("What went wrong")
            .content("application/json", ContentBuilder::new().schema(Some(error)).build())
            .build();
        for item in openapi.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                // A sentence of the source is broken into lines.
                operation.summary = operation.summary.take().map(|summary| summary.replace('\n', " "));
                let responses = &mut operation.responses.responses;
                responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(error.clone()));
                for response in responses.values_mut() {
                    // Every response must have one.
                    if let RefOr::T(response) = response
                        && response.description.is_empty()
                    {
                        "The answer".clone_into(&mut response.description);
                    }
                }
            }
        }
        let mut security = vec![SecurityRequirement::new::<_, [&str; 0], &str>("token", [])];
        if let Some(components) = &mut openapi.components {
            let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
                "The value of MEMDECK_TOKEN, else what the file `token` in STATE_DIR holds",
            ));
            components.add_security_scheme("token", SecurityScheme::Http(bearer.build()));
            if has_sign_in {
                let cookie = ApiKeyValue::with_description(
                    "memdeck_session",
                    "What signing in gives a browser; its name goes on with an id of the instance, and begins with __Host- \
                     where there is TLS",
                );
                components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
                security.push(SecurityRequirement::new::<_, [&str; 0], &str>("session", []));
            }
        }
        openapi.security = Some(security);
        Self { json: as_json(&openapi).into(), openapi: Arc::new(openapi) }
    }

    /// For callers who reach the calls below a path.
    fn below(&self, base: &BasePath) -> String {
        let mut openapi = OpenApi::clone(&self.openapi);
        openapi.servers = Some(vec![Server::new(base.as_str())]);
        as_json(&openapi)
    }
}

fn as_json(openapi: &OpenApi) -> String {
    openapi.to_pretty_json().unwrap_or_else(|error| {
        tracing::error!(%error, "the description of the calls cannot be written as JSON");
        "{}".to_owned()
    })
}

/// This description.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value))
)]
pub async fn document(
    Extension(document): Extension<Document>,
    base: Option<Extension<BasePath>>,
) -> impl IntoResponse {
    let json = base.map_or_else(|| document.json.to_string(), |Extension(base)| document.below(&base));
    ([(CONTENT_TYPE, "application/json")], json)
}
