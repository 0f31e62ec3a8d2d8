//! What happens and what is measured, as it is told to somebody who sees only some guests.

use std::time::Duration;

use axum::http::StatusCode;
use memdeck_model::{ByteCount, GuestState};
use serde_json::json;

use super::{NOBODYS, TOKEN, ask, by, dumped, guarded, token, told};
use crate::events::{Page, Told};
use crate::support::{TestApp, get, http, post};

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_events_is_silent_about_another_group() {
    let app = guarded();
    let north = token(&app, "north", &["web-*"]).await;
    let south = token(&app, "south", &["db-01"]).await;
    let mut page = Page::at(&app, by(get("/api/events"), &north)).await;
    let mut present = Vec::new();
    while present.last().is_none_or(|told: &Told| told.kind != "guests") {
        present.push(page.next().await.unwrap());
    }
    let theirs = dumped(&app, &south, "db-01").await;
    ask(&app, &south, post(&format!("/api/memory-dumps/{theirs}/verify"), "{}")).await;
    drop(app.hypervisor.add_guest("db-02", ByteCount::from_mib(1)));
    app.hypervisor.set_state("db-01", GuestState::Paused);
    // Longer than the watch over the guests waits.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let own = dumped(&app, &north, "web-01").await;
    let mut told = Vec::new();
    while told.last().is_none_or(|told: &Told| told.kind != "record") {
        told.push(page.next().await.unwrap());
    }
    for event in present.iter().chain(&told) {
        let data = event.data.to_string();
        assert!(!data.contains("db-0") && !data.contains(&theirs), "{event:?}");
        assert_eq!(event.id, None, "positions count what others do");
    }
    assert_eq!(told[0].kind, "dump", "nothing was told while south did all that: {told:?}");
    assert_eq!(told.last().unwrap().data["dump_id"], own);
    let mut anew = by(get("/api/events"), &north);
    anew.headers_mut().insert("last-event-id", "0000000000000000-1".parse().unwrap());
    assert_eq!(Page::at(&app, anew).await.next().await.unwrap().data["resumed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_measured_is_told_of_ones_own_guests() {
    let http = http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap();
    let (app, _stats) = TestApp::measuring_with(3, None, http).await;
    let north = token(&app, "north", &["vm-1"]).await;
    let (_, all) = ask(&app, TOKEN, get("/api/telemetry/vm-telemetry")).await;
    let uuids: Vec<String> =
        all["vms"].as_array().unwrap().iter().map(|vm| vm["uuid"].as_str().unwrap().to_owned()).collect();
    let [first, own, _] = &uuids[..] else { panic!("{all}") };
    for path in ["vm-telemetry", "monitored-vms"] {
        let (_, told) = ask(&app, &north, get(&format!("/api/telemetry/{path}"))).await;
        assert_eq!((&told["count"], &told["vms"][0]["name"]), (&json!(1), &json!("vm-1")), "{path}: {told}");
    }
    let (_, live) = ask(&app, &north, get("/api/telemetry/live-vms")).await;
    assert_eq!(live["count"], 0, "the hypervisor's guests are others here: {live}");
    for named in [own, "vm-1"] {
        let (status, told) = ask(&app, &north, get(&format!("/api/telemetry/vm-stats/{named}"))).await;
        assert_eq!(status, StatusCode::OK, "{told}");
    }
    let series = |uuid: &str| get(&format!("/api/telemetry/series/{uuid}?metric=cputime"));
    assert_eq!(ask(&app, &north, series(own)).await.0, StatusCode::OK);
    let ui = |uuid: &str| {
        let query = json!({"uuid": uuid, "metric": "cputime", "device": null, "from": "2025-11-14T07:00:00Z",
                           "to": "2025-11-14T08:00:00Z", "step_ms": null});
        post("/api/ui/series", &json!({ "query": query }).to_string())
    };
    assert_eq!(ask(&app, &north, ui(own)).await.0, StatusCode::OK);
    let calls = |uuid: &str, name: &str| {
        let stats = |named: &str| get(&format!("/api/telemetry/vm-stats/{named}"));
        [series(uuid), ui(uuid), stats(uuid), stats(name)]
    };
    for (hidden, unknown) in calls(first, "vm-0").into_iter().zip(calls(NOBODYS, "xx-0")) {
        let (status, hidden) = told(&app, by(hidden, &north)).await;
        let hidden = hidden.replace(first.as_str(), NOBODYS).replace("vm-0", "xx-0");
        assert_eq!((status, hidden), told(&app, by(unknown, &north)).await);
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let watch = format!("/api/events?watch=all,{first},{own}");
    let mut page = Page::at(&app, by(get(&watch), &north)).await;
    let mut kinds = Vec::new();
    while kinds.len() < 6 {
        let told = page.next().await.unwrap();
        if !["summaries", "sample"].contains(&told.kind.as_str()) {
            continue;
        }
        let data = told.data.to_string();
        assert!(data.contains(own.as_str()), "{data}");
        assert!(uuids.iter().filter(|uuid| *uuid != own).all(|uuid| !data.contains(uuid.as_str())), "{data}");
        kinds.push(told.kind);
    }
    assert!(kinds.contains(&"summaries".to_owned()) && kinds.contains(&"sample".to_owned()));
}
