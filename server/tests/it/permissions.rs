//! The table of permissions: every call of both services is named in it, and nothing else is.

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_app::routes::Page;
use memdeck_model::{AccountName, Actor, Need, NewAccount, NewApiToken, Rights, Role, Service};
use memdeck_operations::Caller;

use crate::support::{HOST, TestApp, answer, get, http, routed_paths, send};

/// Method and path of every call that a service describes or the page makes.
async fn calls_of(router: &Router, service: Service) -> BTreeSet<(String, String)> {
    let (_, document) = answer(router, get("/api/openapi.json")).await;
    let mut calls = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            calls.insert((method.to_uppercase(), path.clone()));
        }
    }
    if service == Service::Dashboard {
        let of_page = server_fn::axum::server_fn_paths();
        calls.extend(of_page.map(|(path, method)| (method.to_string(), path.to_owned())));
        let forms = [
            ("GET", "/api/agents/dial"),
            ("GET", "/sign-in"),
            ("POST", "/sign-in"),
            ("GET", "/sign-in.js"),
            ("GET", "/sign-in/oidc"),
            ("GET", "/sign-in/oidc/callback"),
            ("POST", "/sign-out"),
        ];
        calls.extend(forms.map(|(method, path)| (method.to_owned(), path.to_owned())));
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_named_in_the_table_and_nothing_else_is() {
    let app = TestApp::start();
    for (router, service) in [(&app.dashboard, Service::Dashboard), (&app.agent, Service::Agent)] {
        let calls = calls_of(router, service).await;
        let named: BTreeSet<(String, String)> =
            service.calls().map(|(method, path, _)| (method.to_owned(), path)).collect();
        let unnamed: Vec<_> = calls.difference(&named).collect();
        assert!(unnamed.is_empty(), "name in model/src/rights/table.rs what these need: {unnamed:?}");
        let gone: Vec<_> = named.difference(&calls).collect();
        assert!(gone.is_empty(), "these are named and not there: {gone:?}");

        // Whatever is routed is one of those, or a page, or where it is said that there is no such call.
        let is_page = |path: &str| path == "/ui" || Page::all().any(|page| page.path() == path);
        let is_named = |path: &str| calls.iter().any(|(_, named)| named == path);
        let says_there_is_none = |path: &str| matches!(path, "/api" | "/api/{*rest}");
        let others: Vec<String> = routed_paths(router)
            .into_iter()
            .filter(|path| !is_named(path) && !is_page(path) && !says_there_is_none(path))
            .collect();
        assert!(others.is_empty(), "routed, and not in the table: {others:?}");
    }
}

#[test]
fn what_strangers_may_call_is_this() {
    let open = |service: Service| -> Vec<String> {
        let calls = service.calls().filter(|(_, _, need)| *need == Need::Nothing);
        calls.map(|(method, path, _)| format!("{method} {path}")).collect()
    };
    assert_eq!(open(Service::Agent), ["GET /healthz", "GET /readyz"]);
    let dashboard = [
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in.js",
        "GET /sign-in/oidc",
        "GET /sign-in/oidc/callback",
        "POST /sign-out",
        "GET /healthz",
        "GET /readyz",
    ];
    assert_eq!(open(Service::Dashboard), dashboard);
}

const TOKEN: &str = "a token of some length";

/// A call with something in the place of each parameter, and with an empty object where it takes a body.
fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let path = path.replace("{name}", "x").replace("{id}", "x").replace("{vm}", "x").replace("{vm_id}", "x");
    let path = path.replace("{uuid}", "x").replace("{dump_id}", "x");
    let path = path.replace("{other_id}", "x").replace("{address}", "0");
    assert!(!path.contains('{'), "{path}");
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if method == "GET" {
        return request.body(Body::empty()).unwrap();
    }
    request.header("content-type", "application/json").body(Body::from("{}")).unwrap()
}

