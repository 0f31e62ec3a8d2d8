//! The dashboard below a path of a reverse proxy's site.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::config::HttpConfig;
use memdeck::http::{Peer, below};

use crate::support::{HOST, TestApp, get, http, send};

const TOKEN: &str = "a token of some length";
const SHELL: &str = "<head><base href=./><title>x</title>";

/// A dashboard with a built page, and what is below the path that `variables` configure.
fn dashboard(variables: &[(&str, &str)]) -> (tempfile::TempDir, TestApp, Router) {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("index.html"), SHELL).unwrap();
    std::fs::write(site.path().join("memdeck-0123456789abcdef.js"), "export {}").unwrap();
    let http = HttpConfig { site_dir: Some(site.path().to_owned()), ..http(variables).unwrap() };
    let app = TestApp::start_with(http.clone());
    let router = below(app.dashboard.clone(), &http);
    (site, app, router)
}

async fn fetch(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = send(router, request).await.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_configured_path_pages_files_calls_and_redirects_work_whether_the_proxy_takes_it_off_or_not()
{
    let (_site, _app, router) = dashboard(&[("MEMDECK_BASE_PATH", "/memdeck/")]);
    for prefix in ["/memdeck", ""] {
        for (page, expected) in [
            ("/", StatusCode::OK),
            ("/memory-dumps?rows=50", StatusCode::OK),
            ("/nope/there", StatusCode::NOT_FOUND),
        ] {
            let (status, _, html) = fetch(&router, get(&format!("{prefix}{page}"))).await;
            assert_eq!(
                (status, html.as_str()),
                (expected, r#"<head><base href="/memdeck/"><title>x</title>"#)
            );
        }
        for path in ["/memdeck-0123456789abcdef.js", "/api/memory-dumps/stats", "/healthz"] {
            assert_eq!(
                fetch(&router, get(&format!("{prefix}{path}"))).await.0,
                StatusCode::OK,
                "{prefix}{path}"
            );
        }
        assert_eq!(fetch(&router, get(&format!("{prefix}/api/nope"))).await.0, StatusCode::NOT_FOUND);
    }
    let (status, headers, _) = fetch(&router, get("/memdeck/memory-dumps/?rows=50")).await;
    assert_eq!(
        (status, &headers["location"]),
        (StatusCode::PERMANENT_REDIRECT, &"/memdeck/memory-dumps?rows=50".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_signing_in_and_out_stays_there_and_so_does_the_cookie() {
    let (_site, _app, router) = dashboard(&[("MEMDECK_BASE_PATH", "/memdeck"), ("MEMDECK_TOKEN", TOKEN)]);
    let (status, headers, _) = fetch(&router, get("/memdeck/memory-dumps?rows=50")).await;
    let sign_in = "/memdeck/sign-in?next=%2Fmemory-dumps%3Frows%3D50";
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, sign_in));
    let (_, _, html) = fetch(&router, get(sign_in)).await;
    for part in
        [r#"href="/memdeck/memdeck.css""#, r#"action="/memdeck/sign-in?next=%2Fmemory-dumps%3Frows%3D50""#]
    {
        assert!(html.contains(part), "{part} is not in {html}");
    }

    let form = Request::post(sign_in)
        .header("host", HOST)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", format!("http://{HOST}"))
        .body(Body::from(format!("token={}", TOKEN.replace(' ', "+"))))
        .unwrap();
    let (status, headers, _) = fetch(&router, form).await;
    assert_eq!(
        (status, headers["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/memdeck/memory-dumps?rows=50")
    );
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Path=/memdeck;"), "{cookie}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_calls_says_below_which_path_they_are() {
    let (_site, app, router) = dashboard(&[("MEMDECK_BASE_PATH", "/memdeck")]);
    let described = |router: Router, path: &'static str| async move {
        let (status, _, json) = fetch(&router, get(path)).await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_str::<serde_json::Value>(&json).unwrap()
    };
    let below = described(router.clone(), "/memdeck/api/openapi.json").await;
    assert_eq!(below["servers"], serde_json::json!([{"url": "/memdeck"}]));
    let base = below["servers"][0]["url"].as_str().unwrap();
    let status = fetch(&router, get(&format!("{base}/api/memory-dumps/stats"))).await.0;
    assert!(below["paths"]["/api/memory-dumps/stats"].is_object() && status == StatusCode::OK);
    let mut at_the_root = described(app.dashboard.clone(), "/api/openapi.json").await;
    assert!(at_the_root.get("servers").is_none(), "no server is the root");
    at_the_root["servers"] = below["servers"].clone();
    assert_eq!(at_the_root, below);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_that_is_forwarded_counts_from_a_declared_proxy_only() {
    let (_site, _app, router) = dashboard(&[("MEMDECK_BEHIND_PROXY", "10.0.0.2")]);
    for (peer, prefix, base) in [
        ("10.0.0.2:4711", "/memdeck", "/memdeck/"),
        ("10.0.0.2:4711", "/evil, /memdeck/", "/memdeck/"),
        ("10.0.0.2:4711", "/\"><script>", "/"),
        ("10.0.0.2:4711", "//evil.example", "/"),
        ("127.0.0.1:4711", "/memdeck", "/"),
    ] {
        // An address without a page: anybody is shown the shell.
        let mut request = get("/nope");
        request.headers_mut().insert("x-forwarded-prefix", prefix.parse().unwrap());
        request.extensions_mut().insert(ConnectInfo(Peer::new(peer.parse().unwrap(), None)));
        let (status, _, html) = fetch(&router, request).await;
        let expected = format!(r#"<head><base href="{base}"><title>x</title>"#);
        assert_eq!((status, html), (StatusCode::NOT_FOUND, expected), "{peer} {prefix}");
    }
}

#[test]
fn a_base_path_that_is_none_is_refused_with_its_name() {
    for bad in ["memdeck", "/a b", "/../x"] {
        let error = http(&[("MEMDECK_BASE_PATH", bad)]).unwrap_err().to_string();
        assert!(error.contains("MEMDECK_BASE_PATH") && error.contains(bad), "{error}");
    }
}
