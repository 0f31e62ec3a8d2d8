//! Live events to open pages: what they are told first, then, and when they come back. How that looks on a real
//! connection is in `connections.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::StreamExt as _;
use memdeck_hypervisor::GuestStats as _;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::{ByteCount, Event, GuestState};
use serde_json::{Value, json};

use crate::support::{TestApp, answer, get, post, send};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub kind: String,
    pub data: Value,
    pub id: Option<String>,
}

/// An open stream of events.
pub struct Page {
    stream: axum::body::BodyDataStream,
    unread: String,
}

impl Page {
    async fn open(app: &TestApp) -> Self {
        Self::at(app, get("/api/events")).await
    }

    /// As the browser's own reconnection does it.
    async fn reopen(app: &TestApp, last_event_id: &str) -> Self {
        let mut request = get("/api/events");
        request.headers_mut().insert("last-event-id", last_event_id.parse().unwrap());
        Self::at(app, request).await
    }

    pub async fn at(app: &TestApp, request: Request<Body>) -> Self {
        let response = send(&app.dashboard, request).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { stream: Body::into_data_stream(response.into_body()), unread: String::new() }
    }

    /// `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Told> {
        let block = loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                break block;
            }
            let bytes = self.stream.next().await?.unwrap();
            self.unread.push_str(std::str::from_utf8(&bytes).unwrap());
        };
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = serde_json::from_str(field("data").unwrap()).unwrap();
        Some(Told { kind: field("event").unwrap().to_owned(), data, id: field("id").map(str::to_owned) })
    }

    /// The next event of this kind.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let told = self.next().await.expect("the stream ended");
            if told.kind == kind {
                return told.data;
            }
        }
    }

    /// Whether the server said that it goes on where the page was.
    async fn is_resumed(&mut self) -> bool {
        let start = self.next().await.unwrap();
        assert_eq!((start.kind.as_str(), &start.id), ("start", &None));
        start.data["resumed"].as_bool().unwrap()
    }

    /// Reads until a dump has this state; everything that was told.
    async fn until_dump_is(&mut self, state: &str) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            told.push(self.next().await.expect("the stream ended"));
            let last = told.last().unwrap();
            if last.kind == "dump" && last.data["state"] == state {
                return told;
            }
        }
    }
}

