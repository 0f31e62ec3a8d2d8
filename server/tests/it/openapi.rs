//! The description of the calls: it is the one that is checked in, and every call of the routers is in it.
//!
//! `UPDATE_OPENAPI=1 cargo nextest run -p memdeck openapi` writes the files in `docs/` anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_app::routes::Page;
use serde_json::Value;

use crate::support::{HOST, TestApp, answer, get, routed_paths, send, text};

/// What is routed and not described: pages and forms, which no script calls, the way in of agents, who speak something else there,
/// and what only says that nothing is there.
fn is_undescribed(path: &str) -> bool {
    matches!(path, "/ui" | "/sign-out" | "/api/agents/dial" | "/api" | "/api/{*rest}")
        || path.starts_with("/sign-in")
        || path.starts_with("/api/ui/")
        || Page::all().any(|page| page.path() == path)
}

pub async fn described(router: &Router) -> Value {
    let (status, document) = answer(router, get("/api/openapi.json")).await;
    assert_eq!(status, StatusCode::OK);
    document
}

fn paths(document: &Value) -> BTreeSet<String> {
    document["paths"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_routers_is_described_and_nothing_else_is() {
    let app = TestApp::start();
    for router in [&app.dashboard, &app.agent] {
        let routed = routed_paths(router).into_iter().filter(|path| !is_undescribed(path));
        assert_eq!(paths(&described(router).await), routed.collect());
    }
    assert!(routed_paths(&app.dashboard).iter().any(|path| path == "/api/memory-dumps/status/{vm}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_described_methods_are_those_that_are_taken() {
    let app = TestApp::start();
    for router in [&app.dashboard, &app.agent] {
        for (path, item) in described(router).await["paths"].as_object().unwrap() {
            let described: BTreeSet<_> =
                item.as_object().unwrap().keys().map(|name| name.to_uppercase()).collect();
            let mut request = get(path);
            // Of all methods one that no call takes.
            *request.method_mut() = "PROPFIND".parse().unwrap();
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            let refused = send(router, request).await;
            assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
            let allowed = refused.headers()["allow"].to_str().unwrap();
            let taken: BTreeSet<_> =
                allowed.split(',').filter(|name| *name != "HEAD").map(str::to_owned).collect();
            assert_eq!(described, taken, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_leads_somewhere_and_every_call_says_what_it_does() {
    let app = TestApp::start();
    for router in [&app.dashboard, &app.agent] {
        let document = described(router).await;
        let mut references = BTreeSet::new();
        collect_references(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
        }
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let summary = operation["summary"].as_str().unwrap_or_default();
                assert!(!summary.is_empty() && !summary.contains('\n'), "{method} {path}: {summary:?}");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.values().all(|one| one["description"].is_string()), "{method} {path}");
                assert!(operation["responses"]["default"].is_object(), "{method} {path} tells no errors");
            }
        }
    }
}

/// A request of this method, with that body.
pub fn call(method: &str, address: &str, content_type: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(address).header("host", HOST);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let body = if body.is_empty() { Body::empty() } else { Body::from(body.to_owned()) };
    request.body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_call_does_not_take_is_405_whatever_it_carries() {
    let app = TestApp::start();
    for router in [&app.dashboard, &app.agent] {
        for path in routed_paths(router) {
            if matches!(path.as_str(), "/api" | "/api/{*rest}") {
                continue;
            }
            let address = path.replace(['{', '}'], "");
            let allowed = send(router, call("PROPFIND", &address, None, "")).await;
            // A service without a page has none at this address.
            if path == "/" && allowed.status() == StatusCode::NOT_FOUND {
                continue;
            }
            let allow =
                allowed.headers().get("allow").unwrap_or_else(|| panic!("PROPFIND {path} has no Allow"));
            let allow = allow.to_str().unwrap().to_owned();
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                if allow.split(',').any(|taken| taken.trim() == method) {
                    continue;
                }
                for (content_type, body) in
                    [(None, ""), (None, "x"), (Some("text/plain"), "x"), (Some("application/json"), "{}")]
                {
                    let answer = send(router, call(method, &address, content_type, body)).await;
                    assert_eq!(
                        answer.status(),
                        StatusCode::METHOD_NOT_ALLOWED,
                        "{method} {path} {content_type:?}"
                    );
                    assert_eq!(answer.headers()["allow"], allow.as_str(), "{method} {path}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_recommends_nothing_that_it_does_not_take() {
    let app = TestApp::start();
    let refusal = |router, path| async move {
        let (status, refusal) = answer(router, call("POST", path, Some("application/json"), "{}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        refusal["detail"].as_str().unwrap().to_owned()
    };
    let names = r#"name at least one VM in "vm_ids" (or "vms")"#;
    assert_eq!(refusal(&app.agent, "/api/dumps").await, names);
    let with_all = format!(r#"{names}, or ["all"] for every running VM"#);
    assert_eq!(refusal(&app.dashboard, "/api/memory-dumps/trigger").await, with_all);
}

fn collect_references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                into.insert(reference.clone());
            }
            fields.values().for_each(|value| collect_references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, into)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_descriptions_that_are_checked_in_are_current() {
    let app = TestApp::start();
    for (router, name) in [(&app.dashboard, "openapi.json"), (&app.agent, "openapi-agent.json")] {
        let current = text(router, get("/api/openapi.json")).await.1 + "\n";
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, &current).unwrap();
        }
        let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            checked_in == current,
            "docs/{name} is not current: UPDATE_OPENAPI=1 cargo nextest run -p memdeck openapi"
        );
    }
}
