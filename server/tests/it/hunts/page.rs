//! Hunts as the page asks for them.

use axum::http::StatusCode;
use memdeck_model::audit::AuditAction;
use serde_json::{Value, json};

use super::{ask, entries, needle};
use crate::support::{TestApp, answer, get, post};

async fn call(app: &TestApp, name: &str, arguments: Value) -> (StatusCode, Value) {
    answer(&app.dashboard, post(&format!("/api/ui/{name}"), &arguments.to_string())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_for_a_hunt_follows_it_and_removes_it() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let (_, bytes) = needle(&app, &dump_id).await;
    let wrong = json!({"hunt": {"patterns": ["# two", "xyz"], "kind": "bytes", "all": true}});
    let (status, refusal) = call(&app, "request-hunt", wrong).await;
    assert_eq!((status, &refusal["kind"]), (StatusCode::BAD_REQUEST, &"invalid".into()));
    let why = "line 2: 'xyz' is no string of bytes: it must be pairs of hexadecimal digits";
    assert_eq!(refusal["detail"], why);

    let hunt = json!({"patterns": ["00112233445566778899", bytes], "kind": "bytes", "dump_ids": [dump_id]});
    let (status, queued) = call(&app, "request-hunt", json!({ "hunt": hunt })).await;
    assert_eq!((status, &queued["requested_by"]["kind"]), (StatusCode::OK, &"page".into()), "{queued}");
    let id = &queued["id"];
    let (status, refusal) = call(&app, "remove-hunt", json!({ "id": id })).await;
    assert_eq!((status, &refusal["kind"]), (StatusCode::CONFLICT, &"conflict".into()), "{refusal}");
    app.operations.hunt_round().await.unwrap();

    let listed = call(&app, "hunts", json!({})).await.1;
    assert_eq!((&listed["hunts"][0]["id"], &listed["hunts"][0]["hits"]), (id, &1.into()));
    let details = call(&app, "hunt", json!({ "id": id })).await.1;
    let found: Vec<_> =
        details["patterns"].as_array().unwrap().iter().map(|pattern| &pattern["pattern"]).collect();
    assert_eq!(found, [&json!(bytes), &json!("00112233445566778899")], "what was found comes first");
    let page = call(&app, "hunt-hits", json!({"id": id, "after": 0, "limit": 50})).await.1;
    let path = format!("/api/hunts/{}/hits", id.as_str().unwrap());
    assert_eq!(page, answer(&app.dashboard, get(&path)).await.1);
    assert_eq!(entries(&app, AuditAction::HitsRead).await.len(), 2, "each look is noted");

    let (status, _) = call(&app, "remove-hunt", json!({ "id": id })).await;
    assert_eq!(status, StatusCode::OK);
    let (status, refusal) = call(&app, "hunt", json!({ "id": id })).await;
    assert_eq!((status, &refusal["kind"]), (StatusCode::NOT_FOUND, &"not_found".into()), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_cancels_a_hunt_that_waits() {
    let app = TestApp::start();
    app.dumped("db-01").await;
    let (_, waiting) = ask(&app, json!({"patterns": ["no such text"], "all": true})).await;
    let (status, cancelled) = call(&app, "cancel-hunt", json!({"id": waiting["id"]})).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::OK, &"cancelled".into()), "{cancelled}");
    assert_eq!(cancelled["reason"], json!({"kind": "cancelled", "by": {"kind": "page"}}));
    let (status, refusal) = call(&app, "cancel-hunt", json!({"id": waiting["id"]})).await;
    assert_eq!((status, &refusal["kind"]), (StatusCode::CONFLICT, &"conflict".into()), "{refusal}");
}
