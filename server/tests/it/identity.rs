//! Which guest is meant: by every face, the guest that was named and no other.

use std::collections::BTreeSet;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use memdeck_hypervisor::simulated::{Call, Fault};
use memdeck_model::{ByteCount, GuestState};
use serde_json::{Value, json};

use crate::support::front::{Front, Listening};
use crate::support::program::{Running, memdeck};
use crate::support::{TestApp, answer, get, post};

/// With the running guests `web-01` (id 1), `db-01` (id 2), `twin` (3) and `twin ` (4).
fn with_twins() -> TestApp {
    let app = TestApp::start();
    for (name, mib) in [("twin", 1), ("twin ", 2)] {
        drop(app.hypervisor.add_guest(name, ByteCount::from_mib(mib)));
    }
    app
}

/// With a guest named `2` whose id is 9, while `db-01` has the id 2.
fn with_a_guest_named_like_an_id() -> (TestApp, String) {
    let app = TestApp::start();
    let hidden = app.hypervisor.add_guest("2", ByteCount::from_mib(1));
    app.hypervisor.set_id("2", 9);
    (app, hidden.uuid)
}

fn dumped(app: &TestApp) -> Vec<String> {
    let begun = app.hypervisor.calls().into_iter().filter_map(|call| match call {
        Call::BeginDump(name) | Call::BeginLiveDump(name, _) => Some(name.0),
        _ => None,
    });
    let mut names: Vec<_> = begun.collect();
    names.sort();
    names
}

async fn trigger(router: &Router, body: Value) -> Value {
    let (status, reply) = answer(router, post("/api/memory-dumps/trigger", &body.to_string())).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    reply
}

