//! Schedules over REST and for the page, on a clock that is moved by hand.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::schedule::{RunGuest, RunGuestState};
use serde_json::{Value, json};

use crate::support::{HOST, TestApp, answer, get, post};

const HOURLY: &str =
    r#"{"name": "hourly", "when": {"every": "hour", "minute": 0}, "guests": {"which": "all"}}"#;

fn call(method: &str, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    request.header("content-type", "application/json").body(Body::from(body.to_string())).unwrap()
}

async fn ask(router: &Router, request: Request<Body>) -> Value {
    let (status, told) = answer(router, request).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    told
}

async fn runs(app: &TestApp) -> Value {
    ask(&app.dashboard, get("/api/schedules/hourly/runs")).await["runs"].clone()
}

/// From 08:58:23 to 09:00:03, one look at a time.
async fn come_to_nine(app: &TestApp) {
    app.operations.schedule_round().await.unwrap();
    app.clock.advance(Duration::from_secs(100));
    // One look starts the run and chooses its guests, the next one asks for their dumps.
    for _ in 0..2 {
        app.operations.schedule_round().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_dumps_when_its_time_comes_and_tells_what_became_of_it() {
    let app = TestApp::start();
    let made = ask(&app.dashboard, post("/api/schedules", HOURLY)).await;
    assert_eq!((&made["next"], &made["paused"]), (&json!("2025-11-14T09:00:00.000000Z"), &json!(false)));
    assert_eq!((&made["zone"], &made["changed_by"]), (&json!("UTC"), &json!({"kind": "api"})));
    app.operations.schedule_round().await.unwrap();
    assert_eq!(runs(&app).await, json!([]), "it is not due");

    come_to_nine(&app).await;
    app.ended(2).await;
    app.operations.schedule_round().await.unwrap();
    let told = runs(&app).await;
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    let run = &told[0];
    assert_eq!((&run["planned"], &run["state"]), (&json!("2025-11-14T09:00:00.000000Z"), &json!("done")));
    assert_eq!(run["guests"], json!({"open": 0, "completed": 2, "failed": 0, "skipped": 0}));
    let records = ask(&app.dashboard, get("/api/memory-dumps/records")).await;
    let asked = json!({"kind": "schedule", "name": "hourly", "planned": "2025-11-14T09:00:00.000000Z"});
    assert_eq!((&records["total"], &records["records"][0]["requested_by"]), (&json!(2), &asked));

    // However often it looks, the run is over.
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(10));
        app.operations.schedule_round().await.unwrap();
    }
    assert_eq!(runs(&app).await, told);
    let listed = ask(&app.dashboard, get("/api/schedules")).await;
    assert_eq!(listed["schedules"][0]["last"]["state"], json!("done"));
    assert_eq!(listed["schedules"][0]["next"], json!("2025-11-14T10:00:00.000000Z"));
    assert_eq!(ask(&app.dashboard, post("/api/ui/schedules", "{}")).await["schedules"], listed["schedules"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_asking_and_the_answer_costs_no_second_dump() {
    let app = TestApp::start();
    ask(&app.dashboard, post("/api/schedules", HOURLY)).await;
    come_to_nine(&app).await;
    app.ended(2).await;
    // As the catalog would be if memdeck had been killed before it had the answer.
    let run = app.catalog.open_runs().unwrap().remove(0);
    let asked: Vec<RunGuest> = run.run.each;
    for (place, guest) in asked.iter().enumerate() {
        assert_eq!(guest.state, RunGuestState::Dumping);
        let asking = RunGuest { state: RunGuestState::Asking, dump_id: None, ..guest.clone() };
        app.catalog.note_run_guest(run.id, place, &asking).unwrap();
    }
    app.clock.advance(Duration::from_secs(30));
    app.operations.schedule_round().await.unwrap();
    let told = runs(&app).await;
    assert_eq!(told[0]["guests"]["completed"], json!(2), "{told}");
    for (place, guest) in asked.iter().enumerate() {
        assert_eq!(told[0]["each"][place]["dump_id"], json!(guest.dump_id), "the dump that it had asked for");
    }
    assert_eq!(ask(&app.dashboard, get("/api/memory-dumps/records")).await["total"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_came_while_memdeck_was_off_are_told_and_the_newest_is_made_up() {
    let app = TestApp::start();
    let late = json!({
        "name": "hourly", "when": {"every": "hour", "minute": 0}, "make_up_min": 30,
        "guests": {"which": "named", "guests": ["web-01", "gone-01"]},
    });
    ask(&app.dashboard, call("POST", "/api/schedules", &late)).await;
    app.operations.schedule_round().await.unwrap();
    // 14:13:23, thirteen minutes after the sixth.
    app.clock.advance(Duration::from_mins(315));
    for _ in 0..3 {
        app.operations.schedule_round().await.unwrap();
    }
    app.ended(1).await;
    app.operations.schedule_round().await.unwrap();
    let told = runs(&app).await;
    let made_up = &told[0];
    assert_eq!(
        (&made_up["planned"], &made_up["state"]),
        (&json!("2025-11-14T14:00:00.000000Z"), &json!("done"))
    );
    assert_eq!(made_up["guests"], json!({"open": 0, "completed": 1, "failed": 1, "skipped": 0}));
    let missed = &told[1];
    assert_eq!((&missed["state"], &missed["count"]), (&json!("missed"), &json!(5)));
    assert_eq!(missed["last_planned"], json!("2025-11-14T13:00:00.000000Z"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_has_no_more_dumps_of_a_run_than_it_may() {
    let app = TestApp::start();
    let one = json!({
        "name": "hourly", "when": {"every": "hour", "minute": 0}, "guests": {"which": "all"}, "per_host": 1,
    });
    ask(&app.dashboard, call("POST", "/api/schedules", &one)).await;
    come_to_nine(&app).await;
    app.ended(1).await;
    assert_eq!(ask(&app.dashboard, get("/api/memory-dumps/records")).await["total"], json!(1));
    for _ in 0..2 {
        app.operations.schedule_round().await.unwrap();
    }
    app.ended(1).await;
    app.operations.schedule_round().await.unwrap();
    assert_eq!(runs(&app).await[0]["guests"]["completed"], json!(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_with_a_recent_dump_or_under_way_are_left_out_with_the_reason() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    let recent = json!({
        "name": "hourly", "when": {"every": "hour", "minute": 0}, "recent_min": 60,
        "guests": {"which": "pattern", "pattern": "web-*"},
    });
    ask(&app.dashboard, call("POST", "/api/schedules", &recent)).await;
    come_to_nine(&app).await;
    let told = runs(&app).await;
    assert_eq!((&told[0]["state"], &told[0]["guests"]["skipped"]), (&json!("done"), &json!(1)));
    let reason = told[0]["each"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "it has a dump of 2025-11-14T08:58:23.550273Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_paused_resumed_changed_run_now_and_removed() {
    let app = TestApp::start();
    ask(&app.dashboard, post("/api/schedules", HOURLY)).await;
    let paused = ask(&app.dashboard, post("/api/schedules/hourly/pause", r#"{"by": "ada"}"#)).await;
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &Value::Null));
    come_to_nine(&app).await;
    assert_eq!(runs(&app).await, json!([]));
    ask(&app.dashboard, post("/api/schedules/hourly/run", "{}")).await;
    for _ in 0..2 {
        app.operations.schedule_round().await.unwrap();
    }
    app.ended(2).await;
    app.operations.schedule_round().await.unwrap();
    assert_eq!(
        runs(&app).await[0]["guests"]["completed"],
        json!(2),
        "asked for by hand, it runs all the same"
    );

    let resumed = ask(&app.dashboard, post("/api/schedules/hourly/resume", "{}")).await;
    assert_eq!(resumed["next"], json!("2025-11-14T10:00:00.000000Z"));
    let daily =
        json!({"when": {"every": "day", "at": "02:30"}, "zone": "Europe/Berlin", "guests": {"which": "all"}});
    let changed = ask(&app.dashboard, call("PUT", "/api/schedules/hourly", &daily)).await;
    assert_eq!(changed["next"], json!("2025-11-15T01:30:00.000000Z"));
    let next = ask(&app.dashboard, get("/api/schedules/hourly/next")).await;
    assert_eq!(next["local"][0], json!("2025-11-15 02:30 CET"));
    let removed = ask(&app.dashboard, call("DELETE", "/api/schedules/hourly", &json!({}))).await;
    assert_eq!(removed["name"], json!("hourly"));
    assert_eq!(answer(&app.dashboard, get("/api/schedules/hourly")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_schedule_is_refused_with_a_sentence() {
    let app = TestApp::start();
    let plan = |when: Value| json!({"when": when, "guests": {"which": "all"}});
    for (when, sentence) in [
        (json!({"every": "hour", "minute": 60}), "the minute of an hourly schedule is 0 to 59"),
        (
            json!({"every": "cron", "expression": "0 0 30 2 *"}),
            "the cron expression '0 0 30 2 *' never comes to an instant",
        ),
    ] {
        let refused = answer(&app.dashboard, call("POST", "/api/schedule-preview", &plan(when))).await;
        assert_eq!((refused.0, &refused.1["detail"]), (StatusCode::BAD_REQUEST, &json!(sentence)));
    }
    let preview = call("POST", "/api/schedule-preview", &plan(json!({"every": "hour", "minute": 30})));
    let preview = ask(&app.dashboard, preview).await;
    assert_eq!(preview["local"][0], json!("2025-11-14 09:30 UTC"));
    assert_eq!(preview["next"].as_array().unwrap().len(), 5);
    ask(&app.dashboard, post("/api/schedules", HOURLY)).await;
    assert_eq!(answer(&app.dashboard, post("/api/schedules", HOURLY)).await.0, StatusCode::CONFLICT);
    let (status, told) = answer(&app.dashboard, post("/api/schedules/nobody/pause", "{}")).await;
    assert_eq!((status, &told["detail"]), (StatusCode::NOT_FOUND, &json!("there is no schedule nobody")));
}
