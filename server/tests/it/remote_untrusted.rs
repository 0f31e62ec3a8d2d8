//! A dump service is not believed without a look: it may be of another version, broken, or in somebody else's hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::routing::get as route_get;
use axum::{Json, Router};
use memdeck_model::{Actor, Deletion, DumpId, Event};
use serde_json::{Value, json};

use crate::support::front::{Front, Listening};
use crate::support::{TestApp, answer, get};

/// An agent that tells records as `page` makes them, from what it was asked to begin after.
#[derive(Clone)]
struct Feed {
    asked: Arc<AtomicU64>,
    page: fn(u64) -> Value,
    deletions: fn() -> Value,
}

impl Feed {
    fn of(page: fn(u64) -> Value) -> Self {
        Self { asked: Arc::default(), page, deletions: || json!({"catalog_id": "c", "deletions": []}) }
    }

    fn routes(&self) -> Router {
        Router::new()
            .route("/api/dumps", route_get(async || Json(json!({}))))
            .route("/api/capabilities", route_get(async || Json(json!({"records": true, "uuids": true}))))
            .route("/api/records", route_get(Self::records))
            .route("/api/deletions", route_get(Self::told_deletions))
            .with_state(self.clone())
    }

    #[expect(clippy::unused_async, reason = "a handler")]
    async fn records(State(feed): State<Self>, Query(query): Query<Value>) -> Json<Value> {
        feed.asked.fetch_add(1, Ordering::SeqCst);
        let since = query["since"].as_str().and_then(|since| since.parse().ok()).unwrap_or(0);
        Json(json!({"catalog_id": "c", "records": (feed.page)(since)}))
    }

    #[expect(clippy::unused_async, reason = "a handler")]
    async fn told_deletions(State(feed): State<Self>) -> Json<Value> {
        Json((feed.deletions)())
    }
}

fn numbered(seq: u64) -> Value {
    let at = "2025-11-14T08:58:23Z";
    let record = json!({
        "timestamp": at, "time": at, "dom": "made-up", "vmid": "1", "ok": true, "dump_id": format!("made-up-{seq}"),
    });
    json!({"seq": seq, "record": record})
}

fn is_warning(event: &Event) -> bool {
    matches!(event, Event::Service(health) if health.warning.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ignores_since_is_not_asked_for_ever_and_that_is_told() {
    let app = TestApp::start();
    let feed = Feed::of(|_| (1..=500).map(numbered).collect());
    let service = Listening::with(feed.routes()).await;
    let mut front = Front::of(&app, service.address);
    let Event::Service(health) = front.event(is_warning).await else { unreachable!() };
    assert!(health.warning.unwrap().to_string().contains("does not advance"));
    let asked = feed.asked.load(Ordering::SeqCst);
    assert!(asked <= 3, "asked {asked} times");
    assert_eq!(front.catalog.stats().unwrap().total_dumps, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_without_an_end_is_taken_over_in_bounded_pieces_and_that_is_told() {
    let app = TestApp::start();
    let feed = Feed::of(|since| (since + 1..=since + 500).map(numbered).collect());
    let service = Listening::with(feed.routes()).await;
    let mut front = Front::of(&app, service.address);
    let Event::Service(health) = front.event(is_warning).await else { unreachable!() };
    assert!(health.warning.unwrap().to_string().contains("more records than one import reads"));
    let asked = feed.asked.load(Ordering::SeqCst);
    assert!((20..=22).contains(&asked), "asked {asked} times");
    let (_, overview) = answer(&front.router, crate::support::post("/api/ui/overview", "{}")).await;
    assert!(overview["service"]["warning"].is_string(), "the page is told, too: {overview}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_mark_the_dashboards_own_images_as_deleted() {
    let app = TestApp::start();
    let feed = Feed {
        deletions: || {
            let deletion = |dump_id: &str| {
                let dump_id: DumpId = dump_id.parse().unwrap();
                let deleted_at = "2025-11-14T09:00:00Z".parse().unwrap();
                Deletion { dump_id, deleted_at, deleted_by: Actor::named("nobody") }
            };
            let told =
                [("own", 1), ("made-up-1", 2)].map(|(id, seq)| json!({"seq": seq, "deletion": deletion(id)}));
            json!({"catalog_id": "c", "deletions": told})
        },
        ..Feed::of(|since| if since == 0 { json!([numbered(1)]) } else { json!([]) })
    };
    let service = Listening::with(feed.routes()).await;
    let state = tempfile::tempdir().unwrap();
    let catalog = memdeck_catalog::Catalog::open(state.path()).unwrap();
    let own: DumpId = "own".parse().unwrap();
    let at = "2025-11-14T08:00:00Z".parse().unwrap();
    let record = memdeck_model::Record {
        dump_id: Some(own.clone()),
        ..memdeck_model::Record::unknown(memdeck_model::GuestName("web-01".into()), "1".into(), at)
    };
    catalog.import("http://another:5001", &[(1, record)]).unwrap();
    drop(catalog);
    let mut front = Front::on(state, &app, service.address);
    front.event(|event| matches!(event, Event::Record(record) if record.deleted_at.is_some())).await;
    assert_eq!(front.catalog.record_of(&own).unwrap().unwrap().deleted_at, None);
    let theirs = front.catalog.record_of(&"made-up-1".parse().unwrap()).unwrap().unwrap();
    assert_eq!(theirs.deleted_by, Some(Actor::named("nobody")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_told_as_such_and_the_dashboard_recovers() {
    let app = TestApp::start();
    let large = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let answers = Arc::clone(&large);
    let dumps = move || {
        let is_large = answers.load(Ordering::SeqCst);
        async move { if is_large { format!("{{\"x\": \"{}\"}}", "x".repeat(33 << 20)) } else { "{}".to_owned() } }
    };
    let service = Listening::with(Router::new().route("/api/dumps", route_get(dumps))).await;
    let mut front = Front::of(&app, service.address);
    let Event::Service(health) = front.event(is_warning).await else { unreachable!() };
    assert!(
        health.warning.as_ref().unwrap().to_string().contains("reports more dumps than fit"),
        "{health:?}"
    );
    assert_eq!(health.error, None, "it answers all the same");
    large.store(false, Ordering::SeqCst);
    let is_well = |event: &Event| matches!(event, Event::Service(health) if health.warning.is_none());
    tokio::time::timeout(Duration::from_secs(30), front.event(is_well)).await.unwrap();
    let (_, status) = answer(&front.router, get("/api/memory-dumps/status")).await;
    assert_eq!(status["status"], "ok");
}
