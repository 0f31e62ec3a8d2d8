//! What is told before a dump of how long a guest would stand still by both services.

use axum::Router;
use memdeck_catalog::{Adopted, Catalog, GuestIdentity};
use memdeck_model::{ByteCount, CaptureMode, DumpId, GuestName, Millis, Record, Timestamp};
use serde_json::{Value, json};

use crate::remote::{ContractOnly, Front, Listening, is_record};
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
        requested_by: "a test",
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
