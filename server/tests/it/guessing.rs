//! Guessing at sign-in is told once for each lock-out, and noted.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::audit::{AuditAction, AuditResult};
use memdeck_model::notice::{Delivery, DeliveryQuery, NewRule, NoticeKind};
use memdeck_model::{Actor, NewAccount, Role};
use memdeck_operations::Caller;
use serde_json::json;

use crate::access::TOKEN;
use crate::support::{HOST, TestApp, answer, get, http, post, send};

async fn guessed(app: &TestApp, fields: &str) -> StatusCode {
    let form = Request::post("/sign-in").header("host", HOST).header("origin", format!("http://{HOST}"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    send(&app.dashboard, form.body(Body::from(fields.to_owned())).unwrap()).await.status()
}

/// What is told of guessing, as soon as it is that many; and that it is no more.
async fn told(app: &TestApp, count: usize) -> Vec<Delivery> {
    for _ in 0..1000 {
        let found = deliveries(app).await;
        if found.iter().map(|one| one.count as usize).sum::<usize>() >= count {
            tokio::time::sleep(Duration::from_millis(50)).await;
            return deliveries(app).await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", deliveries(app).await);
}

async fn deliveries(app: &TestApp) -> Vec<Delivery> {
    let all = app.operations.deliveries(DeliveryQuery::default()).await.unwrap().deliveries;
    all.into_iter().filter(|one| one.kind == NoticeKind::SignInGuessing).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_told_once_for_each_lock_out_and_by_whose_name() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let by = Caller::trusted(Actor::Api);
    let ada = NewAccount {
        name: "ada".parse().unwrap(),
        role: Role::Viewer,
        group: None,
        password: "correct horse battery".to_owned().into(),
    };
    app.accounts.add_account(ada, &by).await.unwrap();
    let target = json!({"name": "ops", "address": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}});
    app.operations.add_notice_target(serde_json::from_value(target).unwrap(), &by).await.unwrap();
    app.operations.add_notice_rule(NewRule::everything("ops".parse().unwrap()), &by).await.unwrap();

    for _ in 0..9 {
        assert_eq!(guessed(&app, "name=ada&password=guessed").await, StatusCode::UNAUTHORIZED);
    }
    assert!(deliveries(&app).await.is_empty(), "nine are no news");
    for _ in 0..20 {
        guessed(&app, "name=ada&password=guessed").await;
    }
    let [first] = &told(&app, 1).await[..] else { panic!("told once, not for each try") };
    let text = first.text.to_string();
    assert!(text.contains("127.0.0.1") && text.contains("ada") && text.contains("10"), "{text}");

    // Later tries of the same lock-out are no news; after it is over they are.
    app.clock.advance(Duration::from_secs(31));
    guessed(&app, "name=ada&password=guessed").await;
    app.clock.advance(Duration::from_hours(2));
    for _ in 0..12 {
        // What stands in the wrong field may be a password: it is told to nobody.
        guessed(&app, "name=hunter2&password=ada").await;
    }
    let both = told(&app, 2).await;
    assert_eq!(both.iter().map(|one| one.count).sum::<u32>(), 2, "{both:?}");
    assert!(!format!("{both:?}").contains("hunter2"));

    let noted = app.catalog.audit_after(0, 1000).unwrap();
    let tries = |name: &str| {
        let of = |object: &memdeck_model::audit::AuditObject| object.to_string() == name;
        noted
            .iter()
            .filter(|entry| entry.action == AuditAction::SignIn && of(&entry.object))
            .collect::<Vec<_>>()
    };
    assert_eq!(tries("user ada").len(), 11, "each that was looked at");
    assert!(tries("user ada").iter().all(|entry| entry.result == AuditResult::Refused));
    assert_eq!(tries("memdeck").len(), 10);
    assert!(!serde_json::to_string(&noted).unwrap().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_with_wrong_tokens_are_told_once_too() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let authorized = |mut request: Request<Body>, token: &str| {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    let target =
        json!({"name": "ops", "address": {"kind": "webhook", "url": "http://127.0.0.1:9/hook"}}).to_string();
    let (status, said) =
        answer(&app.dashboard, authorized(post("/api/notifications/targets", &target), TOKEN)).await;
    assert_eq!(status, StatusCode::CREATED, "{said}");
    let rule = authorized(post("/api/notifications/rules", r#"{"target": "ops"}"#), TOKEN);
    assert_eq!(answer(&app.dashboard, rule).await.0, StatusCode::CREATED);
    for _ in 0..30 {
        send(&app.dashboard, authorized(get("/api/guests"), "guessed")).await;
    }
    assert_eq!(told(&app, 1).await.len(), 1);
}
