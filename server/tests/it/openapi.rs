//! The description of the calls: it is the one that is checked in, and every call of the routers is in it.
//!
//! `UPDATE_OPENAPI=1 cargo nextest run -p memdeck openapi` writes the files in `docs/` anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_app::routes::Page;
use memdeck_model::Actor;
use memdeck_model::schedule::{GuestChoice, Plan, When};
use serde_json::Value;

use crate::support::{HOST, TestApp, answer, get, routed_paths, send, text};

/// What is routed and not described: pages and forms, which no script calls, and what only says that nothing is there.
fn is_undescribed(path: &str) -> bool {
    matches!(path, "/ui" | "/sign-in" | "/sign-in.js" | "/sign-out" | "/api" | "/api/{*rest}")
        || path.starts_with("/api/ui/")
        || Page::all().any(|page| page.path() == path)
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

/// Resolves a reference.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => schema,
    }
}

/// Values that a parameter is described to take: each word of an enum, one of each format.
fn values_of(document: &Value, schema: &Value) -> Vec<String> {
    let schema = resolved(document, schema);
    if let Some(words) = schema["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().flat_map(|choice| values_of(document, choice)).collect();
    }
    let types = &schema["type"];
    let is = |name: &str| types == name || types.as_array().is_some_and(|all| all.contains(&name.into()));
    match schema["format"].as_str() {
        Some("date") => vec!["1969-07-20".to_owned()],
        Some("date-time") => vec!["2025-11-14T08:58:23.550273Z".to_owned()],
        _ if is("integer") => vec!["1".to_owned()],
        _ if is("null") => Vec::new(),
        _ => vec!["db".to_owned()],
    }
}

