//! Who may call. Any web page can reach 127.0.0.1 from the operator's browser, so what a browser does on behalf of a
//! foreign page must be told apart from what the operator does:
//!
//! - the `Host` header must name this service (421 otherwise): a foreign name that resolves to us is DNS rebinding;
//! - a request that may change something must be JSON (415 otherwise), which a foreign page cannot send without a
//!   preflight that nothing here answers, and must be same-origin where the browser says so (403 otherwise);
//! - with a token configured, `/api` takes only callers that send it (401 otherwise).
//!
//! There is no CORS header anywhere, on purpose.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::answer::RestError;
use crate::config::Secret;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The rules of one service.
#[derive(Debug)]
pub struct Guard {
    hosts: Vec<String>,
    token: Option<Secret>,
}

impl Guard {
    /// Rules of the service that listens on `address`. `allowed` are further host names by which clients reach it.
    #[must_use]
    pub fn new(address: SocketAddr, allowed: &[String], token: Option<Secret>) -> Self {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into();
        if !address.ip().is_unspecified() {
            hosts.push(match address.ip() {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        hosts.extend_from_slice(allowed);
        Self { hosts, token }
    }

    fn judge(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), RestError> {
        self.check_host(headers)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            check_same_origin(headers)?;
            check_json(headers)?;
        }
        if path.starts_with("/api/") || path == "/api" { self.check_token(headers) } else { Ok(()) }
    }

    fn check_host(&self, headers: &HeaderMap) -> Result<(), RestError> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = without_port(host).to_ascii_lowercase();
        if self.hosts.contains(&name) {
            return Ok(());
        }
        let detail = format!(
            "this service is not known as '{}'; set MEMDECK_ALLOWED_HOSTS to the names by which it is reached",
            name.escape_default()
        );
        Err(RestError::new(StatusCode::MISDIRECTED_REQUEST, detail))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), RestError> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = headers
            .get(AUTHORIZATION)
            .map(HeaderValue::as_bytes)
            .and_then(|value| value.split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
            .map(|(_, given)| given);
        // Constant time: how long a wrong token takes must not tell how much of it was right.
        if given.is_some_and(|given| bool::from(given.ct_eq(token.expose().as_bytes()))) {
            Ok(())
        } else {
            Err(RestError::new(
                StatusCode::UNAUTHORIZED,
                "send the service's token as `Authorization: Bearer <token>`",
            ))
        }
    }
}

fn check_same_origin(headers: &HeaderMap) -> Result<(), RestError> {
    let refused = || RestError::new(StatusCode::FORBIDDEN, "requests from other web pages are not accepted");
    if let Some(site) = headers.get(SEC_FETCH_SITE)
        && site != "same-origin"
        && site != "none"
    {
        return Err(refused());
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let same = origin.to_str().is_ok_and(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    if same { Ok(()) } else { Err(refused()) }
}

fn check_json(headers: &HeaderMap) -> Result<(), RestError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(RestError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON with `Content-Type: application/json`",
        ))
    }
}

/// `[::1]:8000` is `[::1]`, `localhost:8000` is `localhost`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if !name.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(']') =>
        {
            name
        }
        _ => host,
    }
}

/// The middleware before every route.
pub async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.judge(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut response = refusal.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    response
}
