//! The call that makes a sign-in link.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use memdeck_model::SignInLink;
use memdeck_model::audit::{AuditAction, AuditObject, AuditResult};
use memdeck_operations::audit::Deed;

use crate::http::SIGN_IN_LINK_LIFETIME;
use crate::http::access::{Access, Standing, Who};
use crate::http::answer::RestError;

/// Makes a link with which one browser signs in, once, within five minutes. Not for a browser that is signed in: it
/// could make its session last for ever.
#[utoipa::path(
    post,
    path = "/api/sign-in-links",
    tag = "service",
    responses((status = 201, body = SignInLink))
)]
pub async fn make(
    Extension(access): Extension<Arc<Access>>,
    Extension(standing): Extension<Standing>,
    Extension(who): Extension<Who>,
) -> Result<Response, RestError> {
    if !matches!(standing, Standing::Bearer | Standing::Token(_) | Standing::Local | Standing::Open) {
        return Err(RestError::new(
            StatusCode::FORBIDDEN,
            "a link is only made for a caller that sends the token",
        ));
    }
    if let Some(audit) = access.audit() {
        let deed = Deed::new(AuditAction::SignInLink, AuditObject::Service);
        audit.note(&who.calls(), deed, AuditResult::Succeeded).await?;
    }
    let code = access.links().make().map_err(|error| {
        tracing::error!(%error, "the system returned no random numbers");
        RestError::new(StatusCode::INTERNAL_SERVER_ERROR, "the system returned no random numbers")
    })?;
    let link = SignInLink { path: link_path(&code), expires_in_sec: SIGN_IN_LINK_LIFETIME.as_secs() };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(link)).into_response())
}

/// The path and fragment of a link with `code`.
pub fn link_path(code: &str) -> String {
    format!("/sign-in#code={code}")
}
