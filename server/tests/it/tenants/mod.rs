//! Groups that share a memdeck: what each call tells somebody of one of them, and that nothing in it is of another.

mod groups;
mod live;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::{ByteCount, GuestSelector, Need, NewApiToken, Role, Service};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{TestApp, answer, delete, get, http, post, send, trusted};

const TOKEN: &str = "a token of some length";
/// A dump and a hunt that nobody has.
const NOBODYS: &str = "00000000-0000-4000-8000-00000000dead";

fn guarded() -> TestApp {
    TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap())
}

fn selectors(texts: &[&str]) -> Vec<GuestSelector> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn by(mut request: Request<Body>, token: &str) -> Request<Body> {
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A token of somebody who may do everything with these guests and sees no others.
async fn token(app: &TestApp, name: &str, guests: &[&str]) -> String {
    let new = NewApiToken {
        name: name.parse().unwrap(),
        role: Role::Admin,
        rights: None,
        guests: Some(selectors(guests)),
        expires_in_days: None,
    };
    app.accounts.make_token(new, &trusted()).await.unwrap().token
}

async fn ask(app: &TestApp, token: &str, request: Request<Body>) -> (StatusCode, Value) {
    answer(&app.dashboard, by(request, token)).await
}

/// A finished dump that the holder of `token` asked for.
async fn dumped(app: &TestApp, token: &str, vm: &str) -> String {
    let body = json!({"vms": [vm]}).to_string();
    let (status, told) = ask(app, token, post("/api/memory-dumps/trigger", &body)).await;
    assert_eq!((status, &told["vm_ids"]), (StatusCode::OK, &json!([vm])), "{told}");
    app.ended(1).await.remove(0).record.expect("the dump succeeds").dump_id.unwrap().to_string()
}

async fn uuid_of(app: &TestApp, name: &str) -> String {
    let (_, guests) = ask(app, TOKEN, get("/api/guests")).await;
    let guest = guests.as_array().unwrap().iter().find(|guest| guest["name"] == name).unwrap();
    guest["uuid"].as_str().unwrap().to_owned()
}

/// Whose dumps and hunt a call is about.
struct Named {
    dumps: [String; 2],
    hunt: String,
    vm: String,
}

/// What the page sends when it looks at something; `None` for calls that change something, which are asked elsewhere.
fn arguments(name: &str, of: &Named) -> Option<Value> {
    let [first, second] = &of.dumps;
    Some(match name {
        "activity" | "dumps" | "guests" | "holds" | "hunts" | "last-dumps" | "me" | "overview"
        | "record-hosts" | "session" | "sessions" => json!({}),
        "compare" => {
            json!({"first": first, "second": second, "view": {"from": 0, "until": 1 << 20, "cells": 16}})
        }
        "compare-inside" => json!({"first": first, "second": second, "begin": false}),
        "compare-page" => json!({"first": first, "second": second, "address": 0}),
        "details" => json!({"dump_id": first, "with_image": true}),
        "hunt" => json!({"id": of.hunt}),
        "hunt-hits" => json!({"id": of.hunt, "after": 0, "limit": 10}),
        "inside" | "verification" => json!({"dump_id": first, "begin": false}),
        "records" => {
            json!({"query": {"filter": {}, "sort": {"by": "timestamp", "order": "desc"}, "limit": 50,
                            "offset": 0}})
        }
        "timeline" => json!({"guest": of.vm}),
        "trends" => json!({"range": {"from": "2025-11-01T00:00:00Z", "to": "2025-12-01T00:00:00Z"}}),
        // What is measured (`series`) has a test of its own.
        "cancel" | "cancel-hunt" | "change-password" | "delete-image" | "end-session" | "remove-hunt"
        | "request-hunt" | "series" | "trigger" => return None,
        _ => panic!("say what the page sends as {name}"),
    })
}

/// Every call that is open to somebody who sees only some guests and that changes nothing.
fn looks(of: &Named) -> Vec<(String, Request<Body>)> {
    let mut looks = Vec::new();
    for (method, path, need) in Service::Dashboard.calls() {
        let is_open = Service::Dashboard.is_open_to_limited(method, &path) && need != Need::Nothing;
        // What is measured and the stream of events have tests of their own, and the description is the same for all.
        if !is_open
            || path.starts_with("/api/telemetry/") && path != "/api/telemetry/vms"
            || ["/api/events", "/api/openapi.json"].contains(&path.as_str())
        {
            continue;
        }
        let what = format!("{method} {path}");
        if let Some(name) = path.strip_prefix("/api/ui/") {
            let arguments = arguments(name, of);
            looks.extend(arguments.map(|arguments| (what, post(&path, &arguments.to_string()))));
        } else if method == "GET" {
            let path = path.replace("{dump_id}", &of.dumps[0]).replace("{other_id}", &of.dumps[1]);
            let path = path.replace("{id}", &of.hunt).replace("{vm}", &of.vm).replace("{address}", "0");
            assert!(!path.contains('{'), "{path}");
            looks.push((what, get(&path)));
        }
    }
    looks
}

/// Status, headers and text of an answer, of images their length and hash; without the name of the request.
async fn told(app: &TestApp, request: Request<Body>) -> (StatusCode, String) {
    let response = send(&app.dashboard, request).await;
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec())
        .unwrap_or_else(|_| format!("{} bytes, {:?}", bytes.len(), Sha256::digest(&bytes)));
    let id = head.headers["x-request-id"].to_str().unwrap();
    let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let told = ["content-disposition", "etag", "content-range", "x-memdeck-omitted"].map(header);
    (head.status, format!("{told:?} {text}").replace(id, "<request>"))
}

