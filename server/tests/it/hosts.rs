//! A dashboard in front of several hosts: two agents, a service that has only the three calls, and hosts that are away.

mod collectors;
mod dialed;
mod fleet;
mod measured;
mod points;

/// Agents that dial in, for tests of what is in between.
pub mod dialing {
    pub use super::dialed::site::{Dialer, Site, TOKEN};
    pub use super::fleet::service;
}

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get as route_get;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::{Actor, DumpOptions, Event, VmRef};
use memdeck_operations::Heard;
use serde_json::{Value, json};

use self::fleet::{Fleet, PATIENCE, Pair, nobody};
use crate::support::front::{ContractOnly, Listening};
use crate::support::{TestApp, answer, get, post, send, trusted};

fn texts(value: &Value, key: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_all_hosts_are_listed_with_their_host() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let (status, told) = fleet.get("/api/telemetry/live-vms").await;
    assert_eq!((status, &told["count"]), (StatusCode::OK, &json!(5)), "{told}");
    let named: Vec<String> = told["vms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vm| format!("{}/{}", vm["host"].as_str().unwrap(), vm["name"].as_str().unwrap()))
        .collect();
    assert_eq!(named, ["kvm-a/db-01", "kvm-b/db-01", "kvm-a/only-a", "kvm-a/web-01", "kvm-b/web-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_several_hosts_have_dumps_nothing_and_the_candidates_are_told() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let uuid = pair.a.operations.list_guests(&trusted()).await.unwrap()[0].uuid.clone();
    for vm in ["db-01", uuid.as_str()] {
        let (status, refusal) = fleet.trigger(json!({"vms": ["only-a", vm]})).await;
        assert_eq!(status, StatusCode::CONFLICT, "{refusal}");
        assert_eq!(refusal["candidates"], json!(["kvm-a/db-01", "kvm-b/db-01"]), "{refusal}");
    }
    let (status, refusal) = fleet.trigger(json!({"vms": ["only-a", "nobody"]})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refusal}");
    for app in [&pair.a, &pair.b] {
        assert!(app.catalog.latest_jobs(10).unwrap().is_empty(), "nothing was dumped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_dumped_on_the_host_that_is_named_and_found_there() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let (status, reply) = fleet.trigger(json!({"vms": ["kvm-b/db-01", "only-a"]})).await;
    assert_eq!((status, &reply["vm_ids"]), (StatusCode::OK, &json!(["kvm-b/db-01", "only-a"])), "{reply}");
    let [on_a, on_b] = [pair.a.ended(1).await, pair.b.ended(1).await];
    assert_eq!([on_a[0].display_name(), on_b[0].display_name()], ["only-a", "db-01"]);
    let imported = fleet.records(2).await;
    assert_eq!(fleet.catalog.outbox_len().unwrap(), 0, "each agent writes its own points");

    let told = fleet.get("/api/memory-dumps/status").await.1;
    let keys: Vec<_> = told["active_dumps"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["kvm-b/db-01", "only-a"], "bare where only one host has such a guest");
    assert_eq!((&told["service"], &told["status"]), (&json!("kvm-a, kvm-b"), &json!("ok")));
    assert_eq!(texts(&told["hosts"], "name"), ["kvm-a", "kvm-b"]);

    let (status, dump) = fleet.get("/api/memory-dumps/status/kvm-b%2Fdb-01").await;
    assert_eq!((status, &dump["host"]), (StatusCode::OK, &json!("kvm-b")), "{dump}");
    assert_eq!(fleet.get("/api/memory-dumps/status/only-a").await.1["host"], "kvm-a");
    assert_eq!(fleet.get("/api/memory-dumps/status/kvm-a%2Fdb-01").await.0, StatusCode::NOT_FOUND);
    let (status, refusal) = fleet.get("/api/memory-dumps/status/db-01").await;
    assert_eq!(
        (status, &refusal["candidates"]),
        (StatusCode::CONFLICT, &json!(["kvm-a/db-01", "kvm-b/db-01"]))
    );

    // The image is with the host that took it, after a restart of the dashboard, too.
    let record = imported.as_array().unwrap().iter().find(|one| one["dom"] == "db-01").unwrap();
    let path = format!("/api/memory-dumps/{}/image?format=stored", record["dump_id"].as_str().unwrap());
    let again = Fleet::on(fleet.state, &pair.a, &pair.named());
    let [from_fleet, from_b, from_a] = [&again.router, &pair.b.agent, &pair.a.agent].map(|router| {
        let path = &path;
        async move {
            let response = send(router, get(path)).await;
            let status = response.status();
            (status, http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes())
        }
    });
    let (from_fleet, from_b, from_a) = (from_fleet.await, from_b.await, from_a.await);
    assert_eq!(from_a.0, StatusCode::NOT_FOUND);
    assert!(from_fleet == from_b && from_b.0 == StatusCode::OK, "{:?} {:?}", from_fleet.0, from_b.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_means_every_host_or_one_of_them() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let (status, reply) = fleet.trigger(json!({"vms": ["all"], "host": "kvm-b"})).await;
    assert_eq!(
        (status, &reply["vm_ids"]),
        (StatusCode::OK, &json!(["kvm-b/db-01", "kvm-b/web-01"])),
        "{reply}"
    );
    pair.b.ended(2).await;
    assert!(pair.a.catalog.latest_jobs(10).unwrap().is_empty());
    let (status, reply) = fleet.trigger(json!({"vms": ["all"]})).await;
    let expected = json!(["kvm-a/db-01", "only-a", "kvm-a/web-01", "kvm-b/db-01", "kvm-b/web-01"]);
    assert_eq!((status, &reply["vm_ids"]), (StatusCode::OK, &expected), "{reply}");
    let (status, refusal) = fleet.trigger(json!({"vms": ["all"], "host": "kvm-c"})).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_cancelled_on_the_host_that_takes_it_and_events_say_which() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let (mut listener, _) = fleet.operations.feed().listen(None);
    pair.b.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    let reply = fleet.trigger(json!({"vms": ["kvm-b/web-01"]})).await.1;
    pair.b.hypervisor.wait_until_stalled("web-01");
    let dump_id = reply["dumps"][0]["dump_id"].as_str().unwrap();
    let call = format!("/api/memory-dumps/cancel/{dump_id}");
    assert_eq!(fleet.post(&call, json!({"by": "ada"})).await.0, StatusCode::ACCEPTED);
    pair.b.ended(1).await;
    let begun = Instant::now();
    let host = loop {
        assert!(begun.elapsed() < PATIENCE);
        let Heard::Events(events) = listener.next().await else { panic!("events are lost") };
        let dump = events.iter().find_map(|(_, event)| match event.as_ref() {
            Event::Dump(status) => Some(status.host.clone()),
            _ => None,
        });
        if let Some(host) = dump {
            break host;
        }
    };
    assert_eq!(host.unwrap().as_str(), "kvm-b");
    let unknown = fleet.post("/api/memory-dumps/cancel/no-such-dump", json!({})).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_that_is_away_keeps_nobody_from_the_others_and_is_seen_soon_after_its_return() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    fleet.get("/api/telemetry/live-vms").await;
    let Pair { a, b, services: [_first, second] } = pair;
    let address = second.address;
    second.stop().await;
    let away = fleet.until("kvm-b", |host| host["condition"] == "unreachable").await;
    assert!(away["error"].is_string() && away["last_contact"].is_string(), "{away}");
    assert_eq!(away["guests"], 2, "as it listed them last");

    let told = fleet.get("/api/memory-dumps/status").await.1;
    assert_eq!((&told["status"], &told["error"]), (&json!("ok"), &json!(null)), "{told}");
    let listed = fleet.get("/api/telemetry/live-vms").await.1;
    let of_b: Vec<_> = listed["vms"].as_array().unwrap().iter().filter(|vm| vm["host"] == "kvm-b").collect();
    assert!(of_b.len() == 2 && of_b.iter().all(|vm| vm["state"] == "unknown"), "{listed}");

    let (status, refusal) = fleet.trigger(json!({"vms": ["only-a", "kvm-b/db-01"]})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    assert!(a.catalog.latest_jobs(10).unwrap().is_empty(), "nothing was dumped");
    let reply = fleet.trigger(json!({"vms": ["all"]})).await.1;
    assert_eq!(reply["vm_ids"].as_array().unwrap().len(), 3, "{reply}");
    assert_eq!(texts(&reply["omitted"], "why"), ["host_unavailable", "host_unavailable"]);
    a.ended(3).await;

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = b.agent.clone();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let back = Instant::now();
    fleet.until_up("kvm-b").await;
    assert!(back.elapsed() < Duration::from_millis(2500), "{:?}", back.elapsed());
    assert_eq!(fleet.trigger(json!({"vms": ["kvm-b/db-01"]})).await.0, StatusCode::OK);
    b.ended(1).await;
    server.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_drains_takes_no_new_dumps_after_a_restart_too() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let (status, host) = fleet.post("/api/hosts/kvm-b/drain", json!({"by": "ada"})).await;
    assert_eq!((status, &host["draining"]), (StatusCode::OK, &json!(true)), "{host}");
    assert_eq!(fleet.post("/api/hosts/nobody/drain", json!({})).await.0, StatusCode::NOT_FOUND);
    let again = Fleet::on(fleet.state, &pair.a, &pair.named());
    again.operations.restore_draining().await.unwrap();
    again.until_up("kvm-a").await;
    again.until_up("kvm-b").await;
    let (status, refusal) = again.trigger(json!({"vms": ["kvm-b/db-01"]})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refusal}");
    let reply = again.trigger(json!({"vms": ["all"]})).await.1;
    assert_eq!(texts(&reply["omitted"], "why"), ["host_draining", "host_draining"], "{reply}");
    pair.a.ended(3).await;
    assert!(pair.b.catalog.latest_jobs(10).unwrap().is_empty());
    let (_, host) = again.post("/api/hosts/kvm-b/undrain", json!({})).await;
    assert_eq!(host["draining"], false);
    assert_eq!(again.trigger(json!({"vms": ["kvm-b/db-01"]})).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_a_host_from_being_used_is_told_apart() {
    let app = TestApp::start();
    let agent = Listening::with(app.agent.clone()).await;
    let refusing = Listening::with(Router::new().fallback(|| async { StatusCode::UNAUTHORIZED })).await;
    let page = Listening::with(Router::new().fallback(|| async { "<html>it works</html>" })).await;
    let failing = Listening::with(Router::new().fallback(|| async { StatusCode::BAD_GATEWAY })).await;
    let newer = Router::new().route("/api/dumps", route_get(|| async { "{}" })).route(
        "/api/host",
        route_get(|| async { r#"{"version": "9.0.0", "protocol": 2, "time": "2031-01-01T00:00:00Z"}"# }),
    );
    let newer = Listening::with(newer).await;
    let fleet = Fleet::of(
        &app,
        &[
            ("up", agent.address),
            ("refusing", refusing.address),
            ("page", page.address),
            ("failing", failing.address),
            ("newer", newer.address),
            ("away", nobody().await),
        ],
    );
    for (name, condition) in [
        ("up", "up"),
        ("refusing", "wrong_token"),
        ("page", "garbage"),
        ("failing", "failing"),
        ("newer", "version_mismatch"),
        ("away", "unreachable"),
    ] {
        let host = fleet.until(name, |host| host["condition"] == condition).await;
        assert_eq!(host["error"].is_string(), name != "up", "{host}");
    }
    let up = fleet.until("up", |host| host["version"].is_string()).await;
    assert_eq!(
        (&up["version"], &up["guests"], &up["running_guests"]),
        (&json!("0.1.0"), &json!(2), &json!(2))
    );
    assert!(
        up["free_bytes"].as_u64().unwrap() > 0 && up["clock_ahead_ms"].as_i64().unwrap().abs() < 5000,
        "{up}"
    );
    let newer = fleet.until("newer", |_| true).await;
    assert!(newer["clock_ahead_ms"].as_i64().unwrap() > 24 * 3_600_000, "{newer}");
    let refusal = fleet.trigger(json!({"vms": ["newer/web-01"]})).await;
    assert_eq!(refusal.0, StatusCode::SERVICE_UNAVAILABLE, "{}", refusal.1);
    assert_eq!(fleet.trigger(json!({"vms": ["web-01"]})).await.0, StatusCode::OK, "the others go on");
    let tested = fleet.post("/api/hosts/away/test", json!({})).await.1;
    assert_eq!(tested["condition"], "unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_run_leaves_out_whom_it_has_dumped_and_not_the_namesake_on_another_host() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let named = json!({"which": "named", "guests": ["kvm-a/db-01", "kvm-b/db-01"]});
    let hourly = json!({
        "name": "hourly", "when": {"every": "hour", "minute": 0}, "make_up_min": 30, "guests": named,
    });
    let (status, made) = fleet.post("/api/schedules", hourly).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    // What the run has dumped, before the catalog was lost that knew of the run.
    let planned = "2025-11-14T09:00:00Z".parse().unwrap();
    let run = Actor::Schedule { name: "hourly".parse().unwrap(), planned };
    pair.a.engine.trigger(&[VmRef::new("db-01").unwrap()], &DumpOptions::default(), &run).unwrap();
    pair.a.ended(1).await;
    fleet.records(1).await;
    // Both clocks to 09:06.
    for app in [&pair.a, &pair.b] {
        app.clock.advance(Duration::from_mins(8));
    }
    for _ in 0..2 {
        fleet.operations.schedule_round().await.unwrap();
    }
    pair.b.ended(1).await;
    let told = fleet.get("/api/schedules/hourly/runs").await.1;
    let each = told["runs"][0]["each"].as_array().unwrap();
    let stands: Vec<_> = each.iter().map(|guest| json!([guest["host"], guest["state"]])).collect();
    assert_eq!(stands, [json!(["kvm-a", "skipped"]), json!(["kvm-b", "dumping"])], "{told}");
    assert_eq!(each[0]["reason"], "this run has dumped it already");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_only_the_three_calls_is_one_of_the_hosts() {
    let app = TestApp::start();
    let agent = Listening::with(app.agent.clone()).await;
    let foreign = ContractOnly::default();
    let minimal = Listening::with(foreign.routes()).await;
    let fleet = Fleet::of(&app, &[("agent", agent.address), ("minimal", minimal.address)]);
    fleet.until_up("agent").await;
    let host = fleet.until("minimal", |host| host["capabilities"]["guests"] == false).await;
    assert_eq!((&host["version"], &host["guests"]), (&json!(null), &json!(null)), "{host}");
    assert!(host["clock_ahead_ms"].as_i64().unwrap().abs() < 5000, "by the date of its answers: {host}");

    let (status, refusal) = fleet.trigger(json!({"vms": ["win-07"]})).await;
    assert_eq!(
        (status, &refusal["candidates"]),
        (StatusCode::CONFLICT, &json!(["minimal/win-07"])),
        "{refusal}"
    );
    let (status, reply) = fleet.trigger(json!({"vms": ["minimal/win-07", "db-01"]})).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    assert_eq!(foreign.asked(), [json!({"vms": ["win-07"]})], "it is told the name without the host");
    let told = fleet.get("/api/memory-dumps/status/win-07").await.1;
    assert_eq!((&told["host"], &told["progress"]), (&json!("minimal"), &json!(10.0)), "{told}");
    foreign.complete("win-07");
    let records = fleet.records(2).await;
    let mut names = texts(&records, "dom");
    names.sort();
    assert_eq!(names, ["db-01", "win-07"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_a_guest_by_its_uuid_behind_its_host() {
    let pair = Pair::start().await;
    let fleet = pair.fleet().await;
    let guests = fleet.operations.list_guests(&trusted()).await.unwrap();
    let chosen: Vec<String> =
        guests.iter().filter(|guest| guest.name.0 != "web-01").map(memdeck_model::Guest::reference).collect();
    let body = json!({"request": {"vms": chosen}});
    let (status, dumps) = fleet.post("/api/ui/trigger", body).await;
    assert_eq!(status, StatusCode::OK, "{dumps}");
    let named =
        dumps.as_array().unwrap().iter().map(|dump| [&dump["host"], &dump["guest"]]).collect::<Vec<_>>();
    assert_eq!(json!(named), json!([["kvm-a", "db-01"], ["kvm-b", "db-01"], ["kvm-a", "only-a"]]));
    let hosts = fleet.post("/api/ui/hosts", json!({})).await.1;
    assert_eq!(texts(&hosts["hosts"], "name"), ["kvm-a", "kvm-b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_host_is_listed_too_and_its_answers_do_not_name_it() {
    let app = TestApp::start();
    let hosts = answer(&app.dashboard, get("/api/hosts")).await.1;
    let host = &hosts["hosts"][0];
    assert_eq!(
        (&hosts["count"], &host["name"], &host["condition"]),
        (&json!(1), &json!("local"), &json!("up"))
    );
    let told = answer(&app.dashboard, get("/api/memory-dumps/status")).await.1;
    assert!(told.get("hosts").is_none());
    let vms = answer(&app.dashboard, get("/api/telemetry/live-vms")).await.1;
    assert!(vms["vms"][0].get("host").is_none());
    let drained = answer(&app.dashboard, post("/api/hosts/local/drain", "{}")).await;
    assert_eq!(drained.0, StatusCode::OK, "{}", drained.1);
    let refused = answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["db-01"]}"#)).await;
    assert_eq!(refused.0, StatusCode::CONFLICT, "{}", refused.1);
}
