//! Signing in and out: the token, or the code of a link, is exchanged once for a session's cookie, which the browser
//! sends by itself with everything the page asks for, event streams and downloads included. Only the link needs script.

pub mod links;
mod next_page;
mod oidc;
mod page;

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use memdeck_catalog::SessionOf;
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult};
use memdeck_model::{Actor, Password};
use memdeck_operations::{self as operations, audit::Deed};
use serde::Deserialize;

use super::access::{Access, Caller, Standing, Verdict, not_admitted};
use crate::config::BasePath;

pub use links::link_path;
pub use next_page::NextPage;

/// Nothing but the stylesheet, the icon, the form itself, and the script that sends the code of a link.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";
/// A token and what a form adds to it.
const MAX_FORM_BYTES: usize = 8 << 10;

pub fn routes(access: Arc<Access>) -> Router {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in.js", get(script))
        .route("/sign-in/oidc", get(oidc::begin))
        .route("/sign-in/oidc/callback", get(oidc::end))
        .route("/sign-out", post(sign_out))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(access)
}

#[derive(Deserialize)]
struct SignIn {
    token: Option<String>,
    code: Option<String>,
    name: Option<String>,
    password: Option<Password>,
}

/// What became of a form.
struct Judged {
    verdict: Verdict,
    /// Whose session it opens; `None` for whoever holds the token of this memdeck.
    of: Option<SessionOf>,
    /// What is said where it was wrong.
    wrong: &'static str,
}

fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

async fn show(
    State(access): State<Arc<Access>>,
    Extension(standing): Extension<Standing>,
    base: Option<Extension<BasePath>>,
    uri: Uri,
) -> Response {
    let next = NextPage::asked_for(&uri);
    let base = base.map(|Extension(base)| base).unwrap_or_default();
    match standing {
        Standing::SignedIn(..) | Standing::Vouched(_) | Standing::Open => {
            Redirect::to(next.path()).into_response()
        }
        Standing::NotAdmitted(name) => {
            let problem = sentence(&not_admitted(&name));
            form(StatusCode::FORBIDDEN, &access, &base, &next, Some(&problem))
        }
        _ => form(StatusCode::OK, &access, &base, &next, None),
    }
}

async fn script() -> Response {
    let headers = [(CONTENT_TYPE, "text/javascript"), (CACHE_CONTROL, "no-cache")];
    (headers, include_str!("sign-in.js")).into_response()
}

async fn sign_in(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    Extension(standing): Extension<Standing>,
    base: Option<Extension<BasePath>>,
    headers: HeaderMap,
    uri: Uri,
    sent: Result<Form<SignIn>, FormRejection>,
) -> Response {
    let next = NextPage::asked_for(&uri);
    let base = base.map(|Extension(base)| base).unwrap_or_default();
    if matches!(standing, Standing::Open | Standing::Vouched(_)) {
        return Redirect::to(next.path()).into_response();
    }
    let Ok(Form(sent)) = sent else {
        return form(
            StatusCode::BAD_REQUEST,
            &access,
            &base,
            &next,
            Some("The form did not arrive whole. Send it again."),
        );
    };
    let judged = match sent {
        SignIn { code: Some(code), .. } => Judged {
            verdict: access.judge_link(&caller, &code),
            of: None,
            wrong: "This link was used already or is older than five minutes. The command memdeck sign-in-link prints a new one.",
        },
        SignIn { name: Some(name), password: Some(password), .. } => {
            let judged = access.judge_password(&caller, name.trim(), password).await;
            match judged {
                // The same words whether there is such an account or not.
                Ok((verdict, of)) => Judged { verdict, of, wrong: "The name or the password is wrong." },
                Err(problem) => {
                    let status = StatusCode::SERVICE_UNAVAILABLE;
                    return form(status, &access, &base, &next, Some(&sentence(&problem.detail.to_string())));
                }
            }
        }
        // A token that was copied often has white space around it, which none begins or ends with.
        SignIn { token: Some(token), .. } => Judged {
            verdict: access.judge_sign_in(&caller, token.trim()),
            of: None,
            wrong: "That is not the token of this memdeck.",
        },
        SignIn { .. } => {
            return form(
                StatusCode::BAD_REQUEST,
                &access,
                &base,
                &next,
                Some("The form did not arrive whole. Send it again."),
            );
        }
    };
    match judged.verdict {
        Verdict::Right => match access.open_session(judged.of.clone(), &caller, &headers).await {
            Ok(cookie) => {
                tracing::info!(address = %caller.address, "somebody signed in");
                note(&access, AuditAction::SignIn, access.actor_of(judged.of.as_ref()), None).await;
                with_cookie(&access, Redirect::to(next.path()), &caller, &cookie, "")
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "no session could be opened");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        },
        Verdict::Wrong { .. } => form(StatusCode::UNAUTHORIZED, &access, &base, &next, Some(judged.wrong)),
        Verdict::Blocked { retry_after_s } => {
            let problem = format!("Too many wrong tokens or passwords. Try again in {retry_after_s} s.");
            let mut response = form(StatusCode::TOO_MANY_REQUESTS, &access, &base, &next, Some(&problem));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_s));
            response
        }
    }
}

async fn sign_out(
    State(access): State<Arc<Access>>,
    Extension(caller): Extension<Caller>,
    Extension(standing): Extension<Standing>,
) -> Response {
    if let Standing::SignedIn(session, _) = standing {
        let actor = access.actor_of(Some(session.of()));
        session.close().await;
        tracing::info!(address = %caller.address, "somebody signed out");
        note(&access, AuditAction::SignOut, actor, None).await;
    }
    with_cookie(&access, Redirect::to("/sign-in"), &caller, "", "; Max-Age=0")
}

/// Notes that somebody at the page signed in or out, and how if not by something of ours. On a full volume it is only logged: whoever makes room must get in.
async fn note(access: &Access, action: AuditAction, actor: Actor, how: Option<String>) {
    if let Some(audit) = access.audit() {
        let details = AuditDetails { value: how, ..AuditDetails::default() };
        let deed = Deed::new(action, AuditObject::Service).with(details);
        audit.note_done(&operations::Caller::trusted(actor), deed, AuditResult::Succeeded).await;
    }
}

fn form(
    status: StatusCode,
    access: &Access,
    base: &BasePath,
    next: &NextPage,
    problem: Option<&str>,
) -> Response {
    // Every address in it begins with a slash.
    let provider = access.oidc().map(|oidc| oidc.config().name.as_str());
    let html =
        page::sign_in(next, access.has_accounts(), provider, problem).replace("=\"/", &format!("=\"{base}/"));
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Without a lifetime of its own the cookie goes when the browser is closed; what it opens ends earlier or later.
fn with_cookie(
    access: &Access,
    redirect: Redirect,
    caller: &Caller,
    value: &str,
    lifetime: &str,
) -> Response {
    let secure = if caller.secure { "; Secure" } else { "" };
    let name = access.cookie_name(caller);
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{lifetime}");
    let mut response = redirect.into_response();
    // The value is what we encoded ourselves.
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    no_store(response)
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
