//! The list of calls, so that none appears or disappears unnoticed, and what every answer carries.

use axum::http::StatusCode;

use crate::support::{TestApp, answer, get, http, post, routed_paths, send};

const UNKNOWN: &str = "there is no finished dump no-such-dump";

#[test]
fn the_pages_calls_are_these() {
    let mut paths: Vec<String> =
        server_fn::axum::server_fn_paths().map(|(path, method)| format!("{method} {path}")).collect();
    paths.sort();
    insta::assert_snapshot!(paths.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_calls_are_these() {
    let app = TestApp::start();
    let dashboard = [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/events",
        "/api/frozen-pause",
        "/api/hunts",
        "/api/memory-dumps/export.csv",
        "/api/memory-dumps/records",
        "/api/memory-dumps/stats",
        "/api/memory-dumps/status",
        "/api/memory-dumps/trends",
        "/api/schedules",
        "/api/telemetry/live-vms",
    ];
    for path in dashboard {
        assert_eq!(send(&app.dashboard, get(path)).await.status(), StatusCode::OK, "{path}");
    }
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/dumps",
        "/api/frozen-pause",
        "/api/records",
        "/api/deletions",
        "/api/verifications",
        "/api/guests",
    ] {
        assert_eq!(send(&app.agent, get(path)).await.status(), StatusCode::OK, "{path}");
    }
    for what in ["", "/image", "/manifest", "/inside", "/inspect", "/verify"] {
        for router in [&app.dashboard, &app.agent] {
            let (status, answer) =
                answer(router, get(&format!("/api/memory-dumps/no-such-dump{what}"))).await;
            assert_eq!((status, &answer["detail"]), (StatusCode::NOT_FOUND, &UNKNOWN.into()), "{what}");
        }
    }
    for path in ["/api/events", "/api/memory-dumps/stats", "/memory-dumps", "/"] {
        assert_eq!(send(&app.agent, get(path)).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_makes_no_text_is_refused_with_a_sentence() {
    let app = TestApp::start();
    let refused = |router, path| async move {
        let (status, refusal) = answer(router, get(path)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        refusal["detail"].as_str().unwrap().to_owned()
    };
    let paths = ["/api/memory-dumps/status/%ff", "/api/memory-dumps/%ff", "/api/memory-dumps/%ff/image"];
    for path in paths {
        let detail = refused(&app.dashboard, path).await;
        assert!(detail.starts_with("the path is not what this call takes: "), "{detail}");
    }
    let detail = refused(&app.agent, "/api/dumps/%ff").await;
    assert!(detail.starts_with("the path is not what this call takes: "), "{detail}");
    let detail = refused(&app.dashboard, "/api/events?last_event_id=a&last_event_id=b").await;
    assert!(detail.starts_with("the query is not what this call takes: "), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_the_page_that_cannot_be_read_is_refused_as_such() {
    let app = TestApp::start();
    for (call, body) in [
        ("records", "{"),
        ("records", "[]"),
        ("records", r#"{"query": {"limit": -1, "offset": 0}}"#),
        ("trigger", r#"{"request": {"vms": [1.5]}}"#),
        ("cancel", r#"{"dump_id": "../x"}"#),
    ] {
        let (status, problem) = answer(&app.dashboard, post(&format!("/api/ui/{call}"), body)).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &"invalid".into()), "{call} {body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("The request cannot be read: "), "{detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_every_route_carries_the_headers_of_a_careful_service() {
    let open = TestApp::start();
    let guarded = TestApp::start_with(http(&[("MEMDECK_TOKEN", "a token of some length")]).unwrap());
    let mut answers = Vec::new();
    for router in [&open.dashboard, &open.agent, &guarded.dashboard, &guarded.agent] {
        let paths = routed_paths(router);
        assert!(paths.len() > 6, "{paths:?}");
        let unrouted = ["/nothing.js".to_owned(), "/%2e%2e/secret".to_owned()];
        for path in
            paths.iter().chain(&unrouted).map(|path| path.replace("{*rest}", "x").replace(['{', '}'], ""))
        {
            answers.push((format!("GET {path}"), send(router, get(&path)).await));
            answers.push((format!("POST {path}"), send(router, post(&path, "{}")).await));
        }
        let mut stranger = get("/healthz");
        stranger.headers_mut().insert("host", "evil.example".parse().unwrap());
        answers.push(("a foreign name".to_owned(), send(router, stranger).await));
    }
    let statuses: std::collections::BTreeSet<u16> =
        answers.iter().map(|(_, answer)| answer.status().as_u16()).collect();
    assert!(
        [200, 303, 400, 401, 404, 405, 415, 421, 503].iter().all(|code| statuses.contains(code)),
        "{statuses:?}"
    );
    for (call, answer) in answers {
        let header = |name: &str| {
            let value = answer.headers().get(name).unwrap_or_else(|| panic!("{call} has no {name}"));
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-content-type-options"), "nosniff", "{call}");
        assert_eq!(header("x-frame-options"), "DENY", "{call}");
        assert_eq!(header("referrer-policy"), "same-origin", "{call}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{call}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{call}");
        assert!(header("permissions-policy").contains("camera=()"), "{call}");
        let policy = header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{call}"
        );
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{call}: {policy}");
        let foreign = answer.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
        assert_eq!(foreign, None, "{call}");
    }
}
