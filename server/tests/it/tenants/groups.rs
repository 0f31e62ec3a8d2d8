//! Groups and their members: who sees which guests, from when on.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::{AccountChange, AccountName, GroupChange, NewAccount, NewGroup, Reach, Role};
use serde_json::json;

use super::{TOKEN, ask, by, guarded, selectors, token};
use crate::events::Page;
use crate::support::{HOST, TestApp, answer, delete, get, post, send, text, trusted};

const PASSWORD: &str = "correct horse battery";

async fn group(app: &TestApp, name: &str, guests: &[&str]) {
    let new = NewGroup { name: name.parse().unwrap(), guests: selectors(guests) };
    app.accounts.add_group(new, &trusted()).await.unwrap();
}

async fn account(app: &TestApp, name: &str, role: Role, group: Option<&str>) -> String {
    let new = NewAccount {
        name: name.parse().unwrap(),
        role,
        group: group.map(|group| group.parse().unwrap()),
        password: PASSWORD.to_owned().into(),
    };
    app.accounts.add_account(new, &trusted()).await.unwrap();
    let form = Request::post("/sign-in").header("host", HOST);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let form = form.body(Body::from(format!("name={name}&password={}", PASSWORD.replace(' ', "+")))).unwrap();
    let response = send(&app.dashboard, form).await;
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn signed_in(mut request: Request<Body>, cookie: &str) -> Request<Body> {
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request
}

async fn names(app: &TestApp, cookie: &str) -> Vec<String> {
    let (_, guests) = answer(&app.dashboard, signed_in(get("/api/guests"), cookie)).await;
    guests.as_array().unwrap().iter().map(|guest| guest["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_sees_the_guests_of_its_group_as_they_are_now() {
    let app = guarded();
    group(&app, "north", &["web-*"]).await;
    let ada = account(&app, "ada", Role::Operator, Some("North")).await;
    let root = account(&app, "root", Role::Admin, Some("north")).await;
    let eve = account(&app, "eve", Role::Viewer, None).await;
    assert_eq!(names(&app, &ada).await, ["web-01"]);
    assert_eq!(names(&app, &root).await.len(), 2, "an admin sees all");
    assert_eq!(names(&app, &eve).await.len(), 2, "without a group all are seen");
    let (_, me) = answer(&app.dashboard, signed_in(get("/api/me"), &ada)).await;
    let told = [&me["name"], &me["role"], &me["guests"], &me["rights"]];
    assert_eq!(
        told,
        [&json!("ada"), &json!("operator"), &json!(["web-*"]), &json!(["view", "dump", "cancel", "verify"])]
    );
    let (_, me) = answer(&app.dashboard, signed_in(get("/api/me"), &eve)).await;
    assert!(me.get("guests").is_none(), "{me}");

    let mut page = Page::at(&app, signed_in(get("/api/events"), &ada)).await;
    page.next().await.unwrap();
    let north: AccountName = "north".parse().unwrap();
    let change = GroupChange { guests: selectors(&["db-01"]) };
    app.accounts.change_group(&north, change, &trusted()).await.unwrap();
    assert_eq!(names(&app, &ada).await, ["db-01"], "from the next call on");
    while page.next().await.is_some() {}

    let refused = app.accounts.remove_group(&north, &trusted()).await.unwrap_err();
    assert!(refused.detail.to_string().starts_with("ada and 1 others would see every guest"), "{refused}");
    for name in ["ada", "root"] {
        let out = AccountChange { group: Some(None), ..AccountChange::default() };
        app.accounts.change_account(&name.parse().unwrap(), out, &trusted()).await.unwrap();
    }
    assert_eq!(names(&app, &ada).await.len(), 2);
    app.accounts.remove_group(&north, &trusted()).await.unwrap();
    group(&app, "none", &[]).await;
    let into = AccountChange { group: Some(Some("none".parse().unwrap())), ..AccountChange::default() };
    app.accounts.change_account(&"ada".parse().unwrap(), into, &trusted()).await.unwrap();
    assert!(names(&app, &ada).await.is_empty(), "a group without guests sees none");
    let role = AccountChange { role: Some(Role::Admin), ..AccountChange::default() };
    app.accounts.change_account(&"ada".parse().unwrap(), role, &trusted()).await.unwrap();
    assert_eq!(names(&app, &ada).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_and_limits_survive_a_restart() {
    let app = guarded();
    group(&app, "north", &["web-*", "kvm-01/00000000-0000-4000-8000-00000000000A"]).await;
    account(&app, "ada", Role::Operator, Some("north")).await;
    let token = token(&app, "ci", &["db-01"]).await;
    let clock: std::sync::Arc<dyn memdeck_clock::Clock> = std::sync::Arc::new(app.clock.clone());
    let restarted = memdeck_operations::Accounts::load(&app.catalog, &clock).unwrap();
    let groups = restarted.list_groups(&trusted()).unwrap();
    assert_eq!(groups, app.accounts.list_groups(&trusted()).unwrap());
    assert_eq!(groups[0].members, ["ada".parse().unwrap()]);
    let known = restarted.token(token.as_bytes()).unwrap();
    assert_eq!(known.reach, Reach::only(selectors(&["db-01"])));
    assert_eq!(restarted.list_accounts(&trusted()).unwrap()[0].group, Some("north".parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_made_changed_and_removed_over_http_and_noted() {
    let app = guarded();
    let new = r#"{"name": "north", "guests": ["web-*", "kvm-01/*"]}"#;
    let (status, made) = ask(&app, TOKEN, post("/api/groups", new)).await;
    assert_eq!(
        (status, &made["guests"], &made["members"]),
        (StatusCode::CREATED, &json!(["web-*", "kvm-01/*"]), &json!([]))
    );
    assert_eq!(ask(&app, TOKEN, post("/api/groups", new)).await.0, StatusCode::CONFLICT);
    let (status, refusal) =
        ask(&app, TOKEN, post("/api/groups", r#"{"name": "south", "guests": [""]}"#)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    let user = json!({"name": "ada", "role": "viewer", "password": PASSWORD, "group": "south"}).to_string();
    assert_eq!(ask(&app, TOKEN, post("/api/users", &user)).await.0, StatusCode::NOT_FOUND);
    let put = |path: &str, body: &str| {
        let request = Request::put(path).header("host", HOST).header("content-type", "application/json");
        request.body(Body::from(body.to_owned())).unwrap()
    };
    let (_, changed) = ask(&app, TOKEN, put("/api/groups/NORTH", r#"{"guests": ["db-01"]}"#)).await;
    assert_eq!((&changed["name"], &changed["guests"]), (&json!("north"), &json!(["db-01"])));
    let (_, listed) = ask(&app, TOKEN, get("/api/groups")).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let (status, _) = text(&app.dashboard, by(delete("/api/groups/north", ""), TOKEN)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, audit) = ask(&app, TOKEN, get("/api/audit?limit=100")).await;
    let text = audit.to_string();
    for noted in ["group_added", "group_changed", "group_removed", "guests web-*, kvm-01/*"] {
        assert!(text.contains(noted), "{noted} in {text}");
    }
}
