//! Guests behind agents as they are measured there: all of them on one dashboard, each with its host.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::routing::get as route_get;
use axum::{Json, Router};
use memdeck_model::telemetry::{LiveSample, LiveSummary, Metric, SeriesQuery, Watch};
use memdeck_model::{Actor, Event, HostId, Millis, ProblemKind, Reach, Timestamp};
use memdeck_operations::{Caller, Live};
use serde_json::{Value, json};

use super::fleet::{Fleet, PATIENCE};
use crate::support::front::Listening;
use crate::support::{TestApp, answer, get};

pub const CALLS: &str = "/api/telemetry";

/// Two agents that measure: `vm-0` and `vm-1` on `kvm-a`, and a `vm-0` with the UUID of that one on `kvm-b`.
pub struct Measuring {
    pub fleet: Fleet,
    pub a: TestApp,
    pub b: TestApp,
    services: [Listening; 2],
}

impl Measuring {
    pub async fn start() -> Self {
        let ((a, _), (b, _)) = (TestApp::measuring(2).await, TestApp::measuring(1).await);
        let services = [Listening::with(a.agent.clone()).await, Listening::with(b.agent.clone()).await];
        let fleet = Fleet::of(&a, &[("kvm-a", services[0].address), ("kvm-b", services[1].address)]);
        fleet.until_up("kvm-a").await;
        fleet.until_up("kvm-b").await;
        Self { fleet, a, b, services }
    }

    pub async fn get(&self, call: &str) -> (StatusCode, Value) {
        self.fleet.get(&format!("{CALLS}/{call}")).await
    }

    /// The UUID of a guest that agent `a` measures.
    async fn uuid(&self, name: &str) -> String {
        let (_, told) = answer(&self.a.agent, get(&format!("{CALLS}/guests"))).await;
        let guests = told["guests"].as_array().unwrap();
        let guest = guests.iter().find(|guest| guest["telemetry"]["name"] == name).unwrap();
        guest["telemetry"]["uuid"].as_str().unwrap().to_owned()
    }
}

fn host(name: &str) -> HostId {
    name.parse().unwrap()
}

fn named(vms: &Value) -> Vec<String> {
    let name = |vm: &Value| format!("{}/{}", vm["host"].as_str().unwrap(), vm["name"].as_str().unwrap());
    vms.as_array().unwrap().iter().map(name).collect()
}

/// What comes next of what is watched, as soon as it is as `wanted` says.
async fn until<T>(live: &mut Live, wanted: impl Fn(Vec<Event>) -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        let events = tokio::time::timeout(PATIENCE, live.next()).await.expect("values come");
        if let Some(found) = wanted(events) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE);
    }
}

