//! Signing in at a reverse proxy: whom it names is known here, and nobody is whom it does not.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::{AccountChange, Actor, NewAccount, NewGroup, Role};
use memdeck_operations::Caller;
use serde_json::json;

use crate::events::Page;
use crate::support::{HOST, TIME_LIMIT, TestApp, answer, get, http, post, send, text, trusted};

const TOKEN: &str = "a token of some length";
/// Requests of these tests come from loopback.
const BEHIND: [(&str, &str); 3] =
    [("MEMDECK_TOKEN", TOKEN), ("MEMDECK_BEHIND_PROXY", "127.0.0.1"), ("PROXY_USER_HEADER", "X-Remote-User")];
const GROUPS: [(&str, &str); 2] = [
    ("PROXY_GROUPS_HEADER", "X-Remote-Groups"),
    ("PROXY_ROLES", "soc = analyst, ops=operator, cn=all=admin"),
];

fn behind(further: &[(&str, &str)]) -> TestApp {
    TestApp::start_with(http(&[&BEHIND[..], further].concat()).unwrap())
}

async fn add(app: &TestApp, name: &str, role: Role) {
    let password = "correct horse battery".to_owned().into();
    let new = NewAccount { name: name.parse().unwrap(), role, group: None, password };
    app.accounts.add_account(new, &Caller::trusted(Actor::Api)).await.unwrap();
}

