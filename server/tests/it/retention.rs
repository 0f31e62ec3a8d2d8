//! Retention and holds over REST, on images that are on disk.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::Actor;
use memdeck_operations::Caller;
use serde_json::{Value, json};

use crate::support::{HOST, TestApp, answer, get, post};

fn put(body: &Value) -> Request<Body> {
    let request = Request::builder().method("PUT").uri("/api/retention").header("host", HOST);
    request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

async fn ask(router: &Router, request: Request<Body>) -> Value {
    let (status, told) = answer(router, request).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    told
}

fn by_memdeck() -> Caller {
    Caller::trusted(Actor::Service)
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_remove_what_the_preview_said_and_the_records_stay() {
    let app = TestApp::start();
    let mut dumps = Vec::new();
    for _ in 0..3 {
        dumps.push(app.dumped("web-01").await);
        app.clock.advance(Duration::from_mins(1));
    }
    let rules = json!({"rules": [{"guests": {"which": "all"}, "keep_last": 1}]});
    let preview = ask(&app.dashboard, post("/api/retention/preview", &rules.to_string())).await;
    let fates: Vec<(&str, &str)> = preview["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| (image["dump_id"].as_str().unwrap(), image["fate"].as_str().unwrap()))
        .collect();
    let expected =
        [(dumps[2].0.as_str(), "kept"), (dumps[1].0.as_str(), "gone"), (dumps[0].0.as_str(), "gone")];
    assert_eq!(fates, expected);
    assert_eq!(
        preview["images"][0]["why"],
        json!([{"kind": "last_good"}, {"kind": "newest", "keep_last": 1}])
    );
    assert_eq!(preview["images"][1]["why"], json!({"kind": "expired"}));
    assert!(dumps.iter().all(|(_, image)| image.exists()), "a preview removes nothing");
    assert_eq!(ask(&app.dashboard, get("/api/retention")).await, json!({"rules": []}));

    assert_eq!(ask(&app.dashboard, put(&rules)).await["gone"], json!(2));
    let removed = app.operations.apply_retention(&by_memdeck()).await.unwrap();
    assert_eq!(removed.gone, 2);
    let is_there: Vec<bool> = dumps.iter().map(|(_, image)| image.exists()).collect();
    assert_eq!(is_there, [false, false, true]);
    let records = ask(&app.dashboard, get("/api/memory-dumps/records")).await;
    assert_eq!(
        (&records["total"], &records["records"][2]["deleted_by"]),
        (&json!(3), &json!({"kind": "service"}))
    );
    assert_eq!(app.operations.apply_retention(&by_memdeck()).await.unwrap().gone, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_deleted_by_nobody_until_the_hold_is_lifted() {
    let app = TestApp::start();
    let (held, image) = app.dumped("web-01").await;
    app.clock.advance(Duration::from_mins(1));
    app.dumped("web-01").await;
    let asked = json!({"of": {"dump": held}, "reason": "a court wants it", "by": "ada"});
    let made = ask(&app.dashboard, post("/api/holds", &asked.to_string())).await;
    assert_eq!((&made["id"], &made["by"]), (&json!(1), &json!({"kind": "named", "name": "ada"})));
    ask(&app.dashboard, put(&json!({"rules": [{"guests": {"which": "all"}, "keep_last": 1}]}))).await;
    assert_eq!(app.operations.apply_retention(&by_memdeck()).await.unwrap().gone, 0);

    let refused = || async {
        let mut request = post(&format!("/api/memory-dumps/{held}"), r#"{"confirm": "web-01"}"#);
        *request.method_mut() = "DELETE".parse().unwrap();
        answer(&app.dashboard, request).await
    };
    let (status, told) = refused().await;
    let sentence =
        format!("the image of dump {held} is under legal hold: a court wants it; lift the hold first");
    assert_eq!((status, &told["detail"]), (StatusCode::CONFLICT, &json!(sentence)));
    assert!(Path::new(&image).exists());

    ask(&app.dashboard, post("/api/holds/1/lift", r#"{"reason": "the case is closed"}"#)).await;
    assert_eq!(app.operations.apply_retention(&by_memdeck()).await.unwrap().gone, 1);
    assert!(!Path::new(&image).exists());
    let listed = ask(&app.dashboard, get("/api/holds")).await;
    assert_eq!(listed["holds"][0]["lift_reason"], json!("the case is closed"));
    let again = answer(&app.dashboard, post("/api/holds/1/lift", r#"{"reason": "once more"}"#)).await;
    assert_eq!(again.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_floor_of_free_space_takes_the_oldest_and_never_the_last() {
    let app = TestApp::start();
    for _ in 0..3 {
        app.dumped("web-01").await;
        app.clock.advance(Duration::from_mins(1));
    }
    // No volume has so much.
    let rules = json!({"rules": [{"guests": {"which": "all"}, "keep_last": 100}], "floor_bytes": u64::MAX});
    let preview = ask(&app.dashboard, post("/api/retention/preview", &rules.to_string())).await;
    assert_eq!(preview["gone"], json!(2), "{preview}");
    assert_eq!(preview["images"][2]["why"]["kind"], json!("no_room"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_say_nothing_and_holds_of_nothing_are_refused() {
    let app = TestApp::start();
    let nothing = json!({"rules": [{"guests": {"which": "all"}}]});
    for request in [put(&nothing), post("/api/retention/preview", &nothing.to_string())] {
        let (status, told) = answer(&app.dashboard, request).await;
        let sentence = "rule 1 says neither what to keep nor a limit of bytes";
        assert_eq!((status, &told["detail"]), (StatusCode::BAD_REQUEST, &json!(sentence)));
    }
    let hold = json!({"of": {"dump": "no-such-dump"}, "reason": "a court wants it"});
    assert_eq!(answer(&app.dashboard, post("/api/holds", &hold.to_string())).await.0, StatusCode::NOT_FOUND);
}
