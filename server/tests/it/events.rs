//! Live events to open pages.

use axum::body::Body;
use futures_util::StreamExt as _;
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::GuestState;
use serde_json::Value;

use crate::support::{TestApp, answer, get, post, send};

/// An open stream of events.
struct Page {
    stream: axum::body::BodyDataStream,
    unread: String,
}

impl Page {
    async fn open(app: &TestApp) -> Self {
        let response = send(&app.dashboard, get("/api/events")).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { stream: Body::into_data_stream(response.into_body()), unread: String::new() }
    }

    /// Kind, data and whether it has an id; `None` at the end of the stream.
    async fn next(&mut self) -> Option<(String, Value, bool)> {
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
        Some((field("event").unwrap().to_owned(), data, field("id").is_some()))
    }

    /// The next event of this kind.
    async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let (found, data, _) = self.next().await.expect("the stream ended");
            if found == kind {
                return data;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_told_the_present_state_and_then_every_change() {
    let app = TestApp::start();
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["db-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("db-01");

    let mut page = Page::open(&app).await;
    assert_eq!(page.next().await.unwrap().0, "service");
    assert_eq!(page.next().await.unwrap(), ("hypervisor".to_owned(), Value::Null, false));
    let (kind, guests, _) = page.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &guests[0]["name"], &guests[1]["name"]),
        ("guests", &"db-01".into(), &"web-01".into())
    );
    let (kind, dump, numbered) = page.next().await.unwrap();
    assert_eq!(
        (kind.as_str(), &dump["vm"], &dump["state"], numbered),
        ("dump", &"db-01".into(), &"running".into(), false)
    );

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
async fn streams_end_when_memdeck_stops() {
    let app = TestApp::start();
    let mut page = Page::open(&app).await;
    page.next().await.unwrap();
    app.closing.send(true).unwrap();
    while page.next().await.is_some() {}
}
