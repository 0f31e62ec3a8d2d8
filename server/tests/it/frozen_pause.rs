//! What is told before a dump of how long a guest would stand still: by both services, and by the command line.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use memdeck_catalog::{Adopted, Catalog, GuestIdentity};
use memdeck_hypervisor::{Hypervisor as _, Libvirt};
use memdeck_model::{Actor, ByteCount, CaptureMode, DumpId, GuestName, Millis, Record, Timestamp};
use serde_json::{Value, json};

use crate::support::front::{ContractOnly, Front, Listening, is_record};
use crate::support::program::{Running, memdeck};
use crate::support::{TestApp, answer, get, post};

/// Of the hypervisor that the tests simulate.
const HOST: &str = "simulated";

/// Makes `catalog` remember a frozen dump of 1 GiB on `host` that stopped its guest for so long.
fn remember(catalog: &Catalog, host: &str, number: u32, pause: Millis) {
    let guest =
        GuestIdentity { uuid: "of-old-01".to_owned(), name: GuestName("old-01".into()), vmid: "3".into() };
    let at = Timestamp::from_unix_micros(1_763_110_703_000_000 + i64::from(number)).unwrap();
    let record = Record {
        dump_id: Some(DumpId::from_uuid_bits(number.into())),
        host: Some(host.to_owned()),
        mode: Some(CaptureMode::Frozen),
        pause_ms: Some(pause),
        raw_size_bytes: Some(ByteCount::from_mib(1024)),
        ..Record::unknown(guest.name.clone(), guest.vmid.clone(), at)
    };
    let adopted = Adopted {
        record: &record,
        guest: &guest,
        requested_by: &Actor::named("a test"),
        finished_at: at,
        message: "Dump completed",
    };
    assert!(catalog.adopt(&adopted).unwrap());
}

/// What the call and the page's overview say, which is the same.
async fn told(dashboard: &Router) -> Value {
    // Whoever lists the guests knows the host.
    answer(dashboard, get("/api/guests")).await;
    let told = answer(dashboard, get("/api/frozen-pause")).await.1;
    assert_eq!(answer(dashboard, post("/api/ui/overview", "{}")).await.1["frozen_pause"], told);
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_tells_its_limit_and_what_it_measured_on_its_host() {
    let app = TestApp::start();
    let nothing_yet = json!({"limit_ms": 30_000, "bytes_per_s": null, "measured_from": 0});
    assert_eq!(told(&app.dashboard).await, nothing_yet);
    remember(&app.catalog, "another-host", 1, Millis(90_000));
    assert_eq!(told(&app.dashboard).await, nothing_yet, "another host may be slower");
    remember(&app.catalog, HOST, 2, Millis(500));
    let rate = 2_u64 << 30;
    assert_eq!(
        told(&app.dashboard).await,
        json!({"limit_ms": 30_000, "bytes_per_s": rate, "measured_from": 1})
    );
    assert_eq!(answer(&app.agent, get("/api/frozen-pause")).await.1["bytes_per_s"], rate);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_in_front_of_an_agent_tells_the_agents_figures_and_not_its_own() {
    let agent = TestApp::start();
    remember(&agent.catalog, HOST, 1, Millis(2_000));
    // The agent knows its host.
    answer(&agent.agent, get("/api/guests")).await;
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    remember(&front.catalog, HOST, 2, Millis(500));
    front.trigger("db-01").await;
    front.event(is_record).await;
    let expected = json!({"limit_ms": 30_000, "bytes_per_s": 1_u64 << 29, "measured_from": 1});
    assert_eq!(told(&front.router).await, expected);

    // Whoever hears of a record hears of what it changed.
    remember(&agent.catalog, HOST, 3, Millis(4_000));
    front.trigger("web-01").await;
    let dumped = |event: &memdeck_model::Event| matches!(event, memdeck_model::Event::Record(record) if record.dom.0 == "web-01");
    front.event(dumped).await;
    let expected = json!({"limit_ms": 30_000, "bytes_per_s": 1_u64 << 28, "measured_from": 2});
    assert_eq!(told(&front.router).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_service_that_does_not_tell_nothing_is_said() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    remember(&front.catalog, HOST, 1, Millis(500));
    front.trigger("7").await;
    foreign.complete("7");
    front.event(is_record).await;
    assert_eq!(told(&front.router).await, Value::Null);
}

/// Half a GiB a minute, measured on the host of libvirt's test driver, whose guest `test` runs and has 8 GiB.
fn measure_slow_dumps(home: &Path) {
    let host = Libvirt::connect("test:///default", Duration::from_secs(30)).host().unwrap().name;
    let state = home.join("state");
    let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&state);
    made.unwrap();
    remember(&Catalog::open(&state).unwrap(), &host, 1, Millis(120_000));
}

/// What `memdeck dump` says on standard error before anything else; its dump fails, because the driver dumps no guest.
fn said(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let mut command = memdeck(home);
    command.arg("dump").args(arguments).arg("--json").envs(variables.iter().copied());
    let output = command.output().unwrap();
    let stdout: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(stdout["dumps"][0]["state"], "failed", "{stdout}");
    String::from_utf8(output.stderr).unwrap().lines().map(ToOwned::to_owned).collect()
}

const WARNING: &str = "memdeck: warning: 'test' (8.00 GiB) would stand still for about 16 min; its dump is ended at the \
                       limit of 30 s. Choose live, or raise FROZEN_PAUSE_LIMIT.";
const WARNING_OF_AUTO: &str = "memdeck: warning: 'test' (8.00 GiB), if live is not possible, would stand still \
                               for about 16 min; its dump is ended at the limit of 30 s. Choose live, or raise \
                               FROZEN_PAUSE_LIMIT.";

#[test]
fn the_command_line_warns_before_it_dumps_a_guest_that_is_too_large() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(said(dir.path(), &["test", "--mode", "frozen"], &[]), [""; 0], "nothing was measured yet");
    let dir = tempfile::tempdir().unwrap();
    measure_slow_dumps(dir.path());
    let frozen = |vm| said(dir.path(), &[vm, "--mode", "frozen"], &[]);
    for vm in ["test", "1", "all"] {
        assert_eq!(frozen(vm), [WARNING], "{vm}");
    }
    assert_eq!(frozen("web-09"), [""; 0], "a guest that is not there");
    assert_eq!(said(dir.path(), &["test"], &[]), [WARNING_OF_AUTO]);
    assert_eq!(said(dir.path(), &["test", "--mode", "live"], &[]), [""; 0]);
    let enough = [("FROZEN_PAUSE_LIMIT", "960")];
    assert_eq!(said(dir.path(), &["test", "--mode", "frozen"], &enough), [""; 0]);
}

#[test]
fn the_command_line_warns_by_the_limit_of_the_service_that_it_asks() {
    let dir = tempfile::tempdir().unwrap();
    measure_slow_dumps(dir.path());
    let frozen = ["test", "--mode", "frozen"];
    // A limit of the command's own has no effect on the service.
    let own = [("FROZEN_PAUSE_LIMIT", "960")];
    let service = Running::serve(dir.path(), &[]);
    assert_eq!(said(dir.path(), &frozen, &own), [WARNING]);
    assert_eq!(service.stop().0, Some(0));
    let service = Running::serve(dir.path(), &own);
    assert_eq!(said(dir.path(), &frozen, &[]), [""; 0]);
    assert_eq!(service.stop().0, Some(0));
}
