//! What somebody asks for who may not stands in the audit, and much of it stands there in few rows.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::audit::{AuditAction, AuditEntry, AuditResult};
use memdeck_model::{Actor, NewApiToken, Role};
use memdeck_operations::Caller;

use crate::access::TOKEN;
use crate::support::{HOST, TestApp, http, send};

/// An API token of somebody with that role.
async fn token(app: &TestApp, name: &str, role: Role) -> String {
    let new =
        NewApiToken { name: name.parse().unwrap(), role, rights: None, guests: None, expires_in_days: None };
    format!("Bearer {}", app.accounts.make_token(new, &Caller::trusted(Actor::Api)).await.unwrap().token)
}

async fn asked(router: &Router, (method, path, body): (&str, &str, &'static str), token: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    let request = request.header("content-type", "application/json").header("authorization", token);
    send(router, request.body(Body::from(body)).unwrap()).await.status()
}

/// The refused calls that are noted, oldest first, as soon as there are that many.
async fn refused(app: &TestApp, count: usize) -> Vec<AuditEntry> {
    for _ in 0..2000 {
        let mut found = app.catalog.audit_after(0, 1000).unwrap();
        found.retain(|entry| entry.action == AuditAction::Refused);
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{:?}", app.catalog.audit_after(0, 1000).unwrap());
}

const DUMP: &str = "00000000-0000-4000-8000-000000000001";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_stands_in_the_audit_with_the_permission_and_the_call() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let viewer = token(&app, "eve", Role::Viewer).await;
    let image = format!("/api/memory-dumps/{DUMP}/image");
    let verification = r#"{"dump_id": "00000000-0000-4000-8000-000000000001", "begin": true}"#;
    for (router, call, lacking, noted) in [
        (&app.dashboard, ("GET", image.as_str(), ""), "read-memory", "GET /api/memory-dumps/{dump_id}/image"),
        (&app.dashboard, ("POST", "/api/ui/users", "{}"), "manage-users", "POST /api/ui/users"),
        // Refused by the use case: to look at it is allowed.
        (
            &app.dashboard,
            ("POST", "/api/ui/verification", verification),
            "verify",
            "POST /api/ui/verification",
        ),
        (&app.agent, ("POST", "/api/dumps", "{}"), "dump", "POST /api/dumps"),
    ] {
        let before = refused(&app, 0).await.len();
        assert_eq!(asked(router, call, &viewer).await, StatusCode::FORBIDDEN, "{noted}");
        let entry = refused(&app, before + 1).await.remove(before);
        assert_eq!(entry.result, AuditResult::Refused);
        assert!(entry.actor.to_string().contains("eve"), "{}", entry.actor);
        assert_eq!(entry.address.as_deref(), Some("127.0.0.1"));
        let said = (entry.details.name.as_deref(), entry.details.value.as_deref(), entry.details.count);
        assert_eq!(said, (Some(lacking), Some(noted), Some(1)));
    }
    // What is allowed, and what is not there, is no refusal.
    let before = refused(&app, 0).await.len();
    assert_eq!(asked(&app.dashboard, ("GET", "/api/guests", ""), &viewer).await, StatusCode::OK);
    let manifest = format!("/api/memory-dumps/{DUMP}/manifest");
    assert_eq!(asked(&app.dashboard, ("GET", &manifest, ""), &viewer).await, StatusCode::NOT_FOUND);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(refused(&app, 0).await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_calls_has_few_rows_and_the_next_says_how_many() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let viewer = token(&app, "eve", Role::Viewer).await;
    let trigger = ("POST", "/api/memory-dumps/trigger", "{}");
    for _ in 0..500 {
        assert_eq!(asked(&app.dashboard, trigger, &viewer).await, StatusCode::FORBIDDEN);
    }
    refused(&app, 1).await;
    app.clock.advance(Duration::from_mins(1));
    asked(&app.dashboard, trigger, &viewer).await;
    let found = refused(&app, 2).await;
    let counts: Vec<Option<u64>> = found.iter().map(|entry| entry.details.count).collect();
    assert_eq!(counts, [Some(1), Some(500)], "one for each minute, not for each call");
    // Somebody else's is not lost in it.
    let other = token(&app, "mallory", Role::Viewer).await;
    asked(&app.dashboard, trigger, &other).await;
    assert!(refused(&app, 3).await[2].actor.to_string().contains("mallory"));
}
