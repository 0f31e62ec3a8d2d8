//! The dashboard below a path of somebody else's site, such as `https://ops.example/memdeck/`.
//!
//! Routes, calls and pages know nothing of it: the path is taken off what is asked, where the proxy has not done so, and put
//! before what leads somewhere: redirects, and the path of cookies. The page and the sign-in know it ([`BasePath`]).
//! The configured path holds for everybody. Without one a declared proxy may name it with `X-Forwarded-Prefix`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower::ServiceBuilder;

use super::Peer;
use crate::config::{BasePath, HttpConfig};

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// What binds a cookie to `Path=/`.
const HOST_COOKIE: &str = "__Host-";

/// Where the path comes from.
struct Sources {
    configured: Option<BasePath>,
    proxies: Vec<IpAddr>,
}

impl Sources {
    fn path(&self, request: &Request) -> BasePath {
        if let Some(configured) = &self.configured {
            return configured.clone();
        }
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        let is_proxy =
            peer.is_some_and(|ConnectInfo(peer)| self.proxies.contains(&peer.remote.ip().to_canonical()));
        if is_proxy { forwarded(request.headers()).unwrap_or_default() } else { BasePath::default() }
    }
}

/// What the nearest proxy says.
fn forwarded(headers: &HeaderMap) -> Option<BasePath> {
    let value = headers.get_all(FORWARDED_PREFIX).iter().next_back()?.to_str().ok()?;
    value.rsplit(',').next()?.trim().parse().ok()
}

/// `routes` below the path that `http` configures or that a proxy it declares names.
pub fn below(routes: Router, http: &HttpConfig) -> Router {
    if http.base_path.is_none() && http.proxies.is_empty() {
        return routes;
    }
    let sources = Arc::new(Sources { configured: http.base_path.clone(), proxies: http.proxies.clone() });
    // Around the router, not in it: its middleware would run when the route is chosen already.
    let translate = middleware::from_fn_with_state(sources, translate);
    Router::new().fallback_service(ServiceBuilder::new().layer(translate).service(routes))
}

async fn translate(State(sources): State<Arc<Sources>>, mut request: Request, next: Next) -> Response {
    let base = sources.path(&request);
    if base.is_root() {
        return next.run(request).await;
    }
    if let Some(uri) = without(&base, request.uri()) {
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(base.clone());
    let mut response = next.run(request).await;
    lead_below(&base, response.headers_mut());
    response
}

/// The address without `base`; `None` if it does not begin with it, because the proxy has taken it off.
fn without(base: &BasePath, uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix(base.as_str())?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = if rest.is_empty() { "/" } else { rest };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

fn lead_below(base: &BasePath, headers: &mut HeaderMap) {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let below = location
        .filter(|location| location.starts_with('/') && !location.starts_with("//"))
        .and_then(|location| HeaderValue::from_str(&format!("{base}{location}")).ok());
    if let Some(below) = below {
        headers.insert(LOCATION, below);
    }
    let cookies: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().map(|cookie| cookie_below(base, cookie)).collect();
    if !cookies.is_empty() {
        headers.remove(SET_COOKIE);
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// Sent only to what is below `base`. A cookie that is bound to its host must be for all of it.
fn cookie_below(base: &BasePath, cookie: &HeaderValue) -> HeaderValue {
    let text = cookie.to_str().unwrap_or_default();
    if text.starts_with(HOST_COOKIE) {
        return cookie.clone();
    }
    let below = text.replacen("; Path=/;", &format!("; Path={base};"), 1);
    HeaderValue::from_str(&below).unwrap_or_else(|_| cookie.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_taken_off_where_it_is_still_there_and_only_as_a_whole() {
        let base: BasePath = "/memdeck".parse().unwrap();
        for (asked, expected) in [
            ("/memdeck/memory-dumps?rows=50", Some("/memory-dumps?rows=50")),
            ("/memdeck/", Some("/")),
            ("/memdeck", Some("/")),
            ("/memdeck-frontend-0123456789abcdef.js", None),
            ("/memory-dumps", None),
        ] {
            let found = without(&base, &asked.parse().unwrap()).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{asked}");
        }
    }

    #[test]
    fn redirects_and_cookies_lead_below_it() {
        let base: BasePath = "/a/b".parse().unwrap();
        for (location, expected) in [
            ("/memory-dumps?x=/y", "/a/b/memory-dumps?x=/y"),
            ("//elsewhere.example/", "//elsewhere.example/"),
            ("https://elsewhere.example/", "https://elsewhere.example/"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            lead_below(&base, &mut headers);
            assert_eq!(headers[LOCATION], expected);
        }
        let cookie = |text: &str| cookie_below(&base, &text.parse().unwrap()).to_str().unwrap().to_owned();
        assert_eq!(cookie("s=1; Path=/; HttpOnly"), "s=1; Path=/a/b; HttpOnly");
        assert_eq!(cookie("__Host-s=1; Path=/; Secure"), "__Host-s=1; Path=/; Secure");
    }
}
