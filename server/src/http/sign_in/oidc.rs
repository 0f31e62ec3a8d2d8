//! Signing in at a provider of `OpenID` Connect: the browser is sent there, and comes back with what proves who it is.
//!
//! The cookie that it gets on the way is for the way back alone. It is `Lax`, since the browser comes back from another site, and
//! what it opens is one sign-in that this very browser began.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header::{HOST, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};
use memdeck_model::audit::AuditAction;
use serde::Deserialize;

use super::{NextPage, form, note, with_cookie};
use crate::config::BasePath;
use crate::http::access::{Access, Caller, Standing, cookies};
use crate::oidc::{Cause, LIFETIME, Oidc, OidcError, Proven, Returned};

/// Where the provider sends browsers back to, below the base path.
const CALLBACK: &str = "/sign-in/oidc/callback";

/// What the query of the way back can have. What else is in it is nobody's business.
#[derive(Default, Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Sends the browser to the provider.
pub async fn begin(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    Extension(standing): Extension<Standing>,
    base: Option<Extension<BasePath>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let next = NextPage::asked_for(&uri);
    let base = base.map(|Extension(base)| base).unwrap_or_default();
    if is_let_in_already(&standing) {
        return Redirect::to(next.path()).into_response();
    }
    let Some(oidc) = access.oidc() else { return nobody_signs_in_so(&access, &base, &next) };
    // The host was checked: it is one by which this service is known.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if caller.secure { "https" } else { "http" };
    let redirect_uri = format!("{scheme}://{host}{base}{CALLBACK}");
    match oidc.begin(redirect_uri, next.path().to_owned(), caller.address).await {
        Ok(departure) => {
            let cookie = way_back(&access, &caller, &departure.cookie, LIFETIME.as_secs());
            let mut response = Redirect::to(departure.url.as_str()).into_response();
            response.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
            super::no_store(response)
        }
        Err(error) => {
            access.note_not_admitted(&error, &caller);
            failed(&access, &base, &next, &error)
        }
    }
}

/// Takes the browser back, and opens a session for whoever it proves to be.
pub async fn end(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    Extension(standing): Extension<Standing>,
    base: Option<Extension<BasePath>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let base = base.map(|Extension(base)| base).unwrap_or_default();
    let start = NextPage::kept("/");
    let Some(oidc) = access.oidc() else { return nobody_signs_in_so(&access, &base, &start) };
    let Query(answer) = Query::<Answer>::try_from_uri(&uri).unwrap_or_default();
    let name = access.oidc_cookie_name(&caller);
    let cookie = cookies(&headers, &name).next().unwrap_or_default();
    let begun = oidc.take(answer.state.as_deref().unwrap_or_default(), cookie);
    let next = begun.as_ref().map_or(start, |begun| NextPage::kept(&begun.next));
    let returned = Returned { code: answer.code, error: answer.error, issuer: answer.iss };
    let opened = async {
        let proven = oidc.prove(begun?, returned).await?;
        open(&access, oidc, proven, &caller, &headers).await
    };
    let mut response = match opened.await {
        Ok(cookie) => with_cookie(&access, Redirect::to(next.path()), &caller, &cookie, ""),
        // Another window of this browser was faster, or it came back twice.
        Err(OidcError::NotBegun) if is_let_in_already(&standing) => Redirect::to(next.path()).into_response(),
        Err(error) => {
            access.note_not_admitted(&error, &caller);
            failed(&access, &base, &next, &error)
        }
    };
    response.headers_mut().extend(way_back(&access, &caller, "", 0).map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// Opens a session for somebody, and notes who it is and by whose word; what its cookie holds.
async fn open(
    access: &Access,
    oidc: &Oidc,
    proven: Proven,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<String, OidcError> {
    let how = format!("by {}, as {}", oidc.config().issuer, proven.subject);
    let of = access.admit(oidc, proven)?;
    let opened = access.open_session(Some(of.clone()), caller, headers).await;
    let cookie = opened.map_err(|error| OidcError::Here(Cause::of(&error)))?;
    tracing::info!(address = %caller.address, "somebody signed in by the provider");
    note(access, AuditAction::SignIn, access.actor_of(Some(&of)), Some(how)).await;
    Ok(cookie)
}

fn is_let_in_already(standing: &Standing) -> bool {
    matches!(standing, Standing::Open | Standing::Vouched(_) | Standing::SignedIn(..))
}

fn way_back(access: &Access, caller: &Caller, value: &str, lifetime_s: u64) -> Option<HeaderValue> {
    let secure = if caller.secure { "; Secure" } else { "" };
    let name = access.oidc_cookie_name(caller);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={lifetime_s}");
    // The value is what we encoded ourselves.
    HeaderValue::from_str(&cookie).ok()
}

fn nobody_signs_in_so(access: &Access, base: &BasePath, next: &NextPage) -> Response {
    let problem = "Nobody signs in by OpenID Connect here: OIDC_ISSUER is not set.";
    form(StatusCode::NOT_FOUND, access, base, next, Some(problem))
}

fn failed(access: &Access, base: &BasePath, next: &NextPage, error: &OidcError) -> Response {
    let status = match error {
        OidcError::Discovery { .. } | OidcError::UserInfo { .. } => StatusCode::BAD_GATEWAY,
        OidcError::Here(_) => StatusCode::INTERNAL_SERVER_ERROR,
        OidcError::NotBegun => StatusCode::BAD_REQUEST,
        OidcError::NoRole { .. } | OidcError::NameTaken { .. } | OidcError::Refused { .. } => {
            StatusCode::FORBIDDEN
        }
        OidcError::OtherIssuer { .. }
        | OidcError::Exchange { .. }
        | OidcError::Unverified { .. }
        | OidcError::NoName { .. }
        | OidcError::TooManyGroups { .. } => StatusCode::UNAUTHORIZED,
    };
    form(status, access, base, next, Some(&error.to_string()))
}