/// Bodies that the schema of that name is described to take.
fn bodies_of(document: &Value, schema: &Value) -> Vec<String> {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    let texts = |bodies: &[&str]| bodies.iter().map(|body| (*body).to_owned()).collect();
    match name {
        Some("TriggerRequest") => {
            let items = &document["components"]["schemas"]["TriggerRequest"];
            assert!(items.to_string().contains("VmRef"), "{items}");
            let kinds =
                resolved(document, &document["components"]["schemas"]["VmRef"])["oneOf"].as_array().unwrap();
            let example = |kind: &Value| if kind["type"] == "integer" { "2" } else { "\"web-01\"" };
            kinds.iter().map(|kind| format!("{{\"vms\": [{}]}}", example(kind))).collect()
        }
        Some("DeleteRequest") => texts(&[r#"{"confirm": "web-01"}"#]),
        Some("AddSchedule") => texts(&[
            r#"{"name": "local", "when": {"every": "hour", "minute": 5}, "guests": {"which": "all"}}"#,
        ]),
        Some("ChangeSchedule" | "Plan") => {
            texts(&[r#"{"when": {"every": "hour", "minute": 5}, "guests": {"which": "all"}}"#])
        }
        Some("SetPolicy" | "Policy") => {
            texts(&[r#"{"rules": []}"#, r#"{"rules": [{"guests": {"which": "all"}, "keep_last": 3}]}"#])
        }
        Some("AskHunt") => texts(&[r#"{"patterns": ["BusyBox"], "all": true}"#]),
        Some("AddHold") => texts(&[r#"{"of": {"case": "IR-1"}, "reason": "a court wants it"}"#]),
        Some("LiftHold") => texts(&[r#"{"reason": "the case is closed"}"#]),
        Some("NewAccount") => {
            texts(&[r#"{"name": "anna", "role": "operator", "password": "correct horse battery"}"#])
        }
        Some("AccountChange") => texts(&[r#"{"role": "viewer"}"#, r#"{"disabled": true}"#]),
        Some("PasswordChange") => {
            texts(&[r#"{"present": "correct horse battery", "new": "staple horse battery"}"#])
        }
        Some("NewApiToken") => texts(&[r#"{"name": "ci", "role": "viewer"}"#]),
        Some("NewTarget") => {
            texts(&[r#"{"name": "night", "address": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}}"#])
        }
        Some("TargetChange") => {
            texts(&[r#"{"address": {"kind": "webhook", "url": "http://127.0.0.1:9/other"}}"#])
        }
        Some("NewRule") => texts(&[r#"{"target": "ops"}"#]),
        Some("OnBehalf") => texts(&["{}", r#"{"by": "a test"}"#]),
        None => schema["oneOf"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["type"] != "null")
            .flat_map(|one| bodies_of(document, one))
            .collect(),
        Some(other) => panic!("no example of {other}: add one"),
    }
}

/// Everything that one operation is described to take: address, content type and body.
fn described_calls(
    document: &Value,
    (method, path): (&str, &str),
    operation: &Value,
) -> Vec<(String, Option<&'static str>, String)> {
    let mut queries = Vec::new();
    let mut required = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        if parameter["in"] == "query" {
            let values = match parameter["example"].as_str() {
                Some(example) => vec![example.to_owned()],
                None => values_of(document, &parameter["schema"]),
            };
            assert!(!values.is_empty(), "{path} {parameter}");
            queries.extend(values.iter().map(|value| format!("{name}={value}")));
            if parameter["required"] == true {
                required.push((name, format!("{name}={}", values[0])));
            }
        }
    }
    // Each parameter alone, with those that must not be missing.
    let with_required = |query: &str| {
        let missing = required.iter().filter(|(name, _)| !query.starts_with(&format!("{name}=")));
        let parts: Vec<&str> = missing.map(|(_, part)| part.as_str()).chain(Some(query)).collect();
        let query = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    };
    queries.push(String::new());
    let addresses: Vec<String> = queries.iter().map(|query| with_required(query)).collect();
    let body = &operation["requestBody"];
    let no_body = if method == "get" {
        &[None][..]
    } else {
        &[None, Some("application/json"), Some("text/plain"), Some("application/x-www-form-urlencoded")]
    };
    let mut calls = Vec::new();
    for address in addresses {
        if body["required"] != true {
            let without = no_body.iter().map(|content_type| (address.clone(), *content_type, String::new()));
            calls.extend(without);
        }
        if body.is_object() {
            let bodies = bodies_of(document, &body["content"]["application/json"]["schema"]);
            calls.extend(bodies.into_iter().map(|body| (address.clone(), Some("application/json"), body)));
        }
    }
    calls
}

/// Every call about schedules finds the one that is called `local`, and the one that makes it does not.
fn make_schedule(app: &TestApp, is_to_be_made: bool) {
    let name = "local".parse().unwrap();
    app.catalog.remove_schedule(&name).unwrap();
    if !is_to_be_made {
        let plan = Plan::of(When::Hour { minute: 5 }, GuestChoice::All);
        app.catalog.add_schedule(&name, &plan, &Actor::Page, app.operations.now()).unwrap();
    }
}

/// Calls about things whose number nobody chooses. Tests of their own make them; here they are told that there is none.
const OF_THINGS_NOT_MADE: &[&str] = &[
    "/api/me/password",
    "/api/sessions/{id}",
    "/api/hunts/{id}",
    "/api/hunts/{id}/cancel",
    "/api/hunts/{id}/hits",
    "/api/hunts/{id}/hits.csv",
    "/api/notifications/rules/{id}",
    "/api/notifications/log/{id}/retry",
];

/// Every call about accounts, tokens and targets finds the one that is called `local`, and the one that makes it does not.
async fn make_what_is_called_local(router: &Router, path: &str) {
    let making = [
        ("/api/users", r#"{"name": "local", "role": "viewer", "password": "correct horse battery"}"#),
        ("/api/tokens", r#"{"name": "local", "role": "viewer"}"#),
        (
            "/api/notifications/targets",
            r#"{"name": "local", "address": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}}"#,
        ),
        (
            "/api/notifications/targets",
            r#"{"name": "ops", "address": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}}"#,
        ),
    ];
    for (start, body) in making {
        let is_of_rules = path == "/api/notifications/rules" && body.contains("ops");
        if path.strip_prefix(start).is_some_and(|rest| rest.starts_with('/')) || is_of_rules {
            // Where it is there already, this is a conflict.
            send(router, call("POST", start, Some("application/json"), body)).await;
        }
    }
}

fn call(method: &str, address: &str, content_type: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(address).header("host", HOST);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    let body = if body.is_empty() { Body::empty() } else { Body::from(body.to_owned()) };
    request.body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_takes_what_is_described_and_answers_as_is_described() {
    for is_agent in [false, true] {
        let (app, _) = TestApp::measuring(1).await;
        let router = if is_agent { &app.agent } else { &app.dashboard };
        let document = described(router).await;
        let (kept, _) = app.dumped("web-01").await;
        let mut refused = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (address, content_type, body) in described_calls(&document, (method, path), operation) {
                    // Some calls delete it.
                    let changes = method != "get" && path.contains("{dump_id}");
                    let dump_id = if changes { app.dumped("web-01").await.0 } else { kept.clone() };
                    if path.starts_with("/api/schedules") {
                        make_schedule(&app, path == "/api/schedules");
                    }
                    make_what_is_called_local(router, path).await;
                    let address = address
                        .replace("{dump_id}", &dump_id)
                        .replace("{other_id}", &dump_id)
                        .replace("{address}", "0x0")
                        .replace("{name}", "local")
                        .replace("{id}", "1")
                        .replace("{vm}", "web-01")
                        .replace("{vm_id}", "vm-0");
                    let method = method.to_uppercase();
                    let answered = send(router, call(&method, &address, content_type, &body)).await;
                    let status = answered.status();
                    let is_described = operation["responses"].get(status.as_str()).is_some();
                    // What is read to its end holds no place among the downloads any more; the events have no end.
                    if path != "/api/events" {
                        answered.into_body().collect().await.unwrap();
                    }
                    // There is none of that name, and the call says so.
                    let is_about_none = is_described
                        && matches!(status, StatusCode::NOT_FOUND | StatusCode::CONFLICT)
                        && OF_THINGS_NOT_MADE.contains(&path.as_str());
                    if is_about_none {
                        continue;
                    }
                    if !status.is_success() || !is_described {
                        refused.push(format!("{status}: {method} {address} {content_type:?} {body}"));
                    }
                    if body.contains("vms") {
                        app.ended(1).await;
                    }
                    // Few images are verified at the same time.
                    let verifies = method == "POST" && path.ends_with("/verify");
                    while verifies && answer(router, get(&address)).await.1["state"] == "running" {
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
        assert_eq!(refused, [""; 0]);
    }
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