fn summaries(events: &[Event]) -> &[LiveSummary] {
    let told = events.iter().find_map(|event| match event {
        Event::Summaries(summaries) => Some(summaries.as_slice()),
        _ => None,
    });
    told.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_hosts_measure_is_one_list_and_each_guest_says_its_host() {
    let all = Measuring::start().await;
    let everyone = ["kvm-a/vm-0", "kvm-b/vm-0", "kvm-a/vm-1"];
    for call in ["vm-telemetry", "monitored-vms"] {
        let (status, told) = all.get(call).await;
        assert_eq!((status, &told["count"]), (StatusCode::OK, &json!(3)), "{call}: {told}");
        assert_eq!(named(&told["vms"]), everyone, "{call}");
    }
    let (_, told) = all.get("vm-telemetry").await;
    for vm in told["vms"].as_array().unwrap() {
        assert!(vm["network_rx_bytes"].as_u64() > Some(0) && vm["stale"] == false, "{vm}");
    }
    let uuid = all.uuid("vm-1").await;
    for vm in ["vm-1", "kvm-a%2Fvm-1", "kvm-b%2Fvm-0", uuid.as_str()] {
        let (status, told) = all.get(&format!("vm-stats/{vm}")).await;
        assert_eq!(status, StatusCode::OK, "{vm}: {told}");
        assert!(told["metrics"]["cputime"].as_u64() > Some(0), "{vm}: {told}");
    }
    for vm in ["kvm-b%2Fvm-1", "vm-7", "kvm-c%2Fvm-0"] {
        assert_eq!(all.get(&format!("vm-stats/{vm}")).await.0, StatusCode::NOT_FOUND, "{vm}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_several_hosts_have_is_refused_with_the_candidates() {
    let all = Measuring::start().await;
    let twin = all.uuid("vm-0").await;
    for vm in ["vm-0", twin.as_str()] {
        let (status, refusal) = all.get(&format!("vm-stats/{vm}")).await;
        assert_eq!(status, StatusCode::CONFLICT, "{refusal}");
        assert_eq!(refusal["candidates"], json!(["kvm-a/vm-0", "kvm-b/vm-0"]), "{refusal}");
    }
    let (status, refusal) = all.get(&format!("series/{twin}?metric=cputime")).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refusal}");
    let candidates = json!([format!("kvm-a/{twin}"), format!("kvm-b/{twin}")]);
    assert_eq!(refusal["candidates"], candidates, "{refusal}");
    for call in ["status", "config", "diagnostic"] {
        let (status, refusal) = all.get(call).await;
        assert_eq!(
            (status, &refusal["candidates"]),
            (StatusCode::CONFLICT, &json!(["kvm-a", "kvm-b"])),
            "{call}"
        );
    }
    let (status, refusal) = all.get("status?host=kvm-c").await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_series_of_a_guest_come_from_the_store_of_its_host() {
    let all = Measuring::start().await;
    let (twin, alone) = (all.uuid("vm-0").await, all.uuid("vm-1").await);
    for guest in [format!("kvm-a%2F{twin}"), format!("kvm-b%2F{twin}"), alone.clone()] {
        // The stores take collections in as they come.
        let begun = Instant::now();
        let series = loop {
            let now = Timestamp::from(std::time::SystemTime::now());
            let call = format!("series/{guest}?metric=net_rxbytes&step=1&to={now}");
            let (status, told) = all.get(&call).await;
            assert_eq!(status, StatusCode::OK, "{told}");
            if !told["buckets"].as_array().unwrap().is_empty() {
                break told;
            }
            assert!(begun.elapsed() < PATIENCE, "{told}");
        };
        assert_eq!((&series["per_second"], &series["source"]), (&json!(true), &json!("embedded")));
        assert!(series["buckets"][0]["min"].as_f64() > Some(0.0), "{series}");
    }
    let (status, told) = all.get(&format!("series/kvm-b%2F{alone}?metric=cputime")).await;
    assert_eq!(
        (status, &told["buckets"]),
        (StatusCode::OK, &json!([])),
        "that host has no such guest: {told}"
    );
    let (status, refusal) = all.get(&format!("series/{alone}?metric=cputime&step=0")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_values_come_from_every_host_and_of_one_guest_from_its_host_alone() {
    let all = Measuring::start().await;
    let twin = all.uuid("vm-0").await;
    let mut list = all.fleet.operations.live(Watch::all());
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut first = None;
    while seen.len() < 3 || first.is_none() {
        let told = until(&mut list, |events| Some(summaries(&events).to_vec())).await;
        let of_one: BTreeSet<_> = told.iter().map(|of| of.host.clone()).collect();
        assert!(of_one.len() <= 1, "each host by itself: {told:?}");
        first = first.or_else(|| told.iter().find(|of| of.name.0 == "vm-1").map(|of| of.at));
        seen.extend(told.iter().map(|of| (of.host.clone().unwrap().to_string(), of.name.0.clone())));
    }
    let pairs = [("kvm-a", "vm-0"), ("kvm-a", "vm-1"), ("kvm-b", "vm-0")];
    assert_eq!(seen, pairs.map(|(host, name)| (host.to_owned(), name.to_owned())).into());
    // And they go on: a later collection of the same guest, with its rates.
    let later = until(&mut list, |events| {
        let of_it = summaries(&events).iter().find(|of| of.name.0 == "vm-1" && Some(of.at) > first);
        of_it.cloned()
    })
    .await;
    assert!(later.net_rx > Some(0.0) && later.cpu_pct.is_some(), "{later:?}");

    let mut one = all.fleet.operations.live(Watch::guest(&format!("kvm-b/{twin}")));
    for _ in 0..3 {
        let told: Vec<LiveSample> = until(&mut one, |events| {
            let samples = events.into_iter().map(|event| match event {
                Event::Sample(sample) => *sample,
                other => panic!("{other:?} was not watched"),
            });
            // What the agent told last may be what others watch.
            Some(samples.collect::<Vec<_>>()).filter(|told| !told.is_empty())
        })
        .await;
        assert!(told.iter().all(|of| of.host == Some(host("kvm-b")) && of.uuid == twin), "{told:?}");
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].devices.len(), 3, "a network interface and two disks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_asked_for_values_while_somebody_looks_and_once_for_all_who_do() {
    let (app, _) = TestApp::measuring(2).await;
    let asked: Arc<AtomicUsize> = Arc::default();
    let at_once: Arc<AtomicUsize> = Arc::default();
    let counting = {
        let (asked, at_once) = (Arc::clone(&asked), Arc::clone(&at_once));
        middleware::from_fn(move |request: Request, next: Next| {
            let (asked, at_once) = (Arc::clone(&asked), Arc::clone(&at_once));
            async move {
                let is_it = request.uri().path() == "/api/telemetry/values";
                if is_it {
                    asked.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "one question at a time");
                }
                let answer = next.run(request).await;
                if is_it {
                    at_once.fetch_sub(1, Ordering::SeqCst);
                }
                answer
            }
        })
    };
    let service = Listening::with(app.agent.clone().layer(counting)).await;
    let fleet = Fleet::of(&app, &[("kvm-a", service.address), ("away", super::fleet::nobody().await)]);
    fleet.until_up("kvm-a").await;
    assert_eq!(fleet.get(&format!("{CALLS}/vm-telemetry")).await.0, StatusCode::OK);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody looks");
    let mut pages: Vec<Live> = (0..20).map(|_| fleet.operations.live(Watch::all())).collect();
    for page in &mut pages {
        assert_eq!(until(page, |events| Some(summaries(&events).len())).await, 2);
    }
    let count = asked.load(Ordering::SeqCst);
    assert!((1..20).contains(&count), "{count} questions for 20 pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_away_leaves_the_others_alone_and_its_last_values_are_stale() {
    let all = Measuring::start().await;
    let mut list = all.fleet.operations.live(Watch::all());
    until(&mut list, |events| summaries(&events).iter().find(|of| of.host == Some(host("kvm-b"))).cloned())
        .await;
    all.get("vm-telemetry").await;
    let Measuring { fleet, a: _a, b: _b, services: [_first, second] } = all;
    second.stop().await;
    fleet.until("kvm-b", |host| host["condition"] == "unreachable").await;
    let begun = Instant::now();
    let (status, told) = fleet.get(&format!("{CALLS}/vm-telemetry")).await;
    assert!(begun.elapsed().as_secs() < 3, "{:?}", begun.elapsed());
    assert_eq!((status, named(&told["vms"]).len()), (StatusCode::OK, 3), "{told}");
    for vm in told["vms"].as_array().unwrap() {
        assert_eq!(vm["stale"], json!(vm["host"] == "kvm-b"), "{vm}");
    }
    let stale = until(&mut list, |events| {
        summaries(&events).iter().find(|of| of.host == Some(host("kvm-b")) && of.stale).cloned()
    })
    .await;
    assert_eq!(stale.name.0, "vm-0");
    until(&mut list, |events| {
        summaries(&events).iter().find(|of| of.host == Some(host("kvm-a")) && !of.stale).cloned()
    })
    .await;
    let (status, refusal) = fleet.get(&format!("{CALLS}/status?host=kvm-b")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    assert_eq!(fleet.get(&format!("{CALLS}/status?host=kvm-a")).await.1["running"], true);
    let (_, hosts) = fleet.post("/api/ui/collectors", json!({})).await;
    let stands: Vec<Value> =
        hosts.as_array().unwrap().iter().map(|of| json!([of["host"], of["status"]["running"]])).collect();
    assert_eq!(stands, [json!(["kvm-a", true]), json!(["kvm-b", null])]);
    assert!(hosts[1]["problem"].is_string(), "{hosts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_does_not_tell_what_it_measures_is_said_to_be_one() {
    let (app, _) = TestApp::measuring(1).await;
    let capabilities = json!({
        "uuids": true, "options": true, "cancel": true, "images": true, "guests": true, "records": true, "actors": true,
        "request_keys": true, "inside": true,
    });
    let older = Router::new()
        .route("/api/capabilities", route_get(async || Json(capabilities)))
        .route("/api/telemetry/{*rest}", route_get(async || StatusCode::NOT_FOUND))
        .fallback_service(app.agent.clone());
    let (new, old) = (Listening::with(app.agent.clone()).await, Listening::with(older).await);
    let fleet = Fleet::of(&app, &[("new", new.address), ("old", old.address)]);
    fleet.until_up("new").await;
    let host = fleet.until("old", |host| host["capabilities"]["telemetry"] == false).await;
    assert_eq!(host["condition"], "up", "{host}");
    let (_, told) = fleet.get(&format!("{CALLS}/vm-telemetry")).await;
    assert_eq!(named(&told["vms"]), ["new/vm-0"]);
    let (status, refusal) = fleet.get(&format!("{CALLS}/status?host=old")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal["detail"].as_str().unwrap().contains("an older version of memdeck"), "{refusal}");
    let mut list = fleet.operations.live(Watch::all());
    for _ in 0..3 {
        let told = until(&mut list, |events| Some(summaries(&events).to_vec())).await;
        assert!(told.iter().all(|of| of.host.as_ref().unwrap().as_str() == "new"), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_sees_only_some_guests_sees_what_is_measured_of_those() {
    let all = Measuring::start().await;
    let operations = &all.fleet.operations;
    let of = |selector: &str| Caller {
        reach: Reach::only(vec![selector.parse().unwrap()]),
        ..Caller::trusted(Actor::Api)
    };
    let caller = of("kvm-b/*");
    let (_, vms) = operations.vm_telemetry(&caller).await.unwrap();
    let seen: Vec<_> = vms.iter().map(|vm| (vm.vm.host.clone().unwrap(), vm.vm.name.0.clone())).collect();
    assert_eq!(seen, [(host("kvm-b"), "vm-0".to_owned())]);
    assert_eq!(operations.monitored_vms(&caller).await.unwrap().1.len(), 1);
    operations.vm_stats("vm-0", &caller).await.expect("of theirs there is one only");
    let hidden = operations.vm_stats("kvm-a/vm-0", &caller).await.unwrap_err();
    assert_eq!(hidden.kind, ProblemKind::NotFound);
    assert_eq!(operations.vm_stats("vm-1", &caller).await.unwrap_err().kind, ProblemKind::NotFound);
    let (twin, alone) = (all.uuid("vm-0").await, all.uuid("vm-1").await);
    let now = Timestamp::from(std::time::SystemTime::now());
    let series = |uuid: &str, of_host: Option<&str>| SeriesQuery {
        host: of_host.map(host),
        uuid: uuid.to_owned(),
        metric: Metric::CpuTime,
        device: None,
        from: now.minus(Millis(60_000)),
        to: now,
        step_ms: None,
    };
    operations.series(series(&twin, None), &caller).await.expect("of theirs there is one only");
    for (uuid, of_host) in [(&twin, Some("kvm-a")), (&alone, None), (&alone, Some("kvm-a"))] {
        let hidden = operations.series(series(uuid, of_host), &caller).await.unwrap_err();
        assert_eq!(hidden.kind, ProblemKind::NotFound, "{uuid} {of_host:?}");
    }
    let mut list = operations.live(Watch::all());
    let (mut own, mut others) = (0, 0);
    while own < 2 || others < 2 {
        let events = tokio::time::timeout(PATIENCE, list.next()).await.unwrap();
        for event in &events {
            let Event::Summaries(measured) = event else { panic!("{event:?}") };
            match operations.event_for(event, &caller).await {
                Some(Event::Summaries(told)) => {
                    assert!(
                        !told.is_empty() && told.iter().all(|of| of.host == Some(host("kvm-b"))),
                        "{told:?}"
                    );
                    own += 1;
                }
                None => {
                    assert!(measured.iter().all(|of| of.host == Some(host("kvm-a"))), "{measured:?}");
                    others += 1;
                }
                Some(event) => panic!("{event:?}"),
            }
        }
    }
}