/// As the page asks.
async fn choose(router: &Router, uuids: &[&str]) -> Value {
    let body = json!({"request": {"vms": uuids}}).to_string();
    let (status, reply) = answer(router, post("/api/ui/trigger", &body)).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_name_ends_in_a_blank_is_not_taken_for_its_namesake_without() {
    let app = with_twins();
    trigger(&app.dashboard, json!({"vms": ["twin "]})).await;
    assert_eq!(app.ended(1).await[0].guest.as_ref().unwrap().0, "twin ");
    answer(&app.agent, post("/api/dumps", r#"{"vms": ["twin "]}"#)).await;
    assert_eq!(app.ended(1).await[0].guest.as_ref().unwrap().0, "twin ");
    let uuid =
        answer(&app.agent, get("/api/dumps/twin%20")).await.1["guest_uuid"].as_str().unwrap().to_owned();
    assert_eq!(choose(&app.dashboard, &[&uuid]).await[0]["guest"], "twin ");
    app.ended(1).await;
    assert_eq!(dumped(&app), ["twin "; 3]);

    let records = answer(&app.dashboard, get("/api/memory-dumps/records")).await.1;
    assert!(records["records"].as_array().unwrap().iter().all(|record| record["dom"] == "twin "));
    let status = answer(&app.dashboard, get("/api/memory-dumps/status/twin%20")).await;
    assert_eq!((status.0, &status.1["guest"]), (StatusCode::OK, &json!("twin ")));
    let other = answer(&app.dashboard, get("/api/memory-dumps/status/twin")).await;
    assert_eq!(other.0, StatusCode::NOT_FOUND, "{}", other.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_whose_name_hides_behind_anothers_id_is_dumped_by_its_uuid() {
    let (app, uuid) = with_a_guest_named_like_an_id();
    trigger(&app.dashboard, json!({"vms": ["2"]})).await;
    assert_eq!(app.ended(1).await[0].guest.as_ref().unwrap().0, "db-01", "digits are an id first");
    trigger(&app.dashboard, json!({"vms": [uuid]})).await;
    assert_eq!(app.ended(1).await[0].guest.as_ref().unwrap().0, "2");
    assert_eq!(choose(&app.dashboard, &[&uuid]).await[0]["guest"], "2");
    app.ended(1).await;
    let status = async |vm: &str| {
        answer(&app.dashboard, get(&format!("/api/memory-dumps/status/{vm}"))).await.1["guest"].clone()
    };
    assert_eq!((status("2").await, status(&uuid).await), (json!("db-01"), json!("2")));
    let active = answer(&app.dashboard, get("/api/memory-dumps/status")).await.1["active_dumps"].clone();
    assert_eq!((&active["2"]["guest"], &active[&uuid]["guest"]), (&json!("db-01"), &json!("2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_guest_is_the_one_that_is_dumped_though_the_hypervisor_was_away_when_it_was_asked_for() {
    let (app, uuid) = with_a_guest_named_like_an_id();
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    trigger(&app.dashboard, json!({"vms": ["web-01", "db-01"]})).await;
    for name in ["web-01", "db-01"] {
        app.hypervisor.wait_until_stalled(name);
    }
    app.hypervisor.set_available(false);
    choose(&app.dashboard, &[&uuid]).await;
    app.hypervisor.set_available(true);
    app.hypervisor.release("web-01");
    app.hypervisor.release("db-01");
    let ended: BTreeSet<_> = app.ended(3).await.into_iter().map(|status| status.guest.unwrap().0).collect();
    assert_eq!(ended, ["web-01", "db-01", "2"].map(str::to_owned).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_dumps_exactly_the_guests_that_it_lists_and_names_each_that_it_leaves_out() {
    let (app, _) = with_a_guest_named_like_an_id();
    for name in ["paused", "off", "twin", "twin "] {
        drop(app.hypervisor.add_guest(name, ByteCount::from_mib(1)));
    }
    app.hypervisor.suspend("paused");
    app.hypervisor.set_state("off", GuestState::Shutoff);
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    trigger(&app.dashboard, json!({"vms": ["1"]})).await;
    app.hypervisor.wait_until_stalled("web-01");

    let reply = trigger(&app.dashboard, json!({"vms": ["all"]})).await;
    assert_eq!(reply["vm_ids"], json!(["2", "db-01", "twin", "twin "]));
    assert_eq!(reply["message"], "Memory dump scheduled for 4 VM(s)");
    assert_eq!(reply["dumps"].as_array().unwrap().len(), 4);
    let omitted: Vec<_> = reply["omitted"]
        .as_array()
        .unwrap()
        .iter()
        .map(|omitted| (omitted["name"].as_str().unwrap(), omitted["why"].as_str().unwrap()))
        .collect();
    assert_eq!(omitted, [("off", "off"), ("paused", "not_running"), ("web-01", "being_dumped")]);
    app.hypervisor.release("web-01");
    app.ended(5).await;
    assert_eq!(dumped(&app), ["2", "db-01", "twin", "twin ", "web-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_dumps_and_cancels_the_guest_whose_name_ends_in_a_blank() {
    let app = with_twins();
    let service = Listening::with(app.agent.clone()).await;
    let url = format!("http://{}", service.address);
    let run = |arguments: &'static [&str]| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || {
            let home = tempfile::tempdir().unwrap();
            let output =
                memdeck(home.path()).args(arguments).env("MEMDUMP_SERVICE_URL", url).output().unwrap();
            let told: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            assert_eq!(output.status.code(), Some(0), "{told}: {}", String::from_utf8_lossy(&output.stderr));
            told
        })
    };
    let told = run(&["dump", "--json", "twin "]).await.unwrap();
    assert_eq!(told["dumps"][0]["guest"], "twin ", "{told}");
    assert_eq!(dumped(&app), ["twin "]);
    app.ended(1).await;

    for name in ["twin", "twin "] {
        app.hypervisor.next_dump(name, &[Fault::StallsAt(4096)]);
    }
    trigger(&app.dashboard, json!({"vms": ["twin", "twin "]})).await;
    for name in ["twin", "twin "] {
        app.hypervisor.wait_until_stalled(name);
    }
    let told = run(&["cancel", "--json", "twin "]).await.unwrap();
    let dump = &told["dumps"][0];
    assert_eq!((&dump["guest"], &dump["job_state"]), (&json!("twin "), &json!("cancelled")), "{told}");
    app.ended(1).await;
    let other = answer(&app.dashboard, get("/api/memory-dumps/status/twin")).await.1;
    assert_eq!((&other["guest"], &other["job_state"]), (&json!("twin"), &json!("running")), "{other}");
    app.hypervisor.release("twin");
    assert_eq!(app.ended(1).await[0].guest.as_ref().unwrap().0, "twin");
}

/// On libvirt's own driver, which dumps nobody. With guests that are dumped it is in `real/shell.rs`.
#[test]
fn all_on_the_command_line_names_whom_it_leaves_out_where_it_takes_the_dumps_itself() {
    const RUNNING: u32 = 1;
    const PAUSED: u32 = 3;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("node.xml");
    let domain = |name: &str, runstate: u32| {
        format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
             <test:runstate>{runstate}</test:runstate>\
             <name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
        )
    };
    let guests = [domain("db-01", PAUSED), domain("web-01", RUNNING)].concat();
    std::fs::write(&file, format!("<node>{guests}</node>")).unwrap();
    let mut command = memdeck(home.path());
    command.args(["dump", "--json", "all"]).env("LIBVIRT_URI", format!("test://{}", file.display()));
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    assert_eq!((output.status.code(), &told["dumps"][0]["guest"]), (Some(1), &json!("web-01")), "{stderr}");
    assert_eq!(
        (&told["omitted"][0]["name"], &told["omitted"][0]["why"]),
        (&json!("db-01"), &json!("not_running"))
    );
    assert!(stderr.contains("'db-01'") && stderr.contains("is left out: it is paused"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_on_the_command_line_says_whom_it_leaves_out_and_does_not_claim_success() {
    let (app, _) = with_a_guest_named_like_an_id();
    let service = Listening::with(app.agent.clone()).await;
    let url = format!("http://{}", service.address);
    let dump_all = || {
        let url = url.clone();
        tokio::task::spawn_blocking(move || {
            let home = tempfile::tempdir().unwrap();
            let mut command = memdeck(home.path());
            let output =
                command.args(["dump", "--json", "all"]).env("MEMDUMP_SERVICE_URL", url).output().unwrap();
            let told: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            (output.status.code(), told, String::from_utf8(output.stderr).unwrap())
        })
    };
    let (code, told, stderr) = dump_all().await.unwrap();
    assert_eq!((code, &told["omitted"]), (Some(0), &json!([])), "{stderr}");
    assert_eq!(dumped(&app), ["2", "db-01", "web-01"]);

    app.hypervisor.suspend("db-01");
    let (code, told, stderr) = dump_all().await.unwrap();
    assert_eq!((code, &told["omitted"][0]["name"]), (Some(1), &json!("db-01")), "{stderr}");
    assert_eq!(told["dumps"].as_array().unwrap().len(), 2);
    assert!(stderr.contains("'db-01'") && stderr.contains("is left out: it is paused"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn through_an_agent_the_chosen_guest_is_the_one_that_is_dumped() {
    let (app, uuid) = with_a_guest_named_like_an_id();
    let service = Listening::with(app.agent.clone()).await;
    let front = Front::of(&app, service.address);
    assert_eq!(choose(&front.router, &[&uuid]).await[0]["guest"], "2");
    app.ended(1).await;
    let reply = trigger(&front.router, json!({"vms": ["all"]})).await;
    assert_eq!(reply["vm_ids"], json!(["2", "db-01", "web-01"]), "names, as ever");
    app.ended(3).await;
    assert_eq!(dumped(&app), ["2", "2", "db-01", "web-01"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_guest_has_one_state_under_each_of_its_names() {
    let app = TestApp::start();
    let calls = [
        (&app.dashboard, "/api/memory-dumps/status/", "/api/memory-dumps/status", "active_dumps"),
        (&app.agent, "/api/dumps/", "/api/dumps", ""),
    ];
    trigger(&app.dashboard, json!({"vms": ["1"]})).await;
    let old = app.ended(1).await.remove(0);
    let uuid = old.guest_uuid.unwrap();
    app.clock.advance(std::time::Duration::from_mins(46));
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    trigger(&app.dashboard, json!({"vms": ["web-01"]})).await;
    app.hypervisor.wait_until_stalled("web-01");
    for name in ["1", "web-01", &uuid] {
        for (router, one, _, _) in calls {
            let status = answer(router, get(&format!("{one}{name}"))).await.1;
            assert_eq!((&status["state"], &status["guest"]), (&json!("running"), &json!("web-01")), "{name}");
        }
    }
    let again = answer(&app.agent, post("/api/dumps", r#"{"vms": ["1"]}"#)).await.1;
    assert_eq!(again["1"]["state"], "running", "under the text as given");
    for (router, _, all, field) in calls {
        let answered = answer(router, get(all)).await.1;
        let statuses = if field.is_empty() { &answered } else { &answered[field] };
        for name in ["1", "web-01"] {
            assert_eq!(statuses[name]["state"], "running", "{name} in {all}");
        }
    }
    app.hypervisor.release("web-01");
    app.ended(1).await;
    let all = answer(&app.agent, get("/api/dumps")).await.1;
    assert_eq!((&all["1"]["state"], &all["1"]["dump_id"]), (&json!("completed"), &all["web-01"]["dump_id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_names_cannot_make_the_list_of_dumps_grow_without_end() {
    let app = TestApp::start();
    answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01"]}"#)).await;
    app.ended(1).await;
    for call in 0..2 {
        let names: Vec<_> = (0..1_000).map(|n| format!("nobody-{call}-{n}")).collect();
        let (status, _) = answer(&app.agent, post("/api/dumps", &json!({"vms": names}).to_string())).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (_, body) = crate::support::text(&app.agent, get("/api/dumps")).await;
    let all: Value = serde_json::from_str(&body).unwrap();
    assert!(all.as_object().unwrap().len() <= 2_000, "{}", all.as_object().unwrap().len());
    assert!(body.len() < 4 << 20, "{} bytes", body.len());
    assert_eq!(all["web-01"]["state"], "completed", "and no guest is pushed out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_eight_guests_waits_once_for_a_hypervisor_that_hangs() {
    const LIBVIRT_TIMEOUT: Duration = Duration::from_secs(2);
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("libvirt-sock");
    // It accepts, and never answers.
    let _silent = UnixListener::bind(&socket).unwrap();
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let limit = LIBVIRT_TIMEOUT.as_secs().to_string();
    let running = Running::serve(home.path(), &[("LIBVIRT_URI", &uri), ("LIBVIRT_TIMEOUT", &limit)]);
    memdeck::commands::install_tls_provider();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let names: Vec<_> = (1..=8).map(|number| format!("guest-{number}")).collect();
    let begun = Instant::now();
    let asked = client.post(format!("{}/api/memory-dumps/trigger", running.url));
    let asked = asked.header("content-type", "application/json").body(json!({"vms": names}).to_string());
    let reply: Value = serde_json::from_slice(&asked.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let took = begun.elapsed();
    assert_eq!(reply["dumps"].as_array().map(Vec::len), Some(8), "{reply}");
    assert!(took < 4 * LIBVIRT_TIMEOUT, "it took {took:?}, for each guest one after the other");
}
