//! Every call, asked with everything that its description says it takes, answers as is described.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use memdeck_model::Actor;
use memdeck_model::schedule::{GuestChoice, Plan, When};
use serde_json::Value;

use crate::openapi::{call, described};
use crate::support::{TestApp, answer, get, send};

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
        Some("MakeArchive") => texts(&[r#"{"deleted": true, "guest": "no-such-guest", "by": "a test"}"#]),
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
        Some("AddHost") => texts(&[r#"{"name": "kvm-09", "url": "http://127.0.0.1:9"}"#]),
        Some("AddHold") => texts(&[r#"{"of": {"case": "IR-1"}, "reason": "a court wants it"}"#]),
        Some("LiftHold") => texts(&[r#"{"reason": "the case is closed"}"#]),
        Some("NewAccount") => {
            texts(&[r#"{"name": "anna", "role": "operator", "password": "correct horse battery"}"#])
        }
        Some("AccountChange") => texts(&[r#"{"role": "viewer"}"#, r#"{"disabled": true}"#]),
        Some("PasswordChange") => {
            texts(&[r#"{"present": "correct horse battery", "new": "staple horse battery"}"#])
        }
        Some("NewGroup") => texts(&[r#"{"name": "south", "guests": ["web-*", "kvm-01/*"]}"#]),
        Some("GroupChange") => texts(&[r#"{"guests": []}"#]),
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
    // Records that may be archived.
    "/api/archives",
    // A case for which no dump was taken.
    "/api/custody",
    "/api/me/password",
    "/api/sessions/{id}",
    // This machine, which was not added.
    "/api/hosts/{name}",
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
        ("/api/groups", r#"{"name": "local", "guests": ["web-*"]}"#),
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

/// Calls that change nothing, whatever their method.
const UNNOTED: &[&str] =
    &["POST /api/archives/preview", "POST /api/retention/preview", "POST /api/schedule-preview"];
const UNNOTED_BY_AGENTS: &[&str] = &["POST /api/archives/preview"];

#[tokio::test(flavor = "multi_thread")]
async fn every_call_takes_what_is_described_and_answers_as_is_described() {
    for is_agent in [false, true] {
        let (app, _) = TestApp::measuring(1).await;
        let router = if is_agent { &app.agent } else { &app.dashboard };
        let document = described(router).await;
        let (kept, _) = app.dumped("web-01").await;
        let mut refused = Vec::new();
        let mut unnoted = BTreeSet::new();
        let mut noted = BTreeSet::new();
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
                    let before = app.catalog.audit_head().unwrap();
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
                    if method != "GET" && status.is_success() {
                        let is_noted = app.catalog.audit_head().unwrap() != before;
                        (if is_noted { &mut noted } else { &mut unnoted }).insert(format!("{method} {path}"));
                    }
                    // The other calls are about one host.
                    if body.contains("kvm-09") {
                        send(router, call("DELETE", "/api/hosts/kvm-09", None, "")).await;
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
        // Whatever changes something is in the audit. Asked again, some calls find that there is nothing left to do. What goes
        // on by itself, such as a verification, may be noted meanwhile.
        let known = if is_agent { UNNOTED_BY_AGENTS } else { UNNOTED };
        let is_new = |call: &&str| !known.contains(call);
        let unnoted: Vec<_> = unnoted.difference(&noted).map(String::as_str).filter(is_new).collect();
        assert_eq!(unnoted, [""; 0]);
    }
}
