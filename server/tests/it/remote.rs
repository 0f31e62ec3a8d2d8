//! A dashboard in front of a dump service: `memdeck agent`, or one that has the three calls of the contract only.

use axum::http::StatusCode;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::ActivityKind::{Completed, Queued, Started};
use memdeck_model::{Actor, EndReason, Event};
use serde_json::json;

use crate::support::front::{ContractOnly, Front, Listening, is_record};
use crate::support::{TestApp, answer, get, post, trusted};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_by_an_agent_looks_like_one_of_ones_own() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);

    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    assert_eq!(front.trigger("db-01").await.0, StatusCode::OK);
    agent.hypervisor.wait_until_stalled("db-01");
    let running = answer(&front.router, get("/api/memory-dumps/status/db-01")).await.1;
    assert_eq!(running["state"], "running");
    agent.hypervisor.release("db-01");
    front.event(is_record).await;

    let page = answer(&front.router, get("/api/memory-dumps/records")).await.1;
    let own = answer(&agent.dashboard, get("/api/memory-dumps/records")).await.1;
    assert_eq!(page["records"], own["records"]);
    assert_eq!((&page["total"], front.catalog.outbox_len().unwrap()), (&json!(1), 0));
    let status = answer(&front.router, get("/api/memory-dumps/status")).await.1;
    assert_eq!(
        (&status["status"], &status["service"]),
        (&json!("ok"), &json!(format!("http://{}", service.address)))
    );
    assert_eq!(front.operations.list_guests(&trusted()).await.unwrap().len(), 2);
    let log = front.operations.list_activity(&trusted()).await.unwrap();
    let told: Vec<_> = log.iter().map(|line| (line.kind, line.guest.as_str())).collect();
    assert_eq!(told, [(Completed, "db-01"), (Started, "db-01"), (Queued, "db-01")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_from_before_the_dashboard_was_there_are_imported_once() {
    let agent = TestApp::start();
    for vm in ["db-01", "web-01"] {
        answer(&agent.agent, post("/api/dumps", &json!({"vms": [vm]}).to_string())).await;
        agent.ended(1).await;
    }
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.event(is_record).await;
    front.event(is_record).await;
    assert_eq!(front.catalog.stats().unwrap().total_dumps, 2);

    let state = front.state;
    let mut again = Front::on(state, &agent, service.address);
    assert_eq!(again.trigger("db-01").await.0, StatusCode::OK);
    again.event(is_record).await;
    assert_eq!(again.catalog.stats().unwrap().total_dumps, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_told_and_stops_nothing_else() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.trigger("db-01").await;
    front.event(is_record).await;
    service.stop().await;

    let away = front.event(|event| matches!(event, Event::Service(health) if health.error.is_some())).await;
    assert!(matches!(away, Event::Service(_)));
    let (status, reply) = front.trigger("db-01").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply["detail"].as_str().unwrap().contains("does not answer"), "{reply}");
    assert_eq!(
        answer(&front.router, get("/api/memory-dumps/status/db-01")).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let (status, state) = answer(&front.router, get("/api/memory-dumps/status")).await;
    assert_eq!((status, &state["status"]), (StatusCode::OK, &json!("unavailable")));
    assert_eq!((&state["last_trigger"]["status"], &state["active_dumps"]), (&json!("error"), &json!({})));
    let records = answer(&front.router, get("/api/memory-dumps/records")).await;
    assert_eq!((records.0, &records.1["total"]), (StatusCode::OK, &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_by_an_agent_is_cancelled_through_the_dashboard() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let front = Front::of(&agent, service.address);
    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    front.trigger("db-01").await;
    agent.hypervisor.wait_until_stalled("db-01");
    let running = answer(&front.router, get("/api/memory-dumps/status/db-01")).await.1;
    let call = format!("/api/memory-dumps/cancel/{}", running["dump_id"].as_str().unwrap());
    assert_eq!(answer(&front.router, post(&call, r#"{"by": "ada"}"#)).await.0, StatusCode::ACCEPTED);
    let by = Actor::named("ada").by_way_of(&rustix::system::uname().nodename().to_string_lossy());
    let expected = Some(EndReason::Cancelled { by, before_start: false });
    assert_eq!(agent.ended(1).await[0].end_reason, expected, "the agent is told who asked");
    let unknown = answer(&front.router, post("/api/memory-dumps/cancel/no-such-dump", "{}")).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND, "{}", unknown.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_only_the_contract_is_followed_and_its_hash_is_unknown() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    assert_eq!(front.trigger("7").await.0, StatusCode::OK);
    let running = answer(&front.router, get("/api/memory-dumps/status/7")).await.1;
    assert_eq!((&running["state"], &running["progress"]), (&json!("running"), &json!(10.0)));
    assert_eq!(answer(&front.router, get("/api/memory-dumps/status/8")).await.0, StatusCode::NOT_FOUND);

    let cancel = answer(&front.router, post("/api/memory-dumps/cancel/id-of-7", "{}")).await;
    assert_eq!(cancel.0, StatusCode::NOT_FOUND, "such a service cannot cancel: {}", cancel.1);

    foreign.complete("7");
    front.event(is_record).await;
    let page = answer(&front.router, get("/api/memory-dumps/records")).await.1;
    let record = &page["records"][0];
    assert_eq!(
        (&record["vmid"], &record["sha256"], &record["dump_path"]),
        (&json!("7"), &json!(""), &json!("/dumps/7.mem"))
    );
    assert_eq!(page["total"], 1);
    let status = answer(&front.router, get("/api/memory-dumps/status")).await.1;
    assert_eq!(
        (&status["last_trigger"]["status"], &status["last_trigger"]["error"]),
        (&json!("completed"), &json!(null))
    );
    // It tells no guests, so they come from the libvirt that the dashboard was given: here, one without guests.
    assert!(front.operations.list_guests(&trusted()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_known_behind_an_agent_in_job_record_manifest_and_log() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // With every dump: the agent's job, record and manifest, and the dashboard's copy of the record, name the same actor.
    let check = async |front: &mut Front, expected: Actor| {
        let status = agent.ended(1).await.remove(0);
        let job = agent.catalog.job(&status.dump_id).unwrap().unwrap();
        let record = job.record.unwrap();
        let path = record.dump_path.clone().unwrap();
        let manifest = memdeck_image::read_manifest(std::path::Path::new(&path)).unwrap().unwrap().manifest;
        let is_copy = |event: &Event| matches!(event, Event::Record(copy) if copy.dump_id == record.dump_id);
        let Event::Record(copy) = front.event(is_copy).await else { unreachable!() };
        let named =
            [Some(job.requested_by), record.requested_by, Some(manifest.asked_by()), copy.requested_by];
        assert_eq!(named, std::array::from_fn(|_| Some(expected.clone())));
        assert_eq!(manifest.requested_by, expected.to_string(), "in words, too");
    };

    front.trigger("db-01").await;
    check(&mut front, Actor::Api.by_way_of(&here)).await;

    let guests = front.operations.list_guests(&trusted()).await.unwrap();
    let body = json!({"request": {"vms": [guests[0].uuid]}}).to_string();
    answer(&front.router, post("/api/ui/trigger", &body)).await;
    check(&mut front, Actor::Page.by_way_of(&here)).await;

    let body = r#"{"vms": ["db-01"], "requested_by": "the night shift"}"#;
    answer(&front.router, post("/api/memory-dumps/trigger", body)).await;
    check(&mut front, Actor::named("the night shift").by_way_of(&here)).await;

    let url = format!("http://{}", service.address);
    let output = tokio::task::spawn_blocking(move || {
        let home = tempfile::tempdir().unwrap();
        let mut command = crate::support::program::memdeck(home.path());
        command.args(["dump", "db-01"]).env("MEMDUMP_SERVICE_URL", url).env("USER", "ada").output().unwrap()
    });
    assert!(output.await.unwrap().status.success());
    check(&mut front, Actor::CommandLine { user: Some("ada".to_owned()) }).await;

    let log = front.operations.list_activity(&trusted()).await.unwrap();
    let queued = log.into_iter().filter(|line| line.kind == Queued);
    let asked_here: Vec<Actor> = queued.filter_map(|line| line.by).collect();
    assert_eq!(asked_here, [Actor::named("the night shift"), Actor::Page, Actor::Api]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cancels_and_who_deletes_is_known_behind_an_agent() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();

    agent.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let triggered = front.trigger("db-01").await.1;
    let dump_id = triggered["dumps"][0]["dump_id"].as_str().unwrap();
    agent.hypervisor.wait_until_stalled("db-01");
    answer(&front.router, post("/api/ui/cancel", &json!({"dump_id": dump_id}).to_string())).await;
    let by = Actor::Page.by_way_of(&here);
    let expected = Some(EndReason::Cancelled { by: by.clone(), before_start: false });
    assert_eq!(agent.ended(1).await[0].end_reason, expected);

    front.trigger("db-01").await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!() };
    let dump_id = record.dump_id.unwrap();
    let request = json!({"dump_id": dump_id, "confirm": "db-01"}).to_string();
    let deleted = answer(&front.router, post("/api/ui/delete-image", &request)).await;
    assert_eq!(deleted.0, StatusCode::OK, "{}", deleted.1);
    for catalog in [&agent.catalog, &front.catalog] {
        assert_eq!(catalog.record_of(&dump_id).unwrap().unwrap().deleted_by.as_ref(), Some(&by));
    }
}
