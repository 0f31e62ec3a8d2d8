//! The list of calls, so that none appears or disappears unnoticed.

use axum::http::StatusCode;

use crate::support::{TestApp, answer, get, post, send};

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
        "/api/events",
        "/api/memory-dumps/export.csv",
        "/api/memory-dumps/records",
        "/api/memory-dumps/stats",
        "/api/memory-dumps/status",
        "/api/telemetry/live-vms",
    ];
    for path in dashboard {
        assert_eq!(send(&app.dashboard, get(path)).await.status(), StatusCode::OK, "{path}");
    }
    for path in ["/healthz", "/api/dumps", "/api/records", "/api/deletions", "/api/guests"] {
        assert_eq!(send(&app.agent, get(path)).await.status(), StatusCode::OK, "{path}");
    }
    for what in ["", "/image", "/manifest", "/inspect", "/verify"] {
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