fn named(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn by(name: &str, request: Request<Body>) -> Request<Body> {
    named(request, &[("x-remote-user", name)])
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_proxy_names_has_the_rights_of_the_account_and_is_named_on_what_they_do() {
    let app = behind(&[]);
    add(&app, "ada", Role::Operator).await;
    let (_, me) = answer(&app.dashboard, by("Ada", get("/api/me"))).await;
    assert_eq!((&me["name"], &me["role"]), (&json!("ada"), &json!("operator")));
    let asked = post("/api/memory-dumps/trigger", r#"{"vms": ["web-01"], "requested_by": "eve"}"#);
    assert_eq!(send(&app.dashboard, by("ada", asked)).await.status(), StatusCode::OK);
    let record = app.ended(1).await.remove(0).record.unwrap();
    assert_eq!(record.requested_by, Some(Actor::User { name: "ada".to_owned() }));
    let image = format!("/api/memory-dumps/{}/image", record.dump_id.unwrap());
    assert_eq!(answer(&app.dashboard, by("ada", get(&image))).await.0, StatusCode::FORBIDDEN);
    // The administrator's token and API tokens count as ever, beside the header too.
    let admin = named(by("ada", get("/api/users")), &[("authorization", &format!("Bearer {TOKEN}"))]);
    assert_eq!(send(&app.dashboard, admin).await.status(), StatusCode::OK);
    // A page of another site makes the browser send nothing that counts.
    let foreign = by("ada", get("/api/memory-dumps/records"));
    let foreign = send(&app.dashboard, named(foreign, &[("sec-fetch-site", "cross-site")])).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_say_who_signed_in() {
    let elsewhere = [
        ("MEMDECK_TOKEN", TOKEN),
        ("MEMDECK_BEHIND_PROXY", "10.0.0.2"),
        ("PROXY_USER_HEADER", "X-Remote-User"),
    ];
    let app = TestApp::start_with(http(&elsewhere).unwrap());
    add(&app, "ada", Role::Admin).await;
    assert_eq!(send(&app.dashboard, by("ada", get("/api/me"))).await.status(), StatusCode::UNAUTHORIZED);
    let undeclared = TestApp::start_with(http(&BEHIND[..2]).unwrap());
    add(&undeclared, "ada", Role::Admin).await;
    assert_eq!(
        send(&undeclared.dashboard, by("ada", get("/api/me"))).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_account_or_one_that_is_kept_out_is_told_so() {
    let app = behind(&[]);
    add(&app, "ada", Role::Admin).await;
    let kept_out = AccountChange { disabled: Some(true), ..AccountChange::default() };
    add(&app, "eve", Role::Admin).await;
    app.accounts
        .change_account(&"eve".parse().unwrap(), kept_out, &Caller::trusted(Actor::Api))
        .await
        .unwrap();
    for name in ["eve", "bob"] {
        let (status, told) = answer(&app.dashboard, by(name, get("/api/memory-dumps/records"))).await;
        let sentence = format!(
            "you signed in as {name}, who may do nothing here: ask an administrator for an account or a group"
        );
        assert_eq!((status, &told["detail"]), (StatusCode::FORBIDDEN, &json!(sentence)));
        let response = send(&app.dashboard, by(name, get("/memory-dumps"))).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        let (status, page) = text(&app.dashboard, by(name, get("/sign-in"))).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(page.contains(&format!("You signed in as {name}, who may do nothing here")), "{page}");
    }
    let twice = named(by("ada", get("/api/me")), &[("x-remote-user", "eve")]);
    assert_eq!(send(&app.dashboard, twice).await.status(), StatusCode::BAD_REQUEST);
    for name in ["a b", "<b>", "-", "ä"] {
        let request = Request::get("/api/me").header("host", HOST).header("x-remote-user", name.as_bytes());
        let refused = send(&app.dashboard, request.body(Body::empty()).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{name}");
    }
    // Where the proxy names nobody, everybody signs in here.
    for nobody in [get("/api/me"), by("", get("/api/me"))] {
        assert_eq!(send(&app.dashboard, nobody).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_proxy_decide_where_they_have_roles() {
    let app = behind(&GROUPS);
    // An account may keep somebody out, and gives nobody more than the groups.
    add(&app, "ada", Role::Admin).await;
    let rights = async |name: &str, groups: &[&str]| {
        let headers: Vec<_> = groups.iter().map(|groups| ("x-remote-groups", *groups)).collect();
        let (status, me) = answer(&app.dashboard, named(by(name, get("/api/me")), &headers)).await;
        (status == StatusCode::OK).then(|| {
            me["rights"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
    };
    let operator = Role::Operator.rights();
    let names = |rights: memdeck_model::Rights| {
        Some(rights.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(rights("ada", &["ops"]).await, names(operator));
    assert_eq!(rights("bob", &["staff, ops ,x"]).await, names(operator));
    assert_eq!(rights("bob", &["ops", "soc"]).await, names(operator.or(Role::Analyst.rights())));
    assert_eq!(rights("bob", &["cn=all"]).await, names(memdeck_model::Rights::ALL));
    assert_eq!([rights("ada", &[]).await, rights("bob", &["SOC", "staff"]).await], [None, None]);
}

#[test]
fn settings_that_would_say_nothing_stop_the_start_with_the_reason() {
    let proxy = ("MEMDECK_BEHIND_PROXY", "127.0.0.1");
    let user = ("PROXY_USER_HEADER", "X-Remote-User");
    let [groups, roles] = GROUPS;
    for (set, reason) in [
        (vec![user], "PROXY_USER_HEADER is set and MEMDECK_BEHIND_PROXY is not"),
        (vec![proxy, groups, roles], "PROXY_GROUPS_HEADER is set and PROXY_USER_HEADER is not"),
        (vec![proxy, user, roles], "PROXY_ROLES is set and PROXY_GROUPS_HEADER is not"),
        (vec![proxy, roles], "PROXY_ROLES is set and PROXY_GROUPS_HEADER is not"),
        (vec![proxy, user, groups], "PROXY_GROUPS_HEADER is set and PROXY_ROLES is not"),
        (vec![proxy, ("PROXY_USER_HEADER", "no header")], "the name of a header"),
        (vec![proxy, ("PROXY_USER_HEADER", "Cookie")], "the name of a header"),
        (vec![proxy, ("PROXY_USER_HEADER", "Sec-Fetch-Site")], "the name of a header"),
        (vec![proxy, user, groups, ("PROXY_ROLES", "soc=root")], "groups with the role of each"),
        (vec![proxy, user, groups, ("PROXY_ROLES", "soc")], "groups with the role of each"),
    ] {
        let error = http(&set).unwrap_err().to_string();
        assert!(error.contains(reason), "{set:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_the_proxy_see_the_guests_of_the_groups_of_their_names() {
    let app = behind(&GROUPS);
    for (name, guests) in [("OPS", "web-*"), ("soc", "db-01"), ("other", "mail-*")] {
        let new = NewGroup { name: name.parse().unwrap(), guests: vec![guests.parse().unwrap()] };
        app.accounts.add_group(new, &trusted()).await.unwrap();
    }
    for (groups, seen) in [
        ("ops", &["web-01"][..]),
        ("ops, soc", &["db-01", "web-01"]),
        ("ops, other", &["web-01"]),
        ("ops, cn=all", &["db-01", "web-01"]),
    ] {
        let request = named(by("ada", get("/api/guests")), &[("x-remote-groups", groups)]);
        let (_, guests) = answer(&app.dashboard, request).await;
        let names: Vec<&str> =
            guests.as_array().unwrap().iter().map(|guest| guest["name"].as_str().unwrap()).collect();
        assert_eq!(names, seen, "{groups}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_stream_of_somebody_ends_with_their_account() {
    let app = behind(&[]);
    let caller = Caller::trusted(Actor::Api);
    for takes_away in ["disabled", "removed"] {
        add(&app, "ada", Role::Operator).await;
        let mut stream = Page::at(&app, by("ada", get("/api/events"))).await;
        assert!(stream.next().await.is_some());
        let ada = "ada".parse().unwrap();
        if takes_away == "disabled" {
            let change = AccountChange { disabled: Some(true), ..AccountChange::default() };
            app.accounts.change_account(&ada, change, &caller).await.unwrap();
        } else {
            app.accounts.remove_account(&ada, &caller).await.unwrap();
        }
        let to_its_end = async { while stream.next().await.is_some() {} };
        let ended = tokio::time::timeout(TIME_LIMIT, to_its_end).await;
        assert!(ended.is_ok(), "the account is {takes_away}, and the stream goes on");
        if takes_away == "disabled" {
            app.accounts.remove_account(&ada, &caller).await.unwrap();
        }
    }
}