/// What each of them is answered.
async fn answers(app: &TestApp, token: &str, of: &Named) -> Vec<(String, StatusCode, String)> {
    let mut answers = Vec::new();
    for (what, request) in looks(of) {
        let (status, text) = told(app, by(request, token)).await;
        answers.push((what, status, text));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_to_one_group_is_another_one_after_whatever_another_group_did() {
    let app = guarded();
    let north = token(&app, "north", &["web-*"]).await;
    let south = token(&app, "south", &["db-01"]).await;
    let dumps = [dumped(&app, &north, "web-01").await, dumped(&app, &north, "web-01").await];
    let hunt = json!({"patterns": ["no such text"], "all": true}).to_string();
    let (status, hunt) = ask(&app, &north, post("/api/hunts", &hunt)).await;
    assert_eq!((status, &hunt["dump_count"]), (StatusCode::ACCEPTED, &json!(2)), "{hunt}");
    app.operations.hunt_round().await.unwrap();
    let of = Named { dumps, hunt: hunt["id"].as_str().unwrap().to_owned(), vm: "web-01".to_owned() };
    let before = answers(&app, &north, &of).await;
    for (what, status, body) in &before {
        assert_eq!(*status, StatusCode::OK, "what is refused says nothing here: {what}: {body}");
    }
    assert!(before.len() > 35, "{}", before.len());

    // What south does: it dumps, verifies, compares, hunts, looks inside, fails, cancels.
    let theirs = dumped(&app, &south, "db-01").await;
    let path = format!("/api/memory-dumps/{theirs}");
    assert_eq!(ask(&app, &south, post(&format!("{path}/verify"), "{}")).await.0, StatusCode::ACCEPTED);
    assert!(ask(&app, &south, post(&format!("{path}/inside"), "{}")).await.0.is_success());
    let hunt = json!({"patterns": ["secret of south"], "all": true}).to_string();
    assert_eq!(ask(&app, &south, post("/api/hunts", &hunt)).await.0, StatusCode::ACCEPTED);
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let (_, begun) = ask(&app, &south, post("/api/memory-dumps/trigger", r#"{"vms": ["db-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("db-01");
    let running = answers(&app, &north, &of).await;
    let active = begun["dumps"][0]["dump_id"].as_str().unwrap();
    let cancel = post(&format!("/api/memory-dumps/cancel/{active}"), "{}");
    assert_eq!(ask(&app, &south, cancel).await.0, StatusCode::ACCEPTED);
    app.ended(1).await;
    let gone = dumped(&app, &south, "db-01").await;
    let deletion = delete(&format!("/api/memory-dumps/{gone}"), r#"{"confirm": "db-01"}"#);
    assert_eq!(ask(&app, &south, deletion).await.0, StatusCode::OK);
    drop(app.hypervisor.add_guest("db-02", ByteCount::from_mib(1)));

    for after in [running, answers(&app, &north, &of).await] {
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after);
            for secret in ["db-0", theirs.as_str(), active, gone.as_str(), "secret of south", "south"] {
                assert!(!after.2.contains(secret), "{secret} in {after:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_group_has_is_answered_about_as_what_nobody_has() {
    let app = guarded();
    let north = token(&app, "north", &["web-*"]).await;
    let south = token(&app, "south", &["db-01"]).await;
    let theirs = [dumped(&app, &south, "db-01").await, dumped(&app, &south, "db-01").await];
    let hunt = json!({"patterns": ["no such text"], "all": true}).to_string();
    let (_, hunt) = ask(&app, &south, post("/api/hunts", &hunt)).await;
    let hunt = hunt["id"].as_str().unwrap().to_owned();
    app.operations.hunt_round().await.unwrap();
    let [first, second] = theirs.clone();
    let hidden = Named { dumps: theirs, hunt: hunt.clone(), vm: "db-01".to_owned() };
    let unknown = Named {
        dumps: [NOBODYS.to_owned(), NOBODYS.replace("dead", "beef")],
        hunt: NOBODYS.to_owned(),
        vm: "xx-01".to_owned(),
    };
    let alike = |text: &str| {
        let text = text.replace(&first, NOBODYS).replace(&second, &unknown.dumps[1]);
        text.replace(&hunt, NOBODYS).replace("db-01", "xx-01")
    };
    let (of_hidden, of_unknown) =
        (answers(&app, &north, &hidden).await, answers(&app, &north, &unknown).await);
    for ((what, status, body), (_, unknown_status, unknown_body)) in of_hidden.iter().zip(&of_unknown) {
        assert_eq!((status, alike(body)), (unknown_status, unknown_body.clone()), "{what}");
    }
    let is_about_one = |what: &str| {
        what.contains('{')
            || ["details", "hunt", "inside", "timeline", "verification"]
                .iter()
                .any(|name| what.ends_with(name))
    };
    let refused = of_hidden.iter().filter(|(what, ..)| is_about_one(what));
    for (what, status, _) in refused {
        assert_eq!(*status, StatusCode::NOT_FOUND, "{what}");
    }

    // And what would change something.
    let uuid = uuid_of(&app, "db-01").await;
    let calls = |dump_id: &str, other: &str, hunt: &str, vm: &str, uuid: &str| {
        let dump = format!("/api/memory-dumps/{dump_id}");
        let ui = |name: &str, body: Value| post(&format!("/api/ui/{name}"), &body.to_string());
        vec![
            post("/api/memory-dumps/trigger", &json!({"vms": [vm]}).to_string()),
            post("/api/memory-dumps/trigger", &json!({"vms": [uuid]}).to_string()),
            post("/api/memory-dumps/trigger", &json!({"vms": ["web-01", vm]}).to_string()),
            post("/api/memory-dumps/trigger", &json!({"vms": [format!("local/{vm}")]}).to_string()),
            post(&format!("/api/memory-dumps/cancel/{dump_id}"), "{}"),
            post(&format!("{dump}/verify"), "{}"),
            post(&format!("{dump}/inside"), "{}"),
            delete(&dump, &json!({"confirm": vm}).to_string()),
            delete(&dump, r#"{"confirm": "wrong"}"#),
            post("/api/hunts", &json!({"patterns": ["x"], "dump_ids": [dump_id]}).to_string()),
            post("/api/hunts", &json!({"patterns": ["x"], "guests": [vm]}).to_string()),
            post("/api/hunts", &json!({"patterns": ["x"], "all": true}).to_string()),
            post(&format!("/api/hunts/{hunt}/cancel"), "{}"),
            delete(&format!("/api/hunts/{hunt}"), "{}"),
            get(&format!("/api/memory-dumps/status/{dump_id}")),
            get(&format!("/api/memory-dumps/status/{uuid}")),
            ui("trigger", json!({"request": {"vms": [uuid]}})),
            ui("cancel", json!({"dump_id": dump_id})),
            ui("verification", json!({"dump_id": dump_id, "begin": true})),
            ui("inside", json!({"dump_id": dump_id, "begin": true})),
            ui("delete-image", json!({"dump_id": dump_id, "confirm": vm})),
            ui(
                "compare",
                json!({"first": dump_id, "second": other, "view": {"from": 0, "until": 4096, "cells": 1}}),
            ),
            ui("request-hunt", json!({"hunt": {"patterns": ["x"], "dump_ids": [dump_id]}})),
            ui("cancel-hunt", json!({"id": hunt})),
            ui("remove-hunt", json!({"id": hunt})),
        ]
    };
    let of_hidden = calls(&first, &second, &hunt, "db-01", &uuid);
    let of_unknown = calls(NOBODYS, &unknown.dumps[1], NOBODYS, "xx-01", &NOBODYS.replace("dead", "0bad"));
    for (hidden, unknown) in of_hidden.into_iter().zip(of_unknown) {
        let what = format!("{} {}", hidden.method(), hidden.uri());
        let (status, body) = told(&app, by(hidden, &north)).await;
        let (unknown_status, unknown_body) = told(&app, by(unknown, &north)).await;
        let alike = alike(&body).replace(&uuid, &NOBODYS.replace("dead", "0bad"));
        assert_eq!((status, alike), (unknown_status, unknown_body), "{what}");
        assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
    }
    let (_, records) = ask(&app, &south, get("/api/memory-dumps/records")).await;
    assert_eq!(records["total"], 2, "nothing was dumped, deleted or taken");
    assert!(records["records"][0]["deleted_at"].is_null(), "{records}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_asks_for_all_gets_their_own_and_is_told_of_no_others() {
    let app = guarded();
    drop(app.hypervisor.add_guest("web-02", ByteCount::from_mib(1)));
    let north = token(&app, "north", &["web-*"]).await;
    let (status, told) = ask(&app, &north, post("/api/memory-dumps/trigger", r#"{"vms": ["all"]}"#)).await;
    assert_eq!((status, &told["vm_ids"]), (StatusCode::OK, &json!(["web-01", "web-02"])), "{told}");
    assert_eq!(told["omitted"], json!([]), "{told}");
    app.ended(2).await;
    let (_, records) = ask(&app, TOKEN, get("/api/memory-dumps/records")).await;
    assert_eq!(records["total"], 2);
    let nobody = token(&app, "nobody", &["mail-*"]).await;
    let (status, told) = ask(&app, &nobody, post("/api/memory-dumps/trigger", r#"{"vms": ["all"]}"#)).await;
    let none = "none of your VMs is running; start one, or name a paused one";
    assert_eq!((status, &told["detail"]), (StatusCode::CONFLICT, &json!(none)), "{told}");
    let (_, status) = ask(&app, &north, get("/api/memory-dumps/status/web-02")).await;
    assert_eq!(status["guest"], "web-02");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_meant_by_uuid_and_host_too() {
    let app = guarded();
    let uuid = uuid_of(&app, "db-01").await;
    let (_, dumped) = (dumped(&app, TOKEN, "web-01").await, dumped(&app, TOKEN, "db-01").await);
    let (_, all) = ask(&app, TOKEN, get("/api/memory-dumps/records")).await;
    let host = all["records"][0]["host"].as_str().unwrap().to_owned();
    for (name, selector, seen) in [
        ("uuid", uuid.to_ascii_uppercase(), 1),
        ("uuid-there", format!("{host}/{uuid}"), 1),
        ("uuid-elsewhere", format!("elsewhere/{uuid}"), 0),
        ("host", format!("{host}/*"), 2),
        ("other-host", "elsewhere/*".to_owned(), 0),
        ("on-host", format!("{host}/db-*"), 1),
    ] {
        let token = token(&app, name, &[&selector]).await;
        let (_, records) = ask(&app, &token, get("/api/memory-dumps/records")).await;
        let (_, guests) = ask(&app, &token, get("/api/guests")).await;
        let (_, sums) = ask(&app, &token, get("/api/memory-dumps/stats")).await;
        let counts = [&records["total"], &sums["total_dumps"], &sums["total_vms"]];
        assert_eq!(counts, [&json!(seen), &json!(seen), &json!(seen)], "{selector}");
        assert_eq!(guests.as_array().unwrap().len(), seen, "{selector}");
        let (status, _) = ask(&app, &token, get(&format!("/api/memory-dumps/{dumped}"))).await;
        assert_eq!(status == StatusCode::OK, seen > 0, "{selector}");
    }
}