/// An API token and a cookie of somebody with `role`.
async fn credentials(app: &TestApp, role: Role) -> (String, String) {
    let by = Caller::trusted(Actor::Api);
    let name: AccountName = format!("a-{role}").parse().unwrap();
    let token = NewApiToken { name: name.clone(), role, rights: None, guests: None, expires_in_days: None };
    let token = app.accounts.make_token(token, &by).await.unwrap().token;
    let account = NewAccount { name, role, group: None, password: PASSWORD.to_owned().into() };
    app.accounts.add_account(account, &by).await.unwrap();
    let form = Request::post("/sign-in").header("host", HOST);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let sent = format!("name=A-{role}&password={}", PASSWORD.replace(' ', "+"));
    let response = send(&app.dashboard, form.body(Body::from(sent)).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    (format!("Bearer {token}"), cookie.split(';').next().unwrap().to_owned())
}

const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_make_the_calls_that_the_table_says_and_no_others() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let mut refused = 0;
    for role in Role::ALL {
        let (token, cookie) = credentials(&app, role).await;
        for header in [("authorization", token.as_str()), ("cookie", cookie.as_str())] {
            for (method, path, need) in Service::Dashboard.calls() {
                // Signs out; and a browser makes no links, whoever uses it.
                let by_browser = header.0 == "cookie";
                if path == "/sign-out" || (by_browser && path == "/api/sign-in-links") {
                    continue;
                }
                let answer = send(&app.dashboard, request(method, &path, &[header])).await;
                let what = format!("{role} by {}: {method} {path}", header.0);
                assert_ne!(answer.status(), StatusCode::UNAUTHORIZED, "{what}");
                let is_refused = answer.status() == StatusCode::FORBIDDEN;
                assert_eq!(is_refused, !need.is_met_by(role.rights()), "{what}: {}", answer.status());
                refused += u32::from(is_refused);
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_sees_only_some_guests_may_make_the_calls_that_leave_the_others_out() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    for role in Role::ALL {
        let new = NewApiToken {
            name: format!("of-north-{role}").parse().unwrap(),
            role,
            rights: None,
            guests: Some(vec!["web-*".parse().unwrap()]),
            expires_in_days: None,
        };
        let token = app.accounts.make_token(new, &Caller::trusted(Actor::Api)).await.unwrap().token;
        let token = format!("Bearer {token}");
        for (method, path, need) in Service::Dashboard.calls() {
            if path == "/sign-out" {
                continue;
            }
            let request = request(method, &path, &[("authorization", &token)]);
            let response = send(&app.dashboard, request).await;
            let status = response.status();
            // The stream of events has no end.
            let is_refused = status == StatusCode::FORBIDDEN;
            let body = if is_refused { response.into_body() } else { Body::empty() };
            let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
            let what = format!("{role}: {method} {path}: {status} {text}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{what}");
            let is_open = Service::Dashboard.is_open_to_limited(method, &path);
            let may = is_open && need.is_met_by(role.rights().and(Rights::OF_LIMITED));
            assert_eq!(is_refused, !may, "{what}");
            assert_eq!(text.contains("only the guests of your group"), !is_open, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused_whatever_is_not_open() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    for (router, service) in [(&app.dashboard, Service::Dashboard), (&app.agent, Service::Agent)] {
        for (method, path, need) in service.calls() {
            for headers in [&[][..], &[("cookie", "memdeck_session=x")]] {
                let status = send(router, request(method, &path, headers)).await.status();
                let is_open = need == Need::Nothing;
                assert_eq!(status == StatusCode::UNAUTHORIZED, !is_open, "{method} {path}: {status}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_begins_something_needs_its_permission_even_where_looking_does_not() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let (viewer, _) = credentials(&app, Role::Viewer).await;
    let (operator, _) = credentials(&app, Role::Operator).await;
    let verify = |token: &str, begin: bool| {
        let body = format!(r#"{{"dump_id": "00000000-0000-4000-8000-000000000001", "begin": {begin}}}"#);
        let request = Request::post("/api/ui/verification").header("host", HOST);
        let request = request.header("content-type", "application/json").header("authorization", token);
        request.body(Body::from(body)).unwrap()
    };
    for (token, begin, expected) in [
        (&viewer, false, StatusCode::NOT_FOUND),
        (&viewer, true, StatusCode::FORBIDDEN),
        (&operator, true, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(send(&app.dashboard, verify(token, begin)).await.status(), expected, "{begin}");
    }
}
