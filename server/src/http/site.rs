//! The built page: hashed files, and the shell with a nonce of its own for every response.

use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tower::ServiceBuilder;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// What the bundler writes where a nonce belongs.
const NONCE_MARK: &str = "{{__TRUNK NONCE__}}";
/// Paths that are pages of the single-page app.
const PAGES: [&str; 1] = ["/memory-dumps"];

/// Routes of the page in `dir`. Everything that is neither a page nor a file of `dir` is 404.
pub fn routes(dir: Option<PathBuf>) -> Router {
    let mut router = Router::new().route("/", get(|| async { Redirect::temporary("/memory-dumps") }));
    for page in PAGES {
        let dir = dir.clone();
        router = router.route(page, get(move || shell(dir.clone())));
    }
    match dir {
        Some(dir) => {
            // Built files carry a hash in their names: what a name means never changes.
            let cache = HeaderValue::from_static("public, max-age=31536000, immutable");
            let files = ServiceBuilder::new()
                .layer(SetResponseHeaderLayer::if_not_present(CACHE_CONTROL, cache_if_found(cache)))
                .service(ServeDir::new(dir).append_index_html_on_directories(false));
            router.fallback_service(files)
        }
        None => router,
    }
}

/// Only found files are kept by browsers; a 404 of a file that a later build brings must not be.
fn cache_if_found<B>(
    cache: HeaderValue,
) -> impl FnMut(&axum::http::Response<B>) -> Option<HeaderValue> + Clone {
    move |response: &axum::http::Response<B>| (response.status() == StatusCode::OK).then(|| cache.clone())
}

async fn shell(dir: Option<PathBuf>) -> Response {
    let html = match dir {
        Some(dir) => read_shell(&dir).await,
        None => None,
    };
    let Some(html) = html else {
        let text =
            "The page is not built. Run scripts/build, or set SITE_DIR to the directory of the built page.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let nonce = match nonce() {
        Ok(nonce) => nonce,
        Err(error) => {
            tracing::error!(%error, "the system gives no random numbers");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    let mut response = Html(html.replace(NONCE_MARK, &nonce)).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Read anew for every request: a few KiB, and a page that was built meanwhile is the one that is shown.
async fn read_shell(dir: &Path) -> Option<String> {
    let path = dir.join("index.html");
    match crate::blocking(move || std::fs::read_to_string(path)).await {
        Ok(html) => Some(html),
        Err(error) => {
            tracing::warn!(%error, "the built page cannot be read");
            None
        }
    }
}

fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_STANDARD.encode(bytes))
}
