//! The built page: hashed files, and the shell with a nonce of its own for every response.
//!
//! Files hold nothing that is not in the program's sources and are open to everybody. Nor does the shell, but whoever
//! is not signed in gets nothing from it, so it leads to the sign-in.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_SECURITY_POLICY, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Router, middleware};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use memdeck_app::routes::{Page, SHOWCASE};
use tower::ServiceBuilder;
use tower_http::services::ServeDir;

use super::access::{SEC_FETCH_SITE, Standing};
use super::sign_in::NextPage;
use crate::config::BasePath;

/// What the bundler writes where a nonce belongs.
const NONCE_MARK: &str = "{{__TRUNK NONCE__}}";
/// What the bundler writes before and after the address that the page's own addresses are relative to.
const BASE_MARK: (&str, &str) = ("<base href=", ">");
/// Where the shell says whether somebody is signed in: `none`, `signed-in` or `unknown`.
const SESSION_MARK: &str = "{{MEMDECK SESSION}}";
/// The script of the shared worker that holds the event stream, and what it may do: a worker's policy is that of its
/// own script's response.
const WORKER: &str = "/events.js";
const WORKER_POLICY: &str = "default-src 'none'; connect-src 'self'";
/// How long the hash in the name of a file may be. A shorter one happens once in a million builds, and browsers ask
/// again for such a file.
const HASH_DIGITS: RangeInclusive<usize> = 12..=16;
/// Where the shell has the name of the page, which is seen until the program has arrived.
const PAGE_MARK: &str = "{{MEMDECK PAGE}}";

/// Path and name of what the single-page app has. Builds for development have a page that shows its components.
fn pages() -> impl Iterator<Item = (&'static str, &'static str)> {
    let showcase = cfg!(debug_assertions).then_some((SHOWCASE, "Components"));
    Page::all().map(|page| (page.path(), page.name())).chain(showcase)
}

/// Routes of the page in `dir`. What is neither a page nor a file of `dir` is 404; if it could be the address of a page,
/// the app says so.
pub fn routes(dir: Option<PathBuf>) -> Router {
    let mut router = Router::new();
    for (path, name) in pages() {
        let dir = dir.clone();
        router =
            router.route(path, get(move |request: Request| visited(dir.clone(), Visit::of(&request), name)));
    }
    match dir {
        Some(dir) => {
            let shell_dir = dir.clone();
            // The build leaves a `.br` and a `.gz` beside every file that gets smaller by it.
            let files = ServeDir::new(dir)
                .append_index_html_on_directories(false)
                .precompressed_br()
                .precompressed_gzip();
            let missing_page = middleware::from_fn_with_state(shell_dir, answer_missing_page);
            let keep = middleware::from_fn(keep_hashed_files);
            router.fallback_service(ServiceBuilder::new().layer(missing_page).layer(keep).service(files))
        }
        None => router,
    }
}

/// Answers with the shell if there is no such page, and leads from a page's address with a slash too many to the page.
async fn answer_missing_page(State(dir): State<PathBuf>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || !is_like_a_page(request.uri().path()) {
        return next.run(request).await;
    }
    if let Some(page) = page_without_slash(request.uri().path()) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        return Redirect::permanent(&format!("{page}{query}")).into_response();
    }
    let visit = Visit::of(&request);
    let response = next.run(request).await;
    if response.status() != StatusCode::NOT_FOUND {
        return response;
    }
    // Which addresses are pages is not disclosed: the app leads visitors who are not signed in to the sign-in.
    let session = visit.session().unwrap_or("unknown");
    let mut page = shell(Some(dir), session, &visit.base, "memdeck").await;
    if page.status() != StatusCode::OK {
        return response;
    }
    *page.status_mut() = StatusCode::NOT_FOUND;
    page
}

/// Whether an address could be that of a page: files have an extension.
fn is_like_a_page(path: &str) -> bool {
    !path.rsplit('/').next().unwrap_or_default().contains('.')
}

