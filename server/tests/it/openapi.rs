//! The description of the calls: it is the one that is checked in, and every call of the routers is in it.
//!
//! `UPDATE_OPENAPI=1 cargo nextest run -p memdeck openapi` writes the files in `docs/` anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::Router;
use axum::http::StatusCode;
use serde_json::Value;

use crate::support::{TestApp, answer, get, routed_paths, text};

/// What is routed and not described: pages and forms, which no script calls, and what only says that nothing is there.
fn is_undescribed(path: &str) -> bool {
    matches!(
        path,
        "/" | "/memory-dumps" | "/ui" | "/sign-in" | "/sign-in.js" | "/sign-out" | "/api" | "/api/{*rest}"
    ) || path.starts_with("/api/ui/")
}

async fn described(router: &Router) -> Value {
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
            *request.method_mut() = "PUT".parse().unwrap();
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            let refused = crate::support::send(router, request).await;
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
