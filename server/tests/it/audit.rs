//! The audit: what stands in it after what was asked for, and who says what in it.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_model::audit::{AuditAction, AuditEntry, AuditResult};
use serde_json::{Value, json};

use crate::access::TOKEN;
use crate::images::image;
use crate::support::front::{Front, Listening, is_record};
use crate::support::{HOST, TestApp, answer, delete, get, http, post, send, text};

async fn entries(router: &Router, query: &str) -> Vec<AuditEntry> {
    let (status, page) = answer(router, get(&format!("/api/audit?{query}"))).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    serde_json::from_value(page["entries"].clone()).unwrap()
}

/// The newest entries, as soon as there are that many.
async fn awaited(router: &Router, query: &str, count: usize) -> Vec<AuditEntry> {
    loop {
        let found = entries(router, query).await;
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn results(entries: &[AuditEntry]) -> Vec<AuditResult> {
    entries.iter().rev().map(|entry| entry.result).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_for_what_from_where_stands_in_the_audit_with_how_it_went() {
    let app = TestApp::start();
    let body = json!({"vms": ["web-01"], "requested_by": "ada", "case": "IR-7"}).to_string();
    assert_eq!(answer(&app.dashboard, post("/api/memory-dumps/trigger", &body)).await.0, StatusCode::OK);
    app.ended(1).await;
    let [requested] = &entries(&app.dashboard, "action=dump_requested").await[..] else { panic!() };
    assert_eq!(requested.actor.to_string(), "ada");
    assert_eq!(requested.address, Some("127.0.0.1".to_owned()));
    assert_eq!(requested.object.guest(), Some("web-01"));
    assert_eq!(requested.details.case.as_ref().map(memdeck_model::Remark::as_str), Some("IR-7"));
    let [ended] = &entries(&app.dashboard, "action=dump_ended&guest=WEB").await[..] else { panic!() };
    assert_eq!(
        (ended.result, ended.address.clone()),
        (AuditResult::Succeeded, None),
        "by the engine, whom nobody asked"
    );
    let dump_id = ended.object.dump_id().unwrap().to_string();

    // Refused, and then done.
    let path = format!("/api/memory-dumps/{dump_id}");
    let wrong = json!({"confirm": "db-01"}).to_string();
    let right = json!({"confirm": "web-01", "by": "bob"}).to_string();
    assert_eq!(answer(&app.dashboard, delete(&path, &wrong)).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(answer(&app.dashboard, delete(&path, &right)).await.0, StatusCode::OK);
    let deletions = entries(&app.dashboard, &format!("action=image_deleted&dump_id={dump_id}")).await;
    assert_eq!(results(&deletions), [AuditResult::Refused, AuditResult::Succeeded]);
    assert_eq!(deletions[0].actor.to_string(), "bob");
    let unknown = json!({"vms": ["all"], "host": "nowhere"}).to_string();
    assert_ne!(answer(&app.dashboard, post("/api/memory-dumps/trigger", &unknown)).await.0, StatusCode::OK);
    assert_eq!(entries(&app.dashboard, "action=dump_requested&result=refused").await.len(), 1);

    let (_, report) = answer(&app.dashboard, get("/api/audit/verify")).await;
    assert_eq!((&report["intact"], &report["findings"]), (&true.into(), &json!([])), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_stands_there_before_its_first_byte_and_with_how_many_were_sent() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", memdeck_model::ByteCount::from_mib(16)));
    let (dump_id, _) = app.dumped("mail-01").await;
    let query = "action=image_downloaded";
    let whole = send(&app.dashboard, get(&image(&dump_id, "raw"))).await;
    assert_eq!(results(&entries(&app.dashboard, query).await), [AuditResult::Begun]);
    let length = whole.into_body().collect().await.unwrap().to_bytes().len();
    let found = awaited(&app.dashboard, query, 2).await;
    assert_eq!(results(&found), [AuditResult::Begun, AuditResult::Succeeded]);
    assert_eq!(found[0].details.bytes.unwrap().0, u64::try_from(length).unwrap());
    assert_eq!(
        (found[0].details.format.as_deref(), found[0].details.begun),
        (Some("raw"), Some(found[1].seq))
    );

    let ranged = Request::get(image(&dump_id, "elf")).header("host", HOST).header("range", "bytes=100-299");
    let ranged = send(&app.dashboard, ranged.body(Body::empty()).unwrap()).await;
    assert_eq!(ranged.into_body().collect().await.unwrap().to_bytes().len(), 200);
    let found = awaited(&app.dashboard, query, 4).await;
    let part = found[0].details.part.unwrap();
    assert_eq!((part.start, part.end, found[0].details.bytes.unwrap().0), (100, 300, 200));
    assert_eq!(found[0].result, AuditResult::Succeeded);

    let mut cut = send(&app.dashboard, get(&image(&dump_id, "raw"))).await.into_body();
    let first = cut.frame().await.unwrap().unwrap().into_data().unwrap().len();
    drop(cut);
    let found = awaited(&app.dashboard, query, 6).await;
    assert_eq!(found[0].result, AuditResult::CutOff);
    assert_eq!(found[0].details.bytes.unwrap().0, u64::try_from(first).unwrap());
    // What is only looked at is none.
    let head = Request::head(image(&dump_id, "raw")).header("host", HOST).body(Body::empty()).unwrap();
    assert_eq!(send(&app.dashboard, head).await.status(), StatusCode::OK);
    assert_eq!(entries(&app.dashboard, query).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_are_noted_and_guessing_fills_nothing() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let form = |token: &str| {
        Request::post("/sign-in")
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", format!("http://{HOST}"))
            .body(Body::from(format!("token={}", token.replace(' ', "+"))))
            .unwrap()
    };
    let all = || app.catalog.audit_after(0, 1000).unwrap();
    let of = |action: AuditAction| -> Vec<AuditEntry> {
        all().into_iter().filter(|entry| entry.action == action).collect()
    };
    assert_eq!(send(&app.dashboard, form(TOKEN)).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(of(AuditAction::SignIn).len(), 1, "noted when the answer comes");
    for _ in 0..50 {
        send(&app.dashboard, form("guessed")).await;
    }
    while of(AuditAction::SignIn).len() < 11 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The next one that is noted stands for those that were not.
    app.clock.advance(Duration::from_secs(30));
    send(&app.dashboard, form("guessed")).await;
    while of(AuditAction::SignIn).len() < 12 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let last = of(AuditAction::SignIn).pop().unwrap();
    assert_eq!((last.result, last.details.count), (AuditResult::Refused, Some(41)));
    assert_eq!(last.address, Some("127.0.0.1".to_owned()));
    let mut call = get("/api/memory-dumps/stats");
    call.headers_mut().insert("authorization", "Bearer guessed".parse().unwrap());
    assert_eq!(send(&app.dashboard, call).await.status(), StatusCode::UNAUTHORIZED);
    while of(AuditAction::WrongToken).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!serde_json::to_string(&all()).unwrap().contains("guessed"), "no token stands in the audit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_does_is_in_its_own_audit_and_the_dashboards_names_the_row() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    let body = json!({"vms": ["web-01"], "requested_by": "ada"}).to_string();
    assert_eq!(answer(&front.router, post("/api/memory-dumps/trigger", &body)).await.0, StatusCode::OK);
    front.event(is_record).await;
    let asked = entries(&front.router, "action=dump_requested").await;
    assert_eq!(results(&asked), [AuditResult::Begun, AuditResult::Succeeded]);
    let theirs = asked[0].details.agent.clone().unwrap();
    let row = agent.catalog.audit_after(theirs.seq - 1, 1).unwrap().remove(0);
    assert_eq!((row.action, row.hash), (AuditAction::DumpRequested, theirs.hash));
    assert_eq!(row.object.dump_id(), asked[0].object.dump_id());
    assert!(row.actor.to_string().starts_with("ada, by way of "), "{}", row.actor);

    let dump_id = row.object.dump_id().unwrap().to_string();
    let bytes = send(&front.router, get(&image(&dump_id, "raw"))).await.into_body().collect().await.unwrap();
    let told = awaited(&front.router, "action=image_downloaded&result=succeeded", 1).await.remove(0);
    assert_eq!(told.details.bytes.unwrap().0, u64::try_from(bytes.to_bytes().len()).unwrap());
    let theirs = told.details.agent.unwrap();
    let row = agent.catalog.audit_after(theirs.seq - 1, 1).unwrap().remove(0);
    assert_eq!((row.action, row.result), (AuditAction::ImageDownloaded, AuditResult::Begun));
    // An agent has the same calls.
    assert_eq!(entries(&agent.agent, "action=dump_ended").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_of_an_image_is_a_witness() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let manifest = memdeck_image::read_manifest(&stored).unwrap().unwrap().manifest;
    let witness = manifest.witness().unwrap();
    assert_eq!(witness.dump_id.to_string(), dump_id);
    let row = app.catalog.audit_after(witness.head.seq - 1, 1).unwrap().remove(0);
    assert_eq!(row.hash, witness.head.hash);
    assert!(app.catalog.verify_audit(vec![witness]).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_hold_what_the_filter_means_and_bad_parameters_are_named() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    let (_, csv) = text(&app.dashboard, get("/api/audit/export.csv?action=dump_requested")).await;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    let (_, lines) = text(&app.dashboard, get("/api/audit/export.jsonl")).await;
    let read: Vec<AuditEntry> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read[0].action, AuditAction::AuditExported, "an export tells of itself");
    assert!(read.windows(2).all(|pair| pair[0].seq == pair[1].seq + 1));
    for (query, said) in [
        ("action=slept", "action: it is one of chain_begun, "),
        ("result=good", "result: it is one of begun, "),
        ("from=yesterday", "from: a time is written "),
        ("from=2026-11-02&to=2026-11-01", "the end of the time range"),
    ] {
        let (status, refused): (_, Value) = answer(&app.dashboard, get(&format!("/api/audit?{query}"))).await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(status == StatusCode::BAD_REQUEST && detail.starts_with(said), "{query}: {detail}");
    }
}
