//! A dump service that has the three calls of the contract and nothing else: what it cannot keep is not promised, and what
//! it forgets is not lost.

use axum::http::StatusCode;
use memdeck_model::{ActivityKind, Actor, ByteCount, EndReason, Event, JobState};
use serde_json::{Value, json};

use crate::support::front::{ContractOnly, Front, Listening, is_record};
use crate::support::{TestApp, answer, get, post, trusted};

async fn trigger(front: &Front, body: Value) -> (StatusCode, Value) {
    answer(&front.router, post("/api/memory-dumps/trigger", &body.to_string())).await
}

/// With the guests `web-01` (id 1), `db-01` (2) and `7` (3) where the service is.
fn with_guests() -> TestApp {
    let app = TestApp::start();
    for name in ["web-01", "db-01", "7"] {
        drop(app.libvirt.add_guest(name, ByteCount::from_mib(1)));
    }
    app
}

fn is_end(event: &Event) -> bool {
    matches!(event, Event::Dump(status) if status.exact_state().is_final())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_a_restarted_service_forgot_ends_everywhere_and_stays_in_the_log() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    trigger(&front, json!({"vms": ["web-01"], "case": "IR-7"})).await;
    foreign.forget();
    let Event::Dump(lost) = front.event(is_end).await else { unreachable!() };
    assert_eq!(lost.exact_state(), JobState::Failed);
    assert!(matches!(lost.end_reason, Some(EndReason::ServiceGone { .. })), "{:?}", lost.end_reason);

    let status = answer(&front.router, get("/api/memory-dumps/status")).await.1;
    assert_eq!(status["last_trigger"]["status"], "failed");
    assert_eq!(status["active_dumps"]["web-01"]["state"], "failed");
    let one = answer(&front.router, get("/api/memory-dumps/status/web-01")).await;
    assert_eq!((one.0, &one.1["state"]), (StatusCode::OK, &json!("failed")));

    let state = front.state;
    let again = Front::on(state, &app, service.address);
    let log = again.operations.list_activity(&trusted()).await.unwrap();
    let line = log.iter().find(|line| line.kind == ActivityKind::Failed).expect("the end is in the log");
    assert_eq!((line.guest.as_str(), line.detail == lost.message), ("web-01", true));
    let asked = log.iter().find(|line| line.kind == ActivityKind::Queued).expect("and that it was asked for");
    assert_eq!(asked.by, Some(Actor::Api));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_dump_of_a_service_is_in_the_log_after_a_restart_of_both() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    trigger(&front, json!({"vms": ["web-01"]})).await;
    foreign.fail("web-01");
    front.event(is_end).await;
    let state = front.state;
    foreign.forget();
    let again = Front::on(state, &app, service.address);
    let log = again.operations.list_activity(&trusted()).await.unwrap();
    assert!(
        log.iter().any(|line| line.kind == ActivityKind::Failed && line.detail == "as it is".into()),
        "{log:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_such_a_service_cannot_keep_is_refused_or_kept_here() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    for (option, value) in
        [("mode", json!("live")), ("bandwidth_mibps", json!(5)), ("accept_encrypted", json!(true))]
    {
        let mut body = json!({"vms": ["web-01"]});
        body[option] = value;
        let (status, reply) = trigger(&front, body).await;
        assert_eq!(status, StatusCode::CONFLICT, "{option}: {reply}");
        assert!(reply["detail"].as_str().unwrap().contains("it decides that itself"), "{reply}");
    }
    assert_eq!(foreign.asked(), Vec::<Value>::new());

    let (status, _) = trigger(&front, json!({"vms": ["web-01"], "case": "IR-7", "note": "at night"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(foreign.asked(), [json!({"vms": ["web-01"]})], "it is asked for what it knows");
    foreign.complete("web-01");
    front.event(is_record).await;
    let record = answer(&front.router, get("/api/memory-dumps/records")).await.1["records"][0].clone();
    assert_eq!((&record["case"], &record["note"]), (&json!("IR-7"), &json!("at night")));

    let health = front.operations.present_state(&trusted()).await;
    let Some(Event::Service(health)) = health.into_iter().next() else { panic!("no health") };
    let can = health.capabilities;
    assert!(!can.cancel && !can.images && !can.options && !can.uuids, "{can:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_guest_that_was_asked_for_by_its_id_has_its_name_and_never_the_id_as_one() {
    let app = with_guests();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    for vm in ["2", "8"] {
        trigger(&front, json!({"vms": [vm]})).await;
        foreign.complete(vm);
        front.event(is_record).await;
    }
    let records =
        answer(&front.router, get("/api/memory-dumps/records?sort=vmid")).await.1["records"].clone();
    let told: Vec<_> =
        records.as_array().unwrap().iter().map(|record| (&record["dom"], &record["vmid"])).collect();
    assert!(told.contains(&(&json!("db-01"), &json!("2"))), "{told:?}");
    assert!(told.contains(&(&json!(""), &json!("8"))), "a name that is not known is not made up: {told:?}");
    for record in records.as_array().unwrap() {
        for field in ["sha256", "duration_sec", "gzip_size_bytes", "ctime", "mtime", "atime", "dump_path"] {
            assert!(!record[field].is_null(), "{field} of {record}");
        }
    }
    let csv = crate::support::text(&front.router, get("/api/memory-dumps/export.csv")).await.1;
    assert!(csv.lines().any(|line| line.starts_with("2,db-01,") && line.contains(",0,0,0,0,")), "{csv}");
    let status = answer(&front.router, get("/api/memory-dumps/status/db-01")).await;
    assert_eq!(
        (status.0, &status.1["vm"], &status.1["guest"]),
        (StatusCode::OK, &json!("2"), &json!("db-01"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn such_a_service_is_sent_a_name_or_an_id_and_never_a_uuid() {
    let app = with_guests();
    let uuids: Vec<String> = {
        use memdeck_hypervisor::Hypervisor as _;
        app.libvirt.guests().unwrap().into_iter().map(|guest| guest.uuid).collect()
    };
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let front = Front::of(&app, service.address);
    let body = json!({"request": {"vms": uuids}}).to_string();
    let (status, dumps) = answer(&front.router, post("/api/ui/trigger", &body)).await;
    assert_eq!(status, StatusCode::OK, "{dumps}");
    assert_eq!(foreign.asked(), [json!({"vms": ["3", "db-01", "web-01"]})], "the guest named 7 by its id");
    let named: Vec<_> =
        dumps.as_array().unwrap().iter().map(|dump| dump["guest"].as_str().unwrap()).collect();
    assert!(["7", "db-01", "web-01"].iter().all(|name| named.contains(name)), "{named:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_come_from_libvirt_while_such_a_service_is_down() {
    let app = with_guests();
    let service = Listening::with(ContractOnly::default().routes()).await;
    let address = service.address;
    service.stop().await;
    let front = Front::of(&app, address);
    assert_eq!(front.operations.list_guests(&trusted()).await.unwrap().len(), 3);
    let (status, reply) = trigger(&front, json!({"vms": ["web-01"]})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let detail = reply["detail"].as_str().unwrap();
    assert!(!detail.contains("wait") && detail.contains("no dump can be requested"), "{detail}");
}
