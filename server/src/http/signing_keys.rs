//! The keys with which this host signs manifests, and another one.

use axum::extract::State;
use axum::{Extension, Json};
use memdeck_model::{HostSigning, OnBehalf, Permission, RotatedKey};
use memdeck_operations::audit::Audit;
use memdeck_operations::blocking;
use memdeck_signing::KeyFiles;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Who;
use super::answer::{JsonBodyIfAny, RestError};
use super::openapi::ErrorBody;
use crate::signing;

/// Where the keys are, and where it is noted that one was exchanged.
#[derive(Clone)]
struct Keys {
    files: KeyFiles,
    audit: Audit,
}

pub fn routes<S>(files: KeyFiles, audit: Audit) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(rotate)).with_state(Keys { files, audit })
}

/// What others need to check what this host signs: its public keys, and the number and hash of its newest dump. A dashboard that
/// takes no dumps itself has no keys: those of its agents are there.
#[utoipa::path(
    get,
    path = "/api/signing-keys",
    tag = "signatures",
    responses(
        (status = 200, body = HostSigning),
        (status = 500, description = "A key or the chain cannot be read; the sentence says why", body = ErrorBody),
    )
)]
async fn list(State(keys): State<Keys>) -> Result<Json<HostSigning>, RestError> {
    Ok(Json(blocking(move || signing::told(&keys.files)).await?))
}

/// Makes another key, which signs from the next dump on. The one before is gone; what it signed is checked by its public key.
#[utoipa::path(
    post,
    path = "/api/signing-keys/rotate",
    tag = "signatures",
    request_body(content = Option<OnBehalf>, description = "For whom; may be missing"),
    responses(
        (status = 200, body = RotatedKey),
        (status = 500, description = "No key can be made or kept; the one before signs on", body = ErrorBody),
    )
)]
async fn rotate(
    State(keys): State<Keys>,
    Extension(who): Extension<Who>,
    JsonBodyIfAny(request): JsonBodyIfAny<OnBehalf>,
) -> Result<Json<RotatedKey>, RestError> {
    let caller = who.calls_for(request.actor());
    caller.must(Permission::Configure)?;
    Ok(Json(signing::rotate(keys.files, &keys.audit, &caller).await?))
}
