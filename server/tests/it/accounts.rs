//! Accounts: signing in by name and password, sessions, API tokens, and guessing.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_clock::Clock;
use memdeck_model::{AccountChange, Actor, NewAccount, NewApiToken, Permission, Rights, Role};
use memdeck_operations::{Accounts, Caller};
use serde_json::{Value, json};

use crate::support::{HOST, TestApp, answer, delete, get, http, post, send, text};

const TOKEN: &str = "a token of some length";
const PASSWORD: &str = "correct horse battery";

fn guarded() -> TestApp {
    TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap())
}

fn trusted() -> Caller {
    Caller::trusted(Actor::Api)
}

async fn add(app: &TestApp, name: &str, role: Role) {
    let new =
        NewAccount { name: name.parse().unwrap(), role, group: None, password: PASSWORD.to_owned().into() };
    app.accounts.add_account(new, &trusted()).await.unwrap();
}

fn form(name: &str, password: &str) -> Request<Body> {
    let request = Request::post("/sign-in").header("host", HOST);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let sent = format!("name={name}&password={}", password.replace(' ', "+"));
    request.header("user-agent", "a browser").body(Body::from(sent)).unwrap()
}

async fn sign_in(app: &TestApp, name: &str) -> String {
    let response = send(&app.dashboard, form(name, PASSWORD)).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn by_admin(request: Request<Body>) -> Request<Body> {
    with(request, "authorization", &format!("Bearer {TOKEN}"))
}

async fn me(app: &TestApp, cookie: &str) -> (StatusCode, Value) {
    answer(&app.dashboard, with(get("/api/me"), "cookie", cookie)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_signs_in_and_is_named_on_what_they_do() {
    let app = guarded();
    add(&app, "ada", Role::Operator).await;
    let cookie = sign_in(&app, "Ada").await;
    let (_, known) = me(&app, &cookie).await;
    assert_eq!((&known["name"], &known["role"]), (&json!("ada"), &json!("operator")));
    assert_eq!(known["rights"], json!(["view", "read-metrics", "dump", "cancel", "verify", "collect"]));
    let asked = with(
        post("/api/memory-dumps/trigger", r#"{"vms": ["web-01"], "requested_by": "eve"}"#),
        "cookie",
        &cookie,
    );
    assert_eq!(send(&app.dashboard, asked).await.status(), StatusCode::OK);
    let record = app.ended(1).await.remove(0).record.unwrap();
    assert_eq!(record.requested_by, Some(Actor::User { name: "ada".to_owned() }));
    let image = format!("/api/memory-dumps/{}/image", record.dump_id.unwrap());
    let (status, refusal) = answer(&app.dashboard, with(get(&image), "cookie", &cookie)).await;
    assert_eq!((status, &refusal["kind"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_and_a_wrong_password_get_the_same_answer() {
    let app = guarded();
    add(&app, "ada", Role::Viewer).await;
    let disabled = AccountChange { disabled: Some(true), ..AccountChange::default() };
    add(&app, "eve", Role::Viewer).await;
    app.accounts.change_account(&"eve".parse().unwrap(), disabled, &trusted()).await.unwrap();
    let mut answers = Vec::new();
    for (name, password) in [("ada", "wrong"), ("nobody", PASSWORD), ("eve", PASSWORD), ("a/b", "x")] {
        let (status, page) = text(&app.dashboard, form(name, password)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        answers.push(page);
    }
    assert!(answers[0].contains("The name or the password is wrong."));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_even_for_the_right_password() {
    let app = guarded();
    add(&app, "ada", Role::Viewer).await;
    for _ in 0..10 {
        assert_eq!(send(&app.dashboard, form("ada", "wrong")).await.status(), StatusCode::UNAUTHORIZED);
    }
    let blocked = send(&app.dashboard, form("ada", PASSWORD)).await;
    assert_eq!(blocked.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(blocked.headers()["retry-after"], "30");
    app.clock.advance(Duration::from_secs(30));
    sign_in(&app, "ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_restart_and_end_with_the_account_the_password_and_by_hand() {
    let app = guarded();
    add(&app, "ada", Role::Viewer).await;
    let cookie = sign_in(&app, "ada").await;
    let clock: Arc<dyn Clock> = Arc::new(app.clock.clone());
    let value = cookie.split_once('=').unwrap().1;
    let restarted = Accounts::load(&app.catalog, &clock).unwrap();
    assert!(restarted.resume(value).is_some());

    let (_, listed) = answer(&app.dashboard, with(get("/api/sessions"), "cookie", &cookie)).await;
    let session = &listed[0];
    assert_eq!(
        (&session["user"], &session["browser"], &session["is_this"]),
        (&json!("ada"), &json!("a browser"), &json!(true))
    );
    let path = format!("/api/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(send(&app.dashboard, by_admin(delete(&path, ""))).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(me(&app, &cookie).await.0, StatusCode::UNAUTHORIZED);

    let name = "ada".parse().unwrap();
    let changes = [
        AccountChange { password: Some("another good one".to_owned().into()), ..AccountChange::default() },
        AccountChange { password: Some(PASSWORD.to_owned().into()), ..AccountChange::default() },
        AccountChange { disabled: Some(true), ..AccountChange::default() },
    ];
    app.accounts.change_account(&name, changes[1].clone(), &trusted()).await.unwrap();
    for change in [&changes[0], &changes[2]] {
        let cookie = sign_in(&app, "ada").await;
        app.accounts.change_account(&name, change.clone(), &trusted()).await.unwrap();
        assert_eq!(me(&app, &cookie).await.0, StatusCode::UNAUTHORIZED);
        app.accounts.change_account(&name, changes[1].clone(), &trusted()).await.unwrap();
    }
    assert_eq!(Accounts::load(&app.catalog, &clock).unwrap().list_sessions(&trusted(), None), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_or_ends_the_sessions_of_others_who_does_not_manage_users() {
    let app = guarded();
    add(&app, "ada", Role::Viewer).await;
    add(&app, "bob", Role::Analyst).await;
    let (ada, bob) = (sign_in(&app, "ada").await, sign_in(&app, "bob").await);
    let (_, all) = answer(&app.dashboard, by_admin(get("/api/sessions"))).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
    let of_bob = all.as_array().unwrap().iter().find(|session| session["user"] == "bob").unwrap();
    let (_, own) = answer(&app.dashboard, with(get("/api/sessions"), "cookie", &ada)).await;
    assert_eq!(own.as_array().unwrap().len(), 1);
    let path = format!("/api/sessions/{}", of_bob["id"].as_str().unwrap());
    let refused = send(&app.dashboard, with(delete(&path, ""), "cookie", &ada)).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(me(&app, &bob).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_changes_their_own_password_knowing_the_present_one() {
    let app = guarded();
    add(&app, "ada", Role::Viewer).await;
    let cookie = sign_in(&app, "ada").await;
    let change = |present: &str, new: &str| {
        let body = json!({"present": present, "new": new}).to_string();
        with(post("/api/me/password", &body), "cookie", &cookie)
    };
    for (present, new, expected) in [
        ("wrong", "another good one", StatusCode::FORBIDDEN),
        (PASSWORD, "short", StatusCode::BAD_REQUEST),
        (PASSWORD, "another good one", StatusCode::NO_CONTENT),
    ] {
        assert_eq!(send(&app.dashboard, change(present, new)).await.status(), expected);
    }
    assert_eq!(me(&app, &cookie).await.0, StatusCode::UNAUTHORIZED, "every session ended");
    assert_eq!(send(&app.dashboard, form("ada", PASSWORD)).await.status(), StatusCode::UNAUTHORIZED);
    let again = send(&app.dashboard, form("ada", "another good one")).await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_token_is_told_once_and_opens_what_it_may_until_it_ends() {
    let app = guarded();
    let asked =
        r#"{"name": "nightly", "role": "operator", "rights": ["view", "dump"], "expires_in_days": 1}"#;
    let (status, made) = answer(&app.dashboard, by_admin(post("/api/tokens", asked))).await;
    assert_eq!(status, StatusCode::CREATED);
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("mdk_") && token.len() == 47, "{token}");
    let call = |request| with(request, "authorization", &format!("Bearer {token}"));
    assert_eq!(send(&app.dashboard, call(get("/api/guests"))).await.status(), StatusCode::OK);
    let (_, known) = answer(&app.dashboard, call(get("/api/me"))).await;
    assert_eq!((&known["name"], &known["rights"]), (&json!("nightly"), &json!(["view", "dump"])));
    let cancel = call(post("/api/memory-dumps/cancel/x", "{}"));
    assert_eq!(send(&app.dashboard, cancel).await.status(), StatusCode::FORBIDDEN);
    let (_, listed) = text(&app.dashboard, by_admin(get("/api/tokens"))).await;
    assert!(listed.contains("nightly") && !listed.contains(&token));
    let kept = std::fs::read(app.dir.path().join("catalog.db")).unwrap();
    assert!(!kept.windows(token.len()).any(|part| part == token.as_bytes()));

    let (status, _) = answer(&app.dashboard, by_admin(post("/api/tokens", asked))).await;
    assert_eq!(status, StatusCode::CONFLICT);
    app.clock.advance(Duration::from_hours(24));
    assert_eq!(send(&app.dashboard, call(get("/api/guests"))).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_opens_nothing_and_none_has_more_than_its_role() {
    let app = guarded();
    let rights = Some(Rights::of(&[Permission::View, Permission::Delete]));
    let new = NewApiToken {
        name: "ci".parse().unwrap(),
        role: Role::Viewer,
        rights,
        guests: None,
        expires_in_days: None,
    };
    let made = app.accounts.make_token(new, &trusted()).await.unwrap();
    assert_eq!(made.facts.rights, Rights::of(&[Permission::View]));
    let call = || with(get("/api/guests"), "authorization", &format!("Bearer {}", made.token));
    assert_eq!(send(&app.dashboard, call()).await.status(), StatusCode::OK);
    assert_eq!(
        send(&app.dashboard, by_admin(delete("/api/tokens/CI", ""))).await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(send(&app.dashboard, call()).await.status(), StatusCode::UNAUTHORIZED);
}
