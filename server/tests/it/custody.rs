//! Chains of custody: what they say of real dumps, and that nothing in them is more than text.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_model::audit::{AuditAction, AuditFilter, AuditQuery};
use memdeck_model::{AccountName, Actor, ByteCount, Event, Manifest, NewApiToken, Role, SignatureCheck};
use memdeck_operations::Caller;
use serde_json::json;

use crate::access::TOKEN;
use crate::image_care::verified;
use crate::images::image;
use crate::support::front::{Front, Listening, is_record};
use crate::support::{HOST, TestApp, answer, delete, get, http, post, send, text};

/// Takes a dump of a guest for a case; its id.
async fn dumped_for(app: &TestApp, vm: &str, case: &str, note: Option<&str>) -> String {
    let body = json!({"vms": [vm], "requested_by": "ada", "case": case, "note": note}).to_string();
    assert_eq!(answer(&app.dashboard, post("/api/memory-dumps/trigger", &body)).await.0, StatusCode::OK);
    let record = app.ended(1).await.remove(0).record.expect("the dump succeeds");
    record.dump_id.unwrap().to_string()
}

fn manifest(app: &TestApp, dump_id: &str) -> (Manifest, String) {
    let record = app.catalog.record_of(&dump_id.parse().unwrap()).unwrap().unwrap();
    let file = memdeck_image::read_manifest(record.dump_path.unwrap().as_ref()).unwrap().unwrap();
    (file.manifest, file.sha256)
}

