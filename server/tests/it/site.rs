//! The page's files.

use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::config::HttpConfig;
use memdeck_app::routes::Page;

use crate::support::{TestApp, get, send};

/// A built page: the shell and one hashed file.
fn built() -> (tempfile::TempDir, TestApp) {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("index.html"), r#"<script nonce="{{__TRUNK NONCE__}}"></script>"#)
        .unwrap();
    std::fs::write(site.path().join("app-0123456789abcdef.js"), "export {}").unwrap();
    std::fs::write(site.path().join("robots.txt"), "User-agent: *").unwrap();
    let site_dir = Some(site.path().to_owned());
    let app = TestApp::start_with(HttpConfig { site_dir, ..HttpConfig::default() });
    (site, app)
}

async fn fetch(app: &TestApp, path: &str) -> (StatusCode, HeaderMap, String) {
    let response = send(&app.dashboard, get(path)).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_has_an_address_and_its_shell_has_its_name() {
    let (site, app) = built();
    std::fs::write(site.path().join("index.html"), "<h1>{{MEMDECK PAGE}}</h1>").unwrap();
    for page in Page::all() {
        let (status, _, html) = fetch(&app, page.path()).await;
        assert_eq!((status, html), (StatusCode::OK, format!("<h1>{}</h1>", page.name())), "{page:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shell_has_a_nonce_of_its_own_that_its_policy_names() {
    let (_site, app) = built();
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let (status, headers, html) = fetch(&app, "/memory-dumps").await;
        assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &"no-store".parse().unwrap()));
        let nonce = html
            .strip_prefix(r#"<script nonce=""#)
            .unwrap()
            .strip_suffix(r#""></script>"#)
            .unwrap()
            .to_owned();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains(&format!("'nonce-{nonce}'")), "{policy}");
        assert!(!policy.contains("'unsafe-inline'") && !policy.contains("'unsafe-eval'"), "{policy}");
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_that_tabs_share_may_open_the_event_stream_and_nothing_else_may() {
    let (site, app) = built();
    std::fs::write(site.path().join("events.js"), "'use strict'").unwrap();
    let (status, headers, _) = fetch(&app, "/events.js?1").await;
    assert_eq!(
        (status, headers["content-security-policy"].to_str().unwrap()),
        (StatusCode::OK, "default-src 'none'; connect-src 'self'")
    );
    let (_, headers, _) = fetch(&app, "/app-0123456789abcdef.js").await;
    assert!(!headers["content-security-policy"].to_str().unwrap().contains("connect-src"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_says_what_its_addresses_are_relative_to() {
    let (site, app) = built();
    std::fs::write(site.path().join("index.html"), "<head><base href=./><title>x</title>").unwrap();
    for page in ["/memory-dumps", "/memory-dumps/nothing"] {
        let (_, _, html) = fetch(&app, page).await;
        assert_eq!(html, r#"<head><base href="/"><title>x</title>"#, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hashed_files_are_kept_and_missing_ones_are_404() {
    let (site, app) = built();
    let kept = "public, max-age=31536000, immutable";
    for (name, cache) in [
        ("app-0123456789abcdef.js", kept),
        // The hash is a number without zeroes in front.
        ("app-bf8fb6d935edbbe.js", kept),
        ("app-bf8fb6d935edbbe_bg.wasm", kept),
        ("app-face.js", "no-cache"),
        ("app-0123456789abcdef0.js", "no-cache"),
        ("app-0123456789abcdeg.js", "no-cache"),
        ("0123456789abcdef.js", "no-cache"),
    ] {
        std::fs::write(site.path().join(name), "export {}").unwrap();
        let (status, headers, _) = fetch(&app, &format!("/{name}")).await;
        assert_eq!((status, headers["cache-control"].to_str().unwrap()), (StatusCode::OK, cache), "{name}");
    }
    for missing in ["/app-ffffffffffffffff.js", "/nothing.txt", "/../Cargo.toml", "/%2e%2e/lock.db"] {
        let (status, headers, body) = fetch(&app, missing).await;
        assert_eq!((status, headers.get("cache-control")), (StatusCode::NOT_FOUND, None), "{missing}");
        assert_eq!(body, "", "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_exist_is_404_and_the_app_says_so() {
    let (_site, app) = built();
    for missing in ["/nope", "/memory-dumps/nothing", "/memory-dumps/nothing/", "/%2e%2e/lock"] {
        let (status, headers, body) = fetch(&app, missing).await;
        assert_eq!(
            (status, headers["cache-control"].to_str().unwrap()),
            (StatusCode::NOT_FOUND, "no-store"),
            "{missing}"
        );
        assert!(body.contains("<script nonce=") && !body.contains("TRUNK"), "{missing}: {body}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("'wasm-unsafe-eval'"),
            "{missing}"
        );
    }
    let (status, headers, body) = fetch(&app, "/api/nope").await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::NOT_FOUND, "application/json")
    );
    assert!(body.contains("detail"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_a_slash_at_its_end_leads_to_the_page() {
    let (_site, app) = built();
    for (asked, page) in [
        ("/memory-dumps/", "/memory-dumps"),
        ("/vms/?sort=cpu", "/vms?sort=cpu"),
        ("/memory-dumps//?rows=50", "/memory-dumps?rows=50"),
        ("/sign-in/", "/sign-in"),
    ] {
        let (status, headers, _) = fetch(&app, asked).await;
        assert_eq!(
            (status, headers["location"].to_str().unwrap()),
            (StatusCode::PERMANENT_REDIRECT, page),
            "{asked}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_sent_as_small_as_the_browser_can_read_them() {
    let (site, app) = built();
    let file = "app-0123456789abcdef.js";
    std::fs::write(site.path().join(format!("{file}.br")), "in brotli").unwrap();
    std::fs::write(site.path().join(format!("{file}.gz")), "in gzip").unwrap();
    for (accepted, encoding, body) in [
        ("gzip, deflate, br, zstd", Some("br"), "in brotli"),
        ("gzip", Some("gzip"), "in gzip"),
        ("br;q=0, gzip", Some("gzip"), "in gzip"),
        ("identity", None, "export {}"),
        ("", None, "export {}"),
    ] {
        let mut request = get(&format!("/{file}"));
        request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
        let response = send(&app.dashboard, request).await;
        let headers = response.headers().clone();
        let encoded = headers.get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!((response.status(), encoded), (StatusCode::OK, encoding), "{accepted}");
        assert_eq!(headers["content-type"], "text/javascript", "{accepted}");
        assert_eq!(headers["vary"], "accept-encoding", "{accepted}");
        assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable", "{accepted}");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), body, "{accepted}");
    }
    let (_, headers, _) = fetch(&app, "/robots.txt").await;
    assert_eq!(headers["cache-control"], "no-cache", "what has no hash is asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_built_says_what_to_do() {
    let app = TestApp::start();
    let (status, _, text) = fetch(&app, "/memory-dumps").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(text.contains("scripts/build"), "{text}");
}
