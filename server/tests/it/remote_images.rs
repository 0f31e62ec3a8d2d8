//! Images of a dump service: the dashboard passes on what its agent has.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_model::{Actor, ByteCount, Event, ProblemKind, Verdict, VerificationState};
use memdeck_operations::Caller;
use serde_json::json;

use crate::image_care::verified;
use crate::support::front::{ContractOnly, Front, Listening, is_record};
use crate::support::{HOST, TestApp, answer, delete, get, send, trusted};

/// An agent with a dump, and a dashboard that knows of it.
async fn with_a_dump(agent: &TestApp, vm: &str) -> (Listening, Front, String) {
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(agent, service.address);
    front.trigger(vm).await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!("is_record") };
    (service, front, record.dump_id.unwrap().to_string())
}

fn is_deletion(event: &Event) -> bool {
    matches!(event, Event::Record(record) if record.deleted_at.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_passes_through_with_its_headers_and_parts() {
    let agent = TestApp::start();
    let (_service, front, dump_id) = with_a_dump(&agent, "db-01").await;
    for form in ["elf", "raw", "lime", "avml", "stored"] {
        let path = format!("/api/memory-dumps/{dump_id}/image?format={form}");
        let own = send(&agent.agent, get(&path)).await;
        let passed = send(&front.router, get(&path)).await;
        // Each service names its own request.
        let headers = |answer: &axum::response::Response| {
            let mut headers = answer.headers().clone();
            assert!(headers.remove("x-request-id").is_some());
            // An agent says how its own audit ends.
            headers.remove("memdeck-audit");
            headers
        };
        assert_eq!((passed.status(), headers(&passed)), (own.status(), headers(&own)), "{form}");
        let tag = own.headers()["etag"].clone();
        let whole = own.into_body().collect().await.unwrap().to_bytes();
        assert!(passed.into_body().collect().await.unwrap().to_bytes() == whole, "{form}");

        for (name, value, status) in [
            ("range", "bytes=100-199", StatusCode::PARTIAL_CONTENT),
            ("range", "bytes=999999999-", StatusCode::RANGE_NOT_SATISFIABLE),
            ("if-none-match", tag.to_str().unwrap(), StatusCode::NOT_MODIFIED),
        ] {
            let status = if form == "avml" && name == "range" { StatusCode::OK } else { status };
            let request = Request::get(&path).header("host", HOST).header(name, value);
            let response = send(&front.router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(response.status(), status, "{form} {value}");
            if status == StatusCode::PARTIAL_CONTENT {
                assert_eq!(response.headers()["content-range"], format!("bytes 100-199/{}", whole.len()));
                assert!(response.into_body().collect().await.unwrap().to_bytes() == whole[100..200]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_at_the_service_breaks_here() {
    let agent = TestApp::start();
    drop(agent.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (_service, front, dump_id) = with_a_dump(&agent, "mail-01").await;
    let stored = agent.catalog.record_of(&dump_id.parse().unwrap()).unwrap().unwrap().dump_path.unwrap();
    let mut bytes = std::fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    for form in ["elf", "avml"] {
        let path = format!("/api/memory-dumps/{dump_id}/image?format={form}");
        let response = send(&front.router, get(&path)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.into_body().collect().await.is_err(), "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_inspected_and_verified_where_it_is() {
    let agent = TestApp::start();
    let (service, front, dump_id) = with_a_dump(&agent, "web-01").await;
    for what in ["manifest", "inspect", "verify"] {
        let path = format!("/api/memory-dumps/{dump_id}/{what}");
        assert_eq!(answer(&front.router, get(&path)).await, answer(&agent.agent, get(&path)).await);
    }
    assert_eq!(verified(&front.router, &dump_id).await["verdict"], "intact");
    service.stop().await;
    for what in ["image", "manifest", "inspect", "verify"] {
        let (status, refused) =
            answer(&front.router, get(&format!("/api/memory-dumps/{dump_id}/{what}"))).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{what}");
        assert!(
            refused["detail"].as_str().unwrap().contains("which has the image, does not answer"),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_is_followed_where_it_goes_on() {
    let agent = TestApp::start();
    let (service, front, dump_id) = with_a_dump(&agent, "web-01").await;
    let mut changed = front.kept.subscribe();
    let begun = front.images.verify(&dump_id, &Caller::trusted(Actor::Page)).await.unwrap();
    assert_eq!(begun.state, VerificationState::Running);
    // Nobody asks any more, and the end is told all the same.
    loop {
        let Event::Verification(told) = changed.recv().await.unwrap() else { panic!("another event") };
        if told.state != VerificationState::Running {
            assert_eq!(told.verdict, Some(Verdict::Intact));
            break;
        }
    }
    assert_eq!(front.images.verifications()[0].verdict, Some(Verdict::Intact));

    let facts = front.images.facts(&dump_id, &trusted()).await.unwrap();
    assert_eq!(facts, agent.images.facts(&dump_id, &trusted()).await.unwrap());
    service.stop().await;
    let away = front.images.facts(&dump_id, &trusted()).await.unwrap_err();
    assert_eq!(away.kind, ProblemKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_reaches_the_agent_and_both_records() {
    let agent = TestApp::start();
    let (_service, front, dump_id) = with_a_dump(&agent, "web-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    let (status, _) = answer(&front.router, delete(&path, r#"{"confirm": "db-01"}"#)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, record) =
        answer(&front.router, delete(&path, r#"{"confirm": "web-01", "by": "the night shift"}"#)).await;
    let by = &record["deleted_by"];
    assert_eq!((status, &by["actor"]["name"]), (StatusCode::OK, &json!("the night shift")), "{record}");
    let known = |catalog: &memdeck_catalog::Catalog| catalog.record_of(&dump_id.parse().unwrap()).unwrap();
    // On a clock that stands still a dump takes no time, which reads as unknown.
    let told = |catalog| serde_json::to_value(known(catalog)).unwrap();
    assert_eq!(told(&front.catalog), told(&agent.catalog));
    assert_eq!(serde_json::to_value(known(&front.catalog)).unwrap(), record);
    assert_eq!(
        std::fs::read_dir(agent.dir.path().join("dumps")).unwrap().count(),
        2,
        "the manifest and its signature stay"
    );
    assert_eq!(answer(&front.router, get(&format!("{path}/image"))).await.0, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_at_the_agent_reaches_the_dashboard() {
    let agent = TestApp::start();
    let (_service, mut front, dump_id) = with_a_dump(&agent, "web-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    assert_eq!(answer(&agent.agent, delete(&path, r#"{"confirm": "web-01"}"#)).await.0, StatusCode::OK);
    // Something happens, so that the dashboard looks now.
    front.trigger("db-01").await;
    front.event(is_deletion).await;
    let page = answer(&front.router, get("/api/memory-dumps/records")).await.1;
    let record =
        page["records"].as_array().unwrap().iter().find(|record| record["dump_id"] == dump_id.as_str());
    assert_eq!(record.unwrap()["deleted_by"], json!({"kind": "api"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_such_calls_is_told_as_one() {
    let app = TestApp::start();
    let foreign = ContractOnly::default();
    let service = Listening::with(foreign.routes()).await;
    let mut front = Front::of(&app, service.address);
    front.trigger("7").await;
    foreign.complete("7");
    front.event(is_record).await;
    for what in ["image", "manifest", "inspect", "verify"] {
        let (status, refused) =
            answer(&front.router, get(&format!("/api/memory-dumps/id-of-7/{what}"))).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{what}");
        assert!(refused["detail"].as_str().unwrap().starts_with("the dump service http://"), "{refused}");
    }
}

/// An agent that answers a download as it likes.
fn hostile_download() -> axum::Router {
    use axum::response::IntoResponse as _;
    let image = || async {
        let headers = [
            ("content-type", "text/html"),
            ("cache-control", "public, max-age=31536000"),
            ("content-disposition", "inline; filename=\"run-me.exe\""),
            ("set-cookie", "memdeck_session=theirs"),
            ("etag", "\"theirs\""),
        ];
        (headers, "<script>alert(1)</script>").into_response()
    };
    axum::Router::new().route("/api/memory-dumps/{id}/image", axum::routing::get(image))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_makes_of_a_download_is_not_for_the_agent_to_say() {
    let agent = TestApp::start();
    let service = Listening::with(hostile_download()).await;
    let front = Front::of(&agent, service.address);
    let answered =
        crate::support::send(&front.router, get("/api/memory-dumps/some-dump/image?format=raw")).await;
    let header = |name: &str| answered.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(header("content-type").as_deref(), Some("application/octet-stream"));
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(header("content-disposition").as_deref(), Some("attachment; filename=\"some-dump.raw\""));
    assert_eq!((header("set-cookie"), header("etag")), (None, Some("\"theirs\"".to_owned())));
}
