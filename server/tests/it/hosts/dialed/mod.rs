//! Hosts whose agents dial in: what is called over their connection, what happens when it breaks, and what a hostile one gets.

mod gate;
mod hostile;
mod processes;
pub mod site;

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_hypervisor::simulated::Fault;
use memdeck_image::ExportFormat;
use memdeck_model::{ByteCount, Event};
use memdeck_operations::Heard;
use serde_json::{Value, json};

use self::gate::Gate;
use self::site::{Dialer, Site, TOKEN, dials_in};
use super::fleet::{Fleet, PATIENCE, service};
use crate::images::{exported, image};
use crate::support::front::Listening;
use crate::support::{TestApp, answer, get, send};

/// From the return of a way until the page shows the host as it is.
const SOON: Duration = Duration::from_millis(2500);

async fn body(response: Response<Body>) -> Result<Bytes, axum::Error> {
    Ok(response.into_body().collect().await?.to_bytes())
}

/// What a dashboard hands out of a dump.
async fn downloaded(fleet: &Fleet, dump_id: &str, format: &str) -> Bytes {
    let response = send(&fleet.router, get(&image(dump_id, format))).await;
    assert_eq!(response.status(), StatusCode::OK);
    body(response).await.unwrap()
}

/// A dump of a guest that ends well, and where its image is.
async fn dumped(app: &TestApp, fleet: &Fleet, vm: &str) -> (String, String) {
    let (status, reply) = fleet.trigger(json!({"vms": [vm]})).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let record = app.ended(1).await.remove(0).record.expect("the dump succeeds");
    (record.dump_id.unwrap().to_string(), record.dump_path.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dials_in_is_one_of_the_hosts() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let fleet = &site.fleet;
    let away = fleet.until("kvm-a", |host| host["condition"] == "unreachable").await;
    assert_eq!(away["error"], "it has never dialed in since this dashboard was started", "{away}");
    let (status, refusal) = fleet.trigger(json!({"vms": ["web-01"]})).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");

    let _agent = Dialer::start(app.agent.clone(), site.address, TOKEN);
    let host = fleet.until("kvm-a", |host| host["version"].is_string() && host["guests"] == 2).await;
    assert_eq!((&host["service"], &host["condition"]), (&json!("dial://kvm-a"), &json!("up")), "{host}");
    assert!(host["clock_ahead_ms"].as_i64().unwrap().abs() < 5000, "{host}");

    let (mut listener, _) = fleet.operations.feed().listen(None);
    let (dump_id, stored) = dumped(&app, fleet, "web-01").await;
    let begun = Instant::now();
    let mut told = Vec::new();
    while !told.contains(&"completed") {
        assert!(begun.elapsed() < PATIENCE, "{told:?}");
        let Heard::Events(events) = listener.next().await else { panic!("events are lost") };
        told.extend(events.iter().filter_map(|(_, event)| match event.as_ref() {
            Event::Dump(status) => Some(status.exact_state().as_str()),
            _ => None,
        }));
    }
    fleet.records(1).await;
    for (format, of) in [("raw", ExportFormat::Raw), ("elf", ExportFormat::Elf)] {
        assert!(downloaded(fleet, &dump_id, format).await == exported(Path::new(&stored), of), "{format}");
    }
    let verify = format!("/api/memory-dumps/{dump_id}/verify");
    assert_eq!(fleet.post(&verify, json!({})).await.0, StatusCode::ACCEPTED);
    let begun = Instant::now();
    while fleet.get(&verify).await.1["state"] != "finished" {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let reply = fleet.trigger(json!({"vms": ["db-01"]})).await.1;
    app.hypervisor.wait_until_stalled("db-01");
    let dump_id = reply["dumps"][0]["dump_id"].as_str().unwrap();
    let cancel = fleet.post(&format!("/api/memory-dumps/cancel/{dump_id}"), json!({"by": "ada"})).await;
    assert_eq!(cancel.0, StatusCode::ACCEPTED);
    assert_eq!(app.ended(1).await[0].exact_state().as_str(), "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dials_in_and_one_that_is_called_stand_side_by_side() {
    let ((a, _), (b, _)) = (TestApp::measuring(2).await, TestApp::measuring(1).await);
    let listening = Listening::with(b.agent.clone()).await;
    let hosts = vec![
        ("kvm-a", service(&dials_in("kvm-a"), Some(TOKEN))),
        ("kvm-b", service(&format!("http://{}/", listening.address), None)),
    ];
    let fleet = Fleet::over(tempfile::tempdir().unwrap(), &a, hosts);
    let site = Site::with(fleet, "127.0.0.1:0").await;
    let _agent = Dialer::start(a.agent.clone(), site.address, TOKEN);
    for name in ["kvm-a", "kvm-b"] {
        site.fleet.until_up(name).await;
    }
    let reply = site.fleet.trigger(json!({"vms": ["all"]})).await.1;
    let everyone = json!(["kvm-a/db-01", "kvm-b/db-01", "kvm-a/web-01", "kvm-b/web-01"]);
    let mut asked = reply["vm_ids"].as_array().unwrap().clone();
    asked.sort_by_key(|vm| everyone.as_array().unwrap().iter().position(|one| one == vm));
    assert_eq!(json!(asked), everyone, "{reply}");
    let _ended = tokio::join!(a.ended(2), b.ended(2));
    site.fleet.records(4).await;
    let (status, told) = site.fleet.get("/api/telemetry/vm-telemetry").await;
    let measured = told["vms"].as_array().unwrap().iter().map(|vm| format!("{}/{}", vm["host"], vm["name"]));
    let measured: Vec<String> = measured.map(|name| name.replace('"', "")).collect();
    assert_eq!(
        (status, measured),
        (StatusCode::OK, ["kvm-a/vm-0", "kvm-b/vm-0", "kvm-a/vm-1"].map(str::to_owned).into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_a_download_ends_it_and_the_next_one_is_whole() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("big-01", ByteCount::from_mib(48)));
    let site = Site::start(&app).await;
    let gate = Gate::before(site.address).await;
    let _agent = Dialer::start(app.agent.clone(), gate.address, TOKEN);
    site.fleet.until_up("kvm-a").await;
    let (dump_id, stored) = dumped(&app, &site.fleet, "big-01").await;
    let expected = exported(Path::new(&stored), ExportFormat::Raw);

    let before = gate.passed();
    let response = send(&site.fleet.router, get(&image(&dump_id, "raw"))).await;
    let mut begun = response.into_body();
    let first = begun.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(expected.starts_with(&first));
    // Whoever reads no further holds up the agent, and not the dashboard.
    let mut passed = 0;
    // Until nothing more comes: without that all of it would have come.
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let by_now = gate.passed() - before;
        if std::mem::replace(&mut passed, by_now) == by_now {
            break;
        }
    }
    assert!(passed < 24 << 20, "{passed} bytes of {} came for nobody", expected.len());
    gate.block();
    assert!(begun.collect().await.is_err(), "no half of an image looks whole");
    site.fleet.until("kvm-a", |host| host["condition"] == "unreachable").await;

    gate.open();
    let back = Instant::now();
    site.fleet.until_up("kvm-a").await;
    assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
    assert!(downloaded(&site.fleet, &dump_id, "raw").await == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_a_dump_costs_nothing_of_it() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let gate = Gate::before(site.address).await;
    let _agent = Dialer::start(app.agent.clone(), gate.address, TOKEN);
    site.fleet.until_up("kvm-a").await;
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let reply = site.fleet.trigger(json!({"vms": ["db-01"]})).await.1;
    app.hypervisor.wait_until_stalled("db-01");
    let dump_id = &reply["dumps"][0]["dump_id"];
    gate.block();
    let away = site.fleet.until("kvm-a", |host| host["condition"] == "unreachable").await;
    assert!(away["error"].as_str().unwrap().starts_with("it has not dialed in since 20"), "{away}");
    app.hypervisor.release("db-01");
    let image =
        app.ended(1).await.remove(0).record.expect("it goes on without the dashboard").dump_path.unwrap();
    gate.open();
    let records = site.fleet.records(1).await;
    assert_eq!(&records[0]["dump_id"], dump_id, "{records}");
    let told = site.fleet.get("/api/memory-dumps/status/db-01").await.1;
    assert_eq!((&told["dump_id"], &told["state"]), (dump_id, &json!("completed")), "{told}");
    let raw = downloaded(&site.fleet, dump_id.as_str().unwrap(), "raw").await;
    assert!(raw == exported(Path::new(&image), ExportFormat::Raw));
    assert_eq!(site.fleet.catalog.outbox_len().unwrap(), 0, "the agent writes its own points");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_on_which_nothing_passes_is_given_up_by_both_ends_and_made_again() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let gate = Gate::before(site.address).await;
    let _agent = Dialer::start(app.agent.clone(), gate.address, TOKEN);
    site.fleet.until_up("kvm-a").await;
    gate.hold_up();
    let held_up = Instant::now();
    // A call that was on its way is late at first; that the connection is gone is known when it is given up.
    loop {
        let host = site.fleet.get("/api/hosts").await.1["hosts"][0].clone();
        if host["error"].as_str().is_some_and(|error| error.starts_with("it has not dialed in since")) {
            break;
        }
        assert!(held_up.elapsed() < Duration::from_secs(14), "{host}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // So has the agent given up its end, and makes another connection.
    while gate.made() < 2 {
        assert!(held_up.elapsed() < Duration::from_secs(14));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    gate.open();
    site.fleet.until_up("kvm-a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_and_an_agent_that_are_started_anew_find_each_other_and_their_dumps() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let address = site.address;
    let agent = Dialer::start(app.agent.clone(), address, TOKEN);
    site.fleet.until_up("kvm-a").await;
    let (dump_id, stored) = dumped(&app, &site.fleet, "web-01").await;
    site.fleet.records(1).await;
    let state = site.stop().await;
    let hosts = vec![("kvm-a", service(&dials_in("kvm-a"), Some(TOKEN)))];
    let site = Site::with(Fleet::over(state, &app, hosts), &address.to_string()).await;
    let back = Instant::now();
    site.fleet.until_up("kvm-a").await;
    assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
    let expected = exported(Path::new(&stored), ExportFormat::Raw);
    assert!(downloaded(&site.fleet, &dump_id, "raw").await == expected);

    agent.stop().await;
    site.fleet.until("kvm-a", |host| host["condition"] == "unreachable").await;
    let _agent = Dialer::start(app.agent.clone(), address, TOKEN);
    let back = Instant::now();
    site.fleet.until_up("kvm-a").await;
    assert!(back.elapsed() < SOON, "{:?}", back.elapsed());
    site.fleet.records(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_with_one_token_are_a_notice_on_their_host() {
    let (a, b) = (TestApp::start(), TestApp::start());
    let site = Site::start(&a).await;
    let _agents = [&a, &b].map(|app| Dialer::start(app.agent.clone(), site.address, TOKEN));
    let host = site.fleet.until("kvm-a", |host| host["warning"].is_string()).await;
    let warning = host["warning"].as_str().unwrap();
    assert!(warning.starts_with("several agents dial in with its token"), "{warning}");
    assert!(warning.contains("from 127.0.0.1"), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_is_called_with_is_the_token_and_nothing_else_opens_it() {
    // The agent knows another token than the one with which it dials: its rules are its own.
    let app = TestApp::start_with(crate::support::http(&[("MEMDECK_TOKEN", "quite another token")]).unwrap());
    let site = Site::start(&app).await;
    let _agent = Dialer::start(app.agent.clone(), site.address, TOKEN);
    let host = site.fleet.until("kvm-a", |host| host["condition"] == "wrong_token").await;
    assert!(host["error"].as_str().unwrap().contains("401"), "{host}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_websocket_is_told_so_and_only_to_whoever_has_the_token() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let asked = async |token: &str| -> (StatusCode, Value) {
        let mut request = get("/api/agents/dial");
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        answer(&site.fleet.router, request).await
    };
    let (status, refusal) = asked(TOKEN).await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED, "{refusal}");
    // Whoever may do everything else here is no host.
    assert_eq!(asked("another token of some length").await.0, StatusCode::FORBIDDEN);
    assert_eq!(answer(&site.fleet.router, get("/api/agents/dial")).await.0, StatusCode::FORBIDDEN);
}
