//! Who may call: every rule of the access, on both services.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use memdeck::config::{HttpConfig, OpenAccess, Role};
use memdeck::http::Peer;

use crate::support::{HOST, TestApp, get, http, post, send, text};

pub const TOKEN: &str = "a token of some length";

/// The status of a trigger with these headers instead of the usual ones.
async fn trigger(router: &Router, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(router, request.body(Body::from(r#"{"vms": ["web-09"]}"#)).unwrap()).await.status()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn only_known_host_names_are_answered() {
    let app = TestApp::start_with(http(&[("MEMDECK_ALLOWED_HOSTS", "Memdeck.example, dumps.lan")]).unwrap());
    for router in [&app.dashboard, &app.agent] {
        for good in [
            HOST,
            "localhost",
            "localhost:8000",
            "[::1]:8000",
            "LOCALHOST",
            "memdeck.example:443",
            "dumps.lan",
        ] {
            let request = Request::get("/healthz").header("host", good).body(Body::empty()).unwrap();
            assert_eq!(send(router, request).await.status(), StatusCode::OK, "{good}");
        }
        for bad in
            ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8000", "10.0.0.1", "", ":8000"]
        {
            let request = Request::get("/healthz").header("host", bad).body(Body::empty()).unwrap();
            assert_eq!(send(router, request).await.status(), StatusCode::MISDIRECTED_REQUEST, "{bad}");
        }
        let none = Request::get("/healthz").body(Body::empty()).unwrap();
        assert_eq!(send(router, none).await.status(), StatusCode::MISDIRECTED_REQUEST);
    }
    assert_eq!(app.hypervisor.calls(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_something_must_be_json() {
    let app = TestApp::start();
    for (router, path) in [(&app.dashboard, "/api/memory-dumps/trigger"), (&app.agent, "/api/dumps")] {
        let host = ("host", HOST);
        for forms in [
            "application/x-www-form-urlencoded",
            "text/plain",
            "multipart/form-data",
            "application/jsonp",
            "",
        ] {
            let status = trigger(router, path, &[host, ("content-type", forms)]).await;
            assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{forms}");
        }
        assert_eq!(trigger(router, path, &[host]).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let charset = ("content-type", "application/json; charset=utf-8");
        assert_eq!(trigger(router, path, &[host, charset]).await, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pages_requests_change_nothing() {
    let app = TestApp::start();
    for (router, path) in [(&app.dashboard, "/api/memory-dumps/trigger"), (&app.agent, "/api/dumps")] {
        let with = async |header: (&str, &str)| trigger(router, path, &[("host", HOST), JSON, header]).await;
        for origin in
            ["http://evil.example", "null", "http://127.0.0.1:9000", "https://127.0.0.1", "127.0.0.1:8000"]
        {
            assert_eq!(with(("origin", origin)).await, StatusCode::FORBIDDEN, "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(with(("sec-fetch-site", site)).await, StatusCode::FORBIDDEN, "{site}");
        }
        assert_eq!(with(("origin", "http://127.0.0.1:8000")).await, StatusCode::OK);
        assert_eq!(with(("sec-fetch-site", "same-origin")).await, StatusCode::OK);
        assert_eq!(with(("sec-fetch-site", "none")).await, StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_gets_no_answer_by_get_and_no_download() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let image = format!("/api/memory-dumps/{dump_id}/image");
    for (router, path) in [
        (&app.dashboard, "/api/memory-dumps/records"),
        (&app.dashboard, "/api/events"),
        (&app.dashboard, image.as_str()),
        (&app.agent, "/api/dumps"),
        (&app.agent, image.as_str()),
    ] {
        let with = async |site: &str, mode: &str| {
            let request = Request::get(path).header("host", HOST);
            let request = request.header("sec-fetch-site", site).header("sec-fetch-mode", mode);
            send(router, request.body(Body::empty()).unwrap()).await.status()
        };
        for site in ["cross-site", "same-site"] {
            for mode in ["no-cors", "cors", "navigate"] {
                assert_eq!(with(site, mode).await, StatusCode::FORBIDDEN, "{path} {site} {mode}");
            }
        }
        for site in ["same-origin", "none"] {
            assert_eq!(with(site, "navigate").await, StatusCode::OK, "{path} {site}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_longer_pause_than_the_setting_allows_is_refused_at_every_entrance() {
    let app = TestApp::start();
    let body = r#"{"vms": ["web-01"], "pause_budget_ms": 60001}"#;
    for (router, path, body) in [
        (&app.dashboard, "/api/memory-dumps/trigger", body.to_owned()),
        (&app.agent, "/api/dumps", body.to_owned()),
        (&app.dashboard, "/api/ui/trigger", format!(r#"{{"request": {body}}}"#)),
    ] {
        let (status, told) = text(router, post(path, &body)).await;
        assert!(status.is_client_error() || status.is_server_error(), "{path}: {status}");
        assert!(told.contains("allowed are up to 60000 milliseconds"), "{path}: {told}");
    }
    assert_eq!(app.hypervisor.calls(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_calls_are_compressed_those_of_the_page_too_and_nothing_else_is() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let image = format!("/api/memory-dumps/{dump_id}/image");
    app.dumped("db-01").await;
    let records = r#"{"query": {"limit": 20, "offset": 0}}"#;
    for (path, body, accepted, compressed) in [
        ("/api/openapi.json", None, "gzip, br", true),
        ("/api/openapi.json", None, "identity", false),
        ("/api/memory-dumps/records", None, "gzip", true),
        ("/api/ui/records", Some(records), "gzip, br", true),
        ("/api/ui/records", Some(records), "identity", false),
        ("/api/events", None, "gzip", false),
        ("/healthz", None, "gzip", false),
        (image.as_str(), None, "gzip", false),
    ] {
        let mut request = body.map_or_else(|| get(path), |body| post(path, body));
        request.headers_mut().insert("accept-encoding", accepted.parse().unwrap());
        let response = send(&app.dashboard, request).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers().get("content-encoding").is_some(), compressed, "{path} {accepted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_own_calls_obey_the_same_rules() {
    let app = TestApp::start();
    let path = "/api/ui/trigger";
    let call = async |headers: &[(&str, &str)]| {
        let mut request = Request::post(path).header("host", HOST);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&app.dashboard, request.body(Body::from(r#"{"request": {"vms": ["web-09"]}}"#)).unwrap())
            .await
            .status()
    };
    assert_eq!(call(&[JSON, ("origin", "http://127.0.0.1:8000")]).await, StatusCode::OK);
    assert_eq!(call(&[JSON, ("origin", "http://evil.example")]).await, StatusCode::FORBIDDEN);
    assert_eq!(call(&[("content-type", "text/plain")]).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_opens_the_door_to_other_origins() {
    let app = TestApp::start();
    let preflight = Request::options("/api/memory-dumps/trigger")
        .header("host", HOST)
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST");
    let response = send(&app.dashboard, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let headers = response.headers();
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{headers:?}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["referrer-policy"], "same-origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_every_call_must_carry_it() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    let calls = [
        (&app.dashboard, "/api/memory-dumps/stats"),
        (&app.agent, "/api/dumps"),
        (&app.dashboard, "/api/nothing"),
    ];
    for (router, path) in calls {
        let with = async |header: Option<String>| {
            let mut request = Request::get(path).header("host", HOST);
            if let Some(value) = header {
                request = request.header("authorization", value);
            }
            send(router, request.body(Body::empty()).unwrap()).await
        };
        for wrong in [
            None,
            Some("Bearer".into()),
            Some(format!("Bearer {TOKEN}x")),
            Some(format!("Token {TOKEN}")),
            Some(TOKEN.into()),
        ] {
            let response = with(wrong.clone()).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{wrong:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
        assert_ne!(with(Some(format!("bearer {TOKEN}"))).await.status(), StatusCode::UNAUTHORIZED);
    }
    let healthz = Request::get("/healthz").header("host", HOST).body(Body::empty()).unwrap();
    assert_eq!(text(&app.agent, healthz).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_of_openness_nobody_is_let_in_who_is_not_known() {
    let strict =
        HttpConfig { open_access: OpenAccess::default(), ..http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap() };
    let app = TestApp::start_with(strict);
    for peer in ["127.0.0.1:4711", "[::1]:4711", "[::ffff:127.0.0.1]:4711", "10.0.0.9:4711"] {
        let mut request =
            Request::get("/api/memory-dumps/stats").header("host", HOST).body(Body::empty()).unwrap();
        // An address alone says nothing of who calls.
        request.extensions_mut().insert(ConnectInfo(Peer::new(peer.parse().unwrap(), None)));
        assert_eq!(send(&app.dashboard, request).await.status(), StatusCode::UNAUTHORIZED, "{peer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_open_to_the_dashboards_that_were_named_and_to_nobody_else() {
    let app = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN), ("OPEN_ACCESS", "10.0.0.7")]).unwrap());
    for (peer, forwarded, status) in [
        ("10.0.0.7:1", "", StatusCode::OK),
        ("[::ffff:10.0.0.7]:1", "", StatusCode::OK),
        ("10.0.0.8:1", "", StatusCode::UNAUTHORIZED),
        ("10.0.0.8:1", "10.0.0.7", StatusCode::UNAUTHORIZED),
        ("127.0.0.1:1", "", StatusCode::UNAUTHORIZED),
    ] {
        let mut request = Request::get("/api/dumps").header("host", HOST);
        if !forwarded.is_empty() {
            request = request.header("x-forwarded-for", forwarded);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(Peer::new(peer.parse().unwrap(), None)));
        assert_eq!(send(&app.agent, request).await.status(), status, "{peer} {forwarded}");
    }
    let open = http(&[("OPEN_ACCESS", "10.0.0.7")]).unwrap();
    assert!(open.listen_address(Role::Agent).is_ok());
    let refused = open.listen_address(Role::Serve).unwrap_err().to_string();
    assert!(refused.contains("OPEN_ACCESS names addresses, which is for `memdeck agent` alone"), "{refused}");
}

#[test]
fn services_listen_on_loopback_by_default() {
    for (role, address) in [(Role::Serve, "127.0.0.1:8000"), (Role::Agent, "127.0.0.1:5001")] {
        assert_eq!(http(&[]).unwrap().listen_address(role).unwrap(), address.parse().unwrap());
    }
}

#[test]
fn listening_to_other_machines_needs_tls_or_a_word_that_it_does_not() {
    let address = ("MEMDECK_BIND", "10.1.2.3:8000");
    let token = ("MEMDECK_TOKEN", TOKEN);
    let refused = http(&[address, token]).unwrap().listen_address(Role::Agent).unwrap_err().to_string();
    for way_out in ["TLS_CERT and TLS_KEY", "MEMDECK_BEHIND_PROXY (--behind-proxy)", "--insecure-http"] {
        assert!(refused.contains(way_out), "{refused}");
    }
    for said in [
        &[("TLS_CERT", "/a"), ("TLS_KEY", "/b")][..],
        &[("MEMDECK_BEHIND_PROXY", "10.1.2.2")],
        &[("MEMDECK_INSECURE_HTTP", "true")],
    ] {
        let config = http(&[&[address, token], said].concat()).unwrap();
        assert_eq!(config.listen_address(Role::Serve).unwrap(), "10.1.2.3:8000".parse().unwrap(), "{said:?}");
        // A token is made where none is set.
        assert!(http(&[&[address], said].concat()).unwrap().listen_address(Role::Serve).is_ok(), "{said:?}");
    }
    let unsaid = http(&[address, token, ("MEMDECK_INSECURE_HTTP", "false")]).unwrap();
    assert!(unsaid.listen_address(Role::Serve).is_err());
    for (one, other) in [("TLS_CERT", "TLS_KEY"), ("TLS_KEY", "TLS_CERT")] {
        let half = http(&[(one, "/a.pem")]).unwrap_err().to_string();
        assert_eq!(half, format!("{one} is set and {other} is not: TLS needs both files"));
    }
}

#[test]
fn a_short_token_is_refused_without_being_shown() {
    let error = http(&[("MEMDECK_TOKEN", "hunter2")]).unwrap_err().to_string();
    assert!(error.contains("MEMDECK_TOKEN") && error.contains("16 characters"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