/// The page that an address with slashes at its end means.
fn page_without_slash(path: &str) -> Option<&'static str> {
    let page = path.strip_suffix('/')?.trim_end_matches('/');
    pages().map(|(path, _)| path).chain(["/sign-in"]).find(|known| *known == page)
}

/// A file that carries a hash of its content in its name never changes: browsers may keep it. A 404 of a file that a
/// later build brings must not be kept.
async fn keep_hashed_files(request: Request, next: Next) -> Response {
    let hashed = is_hashed(request.uri().path());
    let is_worker = request.uri().path() == WORKER;
    let mut response = next.run(request).await;
    if is_worker {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(WORKER_POLICY));
    }
    if response.status() == StatusCode::OK {
        let cache = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    }
    // The same address has three forms, and a cache in between must not mix them up.
    response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
    response
}

/// Whether a name ends in `-` and the hash that the bundler appends, before `_bg` and the extension: a number of 64
/// bits in hexadecimal digits, without zeroes in front.
fn is_hashed(path: &str) -> bool {
    let stem = path.split('.').next().unwrap_or_default();
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    stem.rsplit_once('-').is_some_and(|(_, hash)| {
        HASH_DIGITS.contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// A visit of a page.
struct Visit {
    uri: Uri,
    headers: HeaderMap,
    standing: Standing,
    base: BasePath,
}

impl Visit {
    fn of(request: &Request) -> Self {
        let known = request.extensions();
        Self {
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            // The access sets it for every request.
            standing: known.get().cloned().unwrap_or(Standing::Stranger),
            base: known.get().cloned().unwrap_or_default(),
        }
    }

    /// What the page learns about the session; `None` if the operator must sign in first.
    fn session(&self) -> Option<&'static str> {
        match &self.standing {
            // Whoever signed in at the proxy signs out there.
            Standing::Open | Standing::Local | Standing::Vouched(_) => Some("none"),
            Standing::Bearer | Standing::Token(_) | Standing::SignedIn(..) => Some("signed-in"),
            Standing::NotAdmitted(_) => None,
            // Coming from a link on another site the browser sends no cookie even if it has one, and what it sends from a
            // neighbour, such as the provider at which somebody signed in, does not count. The page's own calls do, so it
            // finds out.
            Standing::Stranger | Standing::Metrics => {
                let is_of_others = |site: &HeaderValue| site == "cross-site" || site == "same-site";
                self.headers.get(SEC_FETCH_SITE).is_some_and(is_of_others).then_some("unknown")
            }
        }
    }
}

async fn visited(dir: Option<PathBuf>, visit: Visit, page: &str) -> Response {
    match visit.session() {
        Some(session) => shell(dir, session, &visit.base, page).await,
        None => Redirect::to(&NextPage::here(&visit.uri).sign_in_url()).into_response(),
    }
}

/// The shell, with what it may know about the session.
async fn shell(dir: Option<PathBuf>, session: &str, base: &BasePath, page: &str) -> Response {
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
            tracing::error!(%error, "the system returned no random numbers");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'self'; \
         form-action 'self'; frame-ancestors 'none'"
    );
    let html = html.replace(NONCE_MARK, &nonce).replace(SESSION_MARK, session).replace(PAGE_MARK, page);
    let html = with_base(html, base);
    let mut response = Html(html).into_response();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    // Stricter than `no-cache`: after signing out, the browser's Back shows nothing of what was on the page.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The shell with the address that its own are relative to, whatever page it is sent for.
fn with_base(html: String, base: &BasePath) -> String {
    let (before, after) = BASE_MARK;
    let mark = html.find(before).and_then(|start| {
        let end = html.get(start..)?.find(after)?;
        Some(start..start + end + after.len())
    });
    match mark {
        Some(mark) => {
            let mut html = html;
            html.replace_range(mark, &format!("<base href=\"{base}/\">"));
            html
        }
        None => html,
    }
}

/// Read anew for every request: a few KiB, and a page that was built meanwhile is the one that is shown.
async fn read_shell(dir: &Path) -> Option<String> {
    let path = dir.join("index.html");
    match memdeck_operations::blocking(move || std::fs::read_to_string(path)).await {
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