fn assert_tells(html: &str, expected: &[&str]) {
    for text in expected {
        assert!(html.contains(text), "{text:?} is missing in\n{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_who_took_what_what_vouches_for_it_and_every_later_access() {
    let app = TestApp::start();
    let earlier = dumped_for(&app, "db-01", "IR-6", None).await;
    let dump_id = dumped_for(&app, "web-01", "IR-7", Some("before the reboot")).await;
    let later = dumped_for(&app, "db-01", "IR-7", None).await;
    verified(&app.dashboard, &dump_id).await;
    let response = send(&app.dashboard, get(&image(&dump_id, "raw"))).await;
    let sent = response.into_body().collect().await.unwrap().to_bytes().len();
    let hold = json!({"of": {"case": "IR-7"}, "reason": "a court wants it"}).to_string();
    assert_eq!(answer(&app.dashboard, post("/api/holds", &hold)).await.0, StatusCode::OK);
    let confirm = r#"{"confirm": "web-01", "by": "mallory"}"#;
    let path = format!("/api/memory-dumps/{dump_id}");
    assert_eq!(answer(&app.dashboard, delete(&path, confirm)).await.0, StatusCode::CONFLICT);

    let response = send(&app.dashboard, get(&format!("{path}/custody"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["cache-control"], "no-store");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("sandbox; default-src 'none'") && !policy.contains("script"), "{policy}");
    let html = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap();

    let (of, sha256) = manifest(&app, &dump_id);
    let (before, before_sha256) = manifest(&app, &earlier);
    assert_eq!(of.host_chain.as_ref().unwrap().previous.as_ref(), Some(&before_sha256));
    assert_eq!(before.host_chain.unwrap().number + 1, of.host_chain.as_ref().unwrap().number);
    let key = of.signed_by.clone().unwrap();
    assert_tells(
        &html,
        &[
            &format!("dump {dump_id} of web-01"),
            "<td>ada</td>",
            "IR-7",
            "before the reboot",
            &format!("memdeck {}", of.memdeck_version),
            &of.host,
            &of.guest.uuid,
            &of.started_at.to_string(),
            "stood still",
            &of.sha256,
            &of.file_sha256,
            &sha256,
            &of.frame_digests.as_ref().unwrap().root,
            &of.page_map.as_ref().unwrap().file_blake3,
            &SignatureCheck::Valid { key: key.clone() }.to_string(),
            &format!("fingerprint {key}"),
            &of.host_chain.as_ref().unwrap().id,
            &format!("{earlier} of db-01"),
            &before_sha256,
            &format!("{later} of db-01"),
            "intact",
            "a court wants it",
            &format!("{sent} bytes"),
            "<td>Image downloaded</td>",
            "<td>Verification requested</td>",
            "<td>Image verified</td>",
            "<td>mallory</td>",
            "<td>Refused</td>",
            "<td>Chain of custody shown</td>",
        ],
    );
    assert!(!html.contains("IR-6"), "what is of another dump is not told");
    let filter = AuditFilter { dump_id: Some(dump_id.parse().unwrap()), ..AuditFilter::default() };
    let query = AuditQuery { filter, before: None, limit: 100 };
    let noted = app.images.audit().list(query).await.unwrap().entries;
    for entry in &noted {
        assert_tells(&html, &[&format!("<td>{}</td></tr>", entry.seq)]);
    }
    assert_eq!(noted[0].action, AuditAction::CustodyShown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_image_and_all_dumps_of_a_case_are_told_too() {
    let app = TestApp::start();
    let first = dumped_for(&app, "web-01", "IR 7/ä", None).await;
    let second = dumped_for(&app, "db-01", "IR 7/ä", None).await;
    dumped_for(&app, "db-01", "IR-8", None).await;
    let path = format!("/api/memory-dumps/{first}");
    let confirm = r#"{"confirm": "web-01", "by": "bob"}"#;
    assert_eq!(answer(&app.dashboard, delete(&path, confirm)).await.0, StatusCode::OK);
    let (status, html) = text(&app.dashboard, get("/api/custody?case=IR%207/%C3%A4")).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert_eq!(html.matches("<h2").count(), 2);
    let (of_first, of_second) = (html.find(&first).unwrap(), html.find(&second).unwrap());
    assert!(of_first < of_second, "the oldest first");
    let (of, _) = manifest(&app, &first);
    let valid = SignatureCheck::Valid { key: of.signed_by.unwrap() }.to_string();
    assert_tells(
        &html,
        &["Chain of custody, case IR 7/ä", "the image was deleted at", "by bob", &of.sha256, &valid],
    );
    for (query, expected) in [("case=IR-9", StatusCode::NOT_FOUND), ("case=", StatusCode::BAD_REQUEST)] {
        let (status, refused) = answer(&app.dashboard, get(&format!("/api/custody?{query}"))).await;
        assert_eq!(status, expected, "{refused}");
    }
    let missing = answer(&app.dashboard, get("/api/memory-dumps/no-such-dump/custody")).await;
    assert_eq!(missing.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_is_text() {
    let app = TestApp::start();
    let name = "</td><script>alert(1)</script>";
    drop(app.hypervisor.add_guest(name, ByteCount::from_mib(1)));
    let note = "<img src=http://evil.example/x onerror=\"alert(2)\">\u{202e}";
    let dump_id = dumped_for(&app, name, "\"><style>*{}</style>", Some(note)).await;
    let (status, html) = text(&app.dashboard, get(&format!("/api/memory-dumps/{dump_id}/custody"))).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert_tells(
        &html,
        &["&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;", "&lt;img src=http://evil.example/x"],
    );
    for markup in ["<script", "<img", "</td><script", "\"><style>", "\u{202e}"] {
        assert!(!html.contains(markup), "{markup:?} in\n{html}");
    }
    assert_eq!(html.matches("<style").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_may_read_the_audit_get_one() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let by = Caller::trusted(Actor::Api);
    // An administrator learns that there is no such dump, an operator not even that.
    for (role, expected) in [(Role::Admin, StatusCode::NOT_FOUND), (Role::Operator, StatusCode::FORBIDDEN)] {
        let name: AccountName = format!("t-{role}").parse().unwrap();
        let token = NewApiToken { name, role, rights: None, guests: None, expires_in_days: None };
        let token = app.accounts.make_token(token, &by).await.unwrap().token;
        for path in ["/api/memory-dumps/no-such-dump/custody", "/api/custody?case=IR-7"] {
            let request = Request::get(path).header("host", HOST);
            let request = request.header("authorization", format!("Bearer {token}"));
            let status = send(&app.dashboard, request.body(Body::empty()).unwrap()).await.status();
            assert_eq!(status, expected, "{role} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_dump_of_an_agent_the_manifest_comes_from_there() {
    let agent = TestApp::start();
    let service = Listening::with(agent.agent.clone()).await;
    let mut front = Front::of(&agent, service.address);
    front.trigger("web-01").await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!() };
    let dump_id = record.dump_id.as_ref().unwrap();
    verified(&front.router, dump_id.as_str()).await;
    let path = format!("/api/memory-dumps/{dump_id}/custody");
    let (status, html) = text(&front.router, get(&path)).await;
    let (of, sha256) = manifest(&agent, dump_id.as_str());
    assert_eq!(status, StatusCode::OK, "{html}");
    let valid = SignatureCheck::Valid { key: of.signed_by.clone().unwrap() }.to_string();
    assert_tells(&html, &[&of.file_sha256, &sha256, &of.host_chain.unwrap().id, &valid]);
    service.stop().await;
    let (status, html) = text(&front.router, get(&path)).await;
    assert_eq!(status, StatusCode::OK, "{html}");
    assert_tells(&html, &["not known now", "which has the image, does not answer", &sha256, &of.sha256]);
}