async fn dump(app: &TestApp, vm: &str) {
    let body = format!(r#"{{"vms": ["{vm}"]}}"#);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", &body)).await;
}

/// Without what comes and goes by itself.
fn of_dumps(told: &[Told]) -> Vec<Told> {
    told.iter().filter(|told| matches!(told.kind.as_str(), "dump" | "record")).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_the_present_state_and_then_every_change() {
    let app = TestApp::start();
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    dump(&app, "db-01").await;
    app.hypervisor.wait_until_stalled("db-01");

    let mut page = Page::open(&app).await;
    assert!(!page.is_resumed().await);
    let service = page.next().await.unwrap();
    assert_eq!((service.kind.as_str(), service.id), ("service", None));
    let storage = page.next().await.unwrap();
    assert_eq!((storage.kind.as_str(), storage.data), ("storage", Value::Null));
    let hypervisor = page.next().await.unwrap();
    assert_eq!((hypervisor.kind.as_str(), hypervisor.data), ("hypervisor", Value::Null));
    let guests = page.next().await.unwrap();
    assert_eq!(
        (guests.kind.as_str(), &guests.data[0]["name"], &guests.data[1]["name"]),
        ("guests", &"db-01".into(), &"web-01".into())
    );
    let running = page.next().await.unwrap();
    assert_eq!(
        (running.kind.as_str(), &running.data["vm"], &running.data["state"]),
        ("dump", &"db-01".into(), &"running".into())
    );
    assert!(running.id.is_some(), "now the page knows where it stands");

    app.hypervisor.release("db-01");
    let record = page.next_of("record").await;
    assert_eq!(record["dom"], "db-01");
    let mut dump = page.next_of("dump").await;
    while dump["state"] != "completed" {
        dump = page.next_of("dump").await;
    }
    assert_eq!(dump["record"], record);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_starts_and_a_hypervisor_that_goes_away_are_told() {
    let app = TestApp::start();
    app.hypervisor.set_state("db-01", GuestState::Shutoff);
    let mut page = Page::open(&app).await;
    assert_eq!(page.next_of("guests").await[0]["state"], "shutoff");
    app.hypervisor.set_state("db-01", GuestState::Running);
    let mut guests = page.next_of("guests").await;
    while guests[0]["state"] != "running" {
        guests = page.next_of("guests").await;
    }
    app.hypervisor.set_available(false);
    while page.next_of("hypervisor").await.is_null() {}
    app.hypervisor.set_available(true);
    while !page.next_of("hypervisor").await.is_null() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_never_told_without_the_processor_time_that_they_have_had() {
    let app = TestApp::start();
    for name in ["db-01", "web-01"] {
        app.hypervisor.set_cpu_time(name, 7_000_000_000);
    }
    let mut page = Page::open(&app).await;
    let mut told = vec![page.next_of("guests").await];
    dump(&app, "web-01").await;
    app.ended(1).await;
    for state in [GuestState::Paused, GuestState::Running] {
        app.hypervisor.set_state("db-01", state);
        while told.last().unwrap()[0]["state"] != state.as_str() {
            told.push(page.next_of("guests").await);
        }
    }
    for guests in told {
        for guest in guests.as_array().unwrap() {
            assert_eq!(guest["cpu_time_ns"], json!(7_000_000_000_u64), "{guests}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_memdeck_stops() {
    let app = TestApp::start();
    let mut page = Page::open(&app).await;
    page.next().await.unwrap();
    app.closing.send(true).unwrap();
    while page.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_comes_back_is_told_what_it_missed_and_nothing_twice() {
    let app = TestApp::start();
    let mut page = Page::open(&app).await;
    // Another page sees everything, without a break.
    let mut witness = Page::open(&app).await;
    assert!(!page.is_resumed().await);
    dump(&app, "web-01").await;
    let before = page.until_dump_is("completed").await;
    let left_at = before.last().unwrap().id.clone().unwrap();
    drop(page);
    dump(&app, "db-01").await;
    app.ended(2).await;

    let mut page = Page::reopen(&app, &left_at).await;
    assert!(page.is_resumed().await);
    let missed = page.until_dump_is("completed").await;
    witness.until_dump_is("completed").await;
    let mut seen = witness.until_dump_is("completed").await;
    // Of the steps of one state only the last one is told again.
    let missed = of_dumps(&missed);
    seen.retain(|told| missed.iter().any(|missed| missed.id == told.id));
    assert_eq!(missed, seen);
    let names: Vec<_> = missed.iter().map(|told| (told.kind.as_str(), told.data["state"].as_str())).collect();
    assert_eq!(
        names,
        [("dump", Some("queued")), ("dump", Some("running")), ("record", None), ("dump", Some("completed"))]
    );
    assert!(
        missed.iter().all(|told| told.data["vm"] == "db-01" || told.data["dom"] == "db-01"),
        "{missed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_may_stand_in_the_address_and_the_browsers_own_is_newer() {
    let app = TestApp::start();
    let mut page = Page::open(&app).await;
    dump(&app, "web-01").await;
    let told = page.until_dump_is("completed").await;
    let ids: Vec<_> = told.iter().filter_map(|told| told.id.clone()).collect();
    let (first, last) = (ids.first().unwrap(), ids.last().unwrap());
    assert_ne!(first, last);

    let mut page = Page::at(&app, get(&format!("/api/events?last_event_id={last}"))).await;
    assert!(page.is_resumed().await);
    dump(&app, "db-01").await;
    let next = page.next_of("dump").await;
    assert_eq!(next["vm"], "db-01", "nothing of web-01 is told again");

    let mut request = get(&format!("/api/events?last_event_id={first}"));
    request.headers_mut().insert("last-event-id", last.parse().unwrap());
    let mut page = Page::at(&app, request).await;
    assert!(page.is_resumed().await);
    assert_eq!(page.next_of("dump").await["vm"], "db-01");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pages_that_connect_at_once_are_all_told_that_the_hypervisor_answers() {
    let app = Arc::new(TestApp::start());
    app.hypervisor.hold_lists(true);
    let connect = |_| {
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let mut page = Page::open(&app).await;
            // What it is told first, and what it goes on to show.
            let first = page.next_of("hypervisor").await;
            let guests = page.next_of("guests").await;
            (first, guests.as_array().map(Vec::len))
        })
    };
    let pages: Vec<_> = (0..100).map(connect).collect();
    // Long enough for all of them to ask: of a hypervisor that lists slowly, sixteen may wait for the answer.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.hypervisor.hold_lists(false);
    for page in pages {
        assert_eq!(page.await.unwrap(), (Value::Null, Some(2)));
    }
    let overview = answer(&app.dashboard, post("/api/ui/overview", "{}")).await.1;
    assert_eq!(overview["hypervisor"], Value::Null, "{overview}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_process_is_told_the_present_state_again() {
    let app = TestApp::start();
    let mut page = Page::open(&app).await;
    dump(&app, "web-01").await;
    let theirs = page.until_dump_is("completed").await.pop().unwrap().id.unwrap();
    let restarted = TestApp::start();
    for id in [theirs.as_str(), "0000000000000000-0", "7", "nonsense", ""] {
        let mut page = Page::reopen(&restarted, id).await;
        assert!(!page.is_resumed().await, "{id}");
        assert_eq!(page.next().await.unwrap().kind, "service", "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_by_the_clock_however_much_there_is_to_tell() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("big-01", ByteCount::from_mib(64)));
    let mut events = app.engine.subscribe();
    let mut told = Vec::new();
    // The clock stands still: a quarter of a second never passes.
    for vm in ["web-01", "big-01"] {
        dump(&app, vm).await;
        app.ended(1).await;
        let mut count = 0;
        while let Ok(event) = events.try_recv() {
            count += u32::from(matches!(event, Event::Dump(_)));
        }
        told.push(count);
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_sent_the_live_values_that_it_watches_and_no_others() {
    let (app, stats) = TestApp::measuring(3).await;
    let uuid = stats.collect().unwrap().guests.remove(1).uuid;
    let mut watching = Page::at(&app, get(&format!("/api/events?watch=all,{uuid}"))).await;
    assert_eq!(watching.next_of("summaries").await.as_array().unwrap().len(), 3);
    let sample = watching.next_of("sample").await;
    assert_eq!((&sample["uuid"], &sample["name"]), (&json!(uuid), &json!("vm-1")));

    let mut other = Page::open(&app).await;
    app.hypervisor.set_state("web-01", GuestState::Paused);
    loop {
        let told = other.next().await.unwrap();
        assert!(!["sample", "summaries"].contains(&told.kind.as_str()), "nobody asked for it");
        if told.kind == "guests" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_values_of_what_is_no_guest_are_refused() {
    let app = TestApp::start();
    let (status, body) = answer(&app.dashboard, get("/api/events?watch=web-01")).await;
    assert_eq!(status, 400);
    assert_eq!(
        body["detail"],
        "`watch` takes `all` and up to 16 UUIDs of guests (of several hosts, `host/UUID`), separated by commas"
    );
}
