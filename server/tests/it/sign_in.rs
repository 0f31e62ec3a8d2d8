//! Signing in: the token for a cookie, what the cookie opens, and how it ends.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::config::HttpConfig;
use memdeck::http::Peer;

use crate::support::{HOST, TestApp, answer, get, http, send, text};

const TOKEN: &str = "a token of some length";
const FORM: &str = "application/x-www-form-urlencoded";

/// A dashboard with a token and a built page.
fn guarded() -> (tempfile::TempDir, TestApp) {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("index.html"), "session={{MEMDECK SESSION}}").unwrap();
    std::fs::write(site.path().join("memdeck.css"), "body {}").unwrap();
    let app = TestApp::start_with(HttpConfig {
        site_dir: Some(site.path().to_owned()),
        ..http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap()
    });
    (site, app)
}

/// Sends the form as a browser does.
fn form(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header("host", HOST)
        .header("content-type", FORM)
        .header("origin", format!("http://{HOST}"))
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

fn right() -> String {
    format!("token={}", TOKEN.replace(' ', "+"))
}

/// Signs in; the cookie as the browser sends it back.
async fn sign_in(app: &TestApp) -> String {
    let response = send(&app.dashboard, form("/sign-in", &right())).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    response.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn status(app: &TestApp, path: &str, cookie: &str) -> StatusCode {
    send(&app.dashboard, with(get(path), &[("cookie", cookie)])).await.status()
}

fn location(headers: &HeaderMap) -> &str {
    headers["location"].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_exchanged_for_a_cookie_that_scripts_do_not_see() {
    let (_site, app) = guarded();
    let response = send(&app.dashboard, form("/sign-in?next=%2Fmemory-dumps%3Fpage%3D2", &right())).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(response.headers()), "/memory-dumps?page=2");
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!((name, value.len()), ("memdeck_session", 43));
    assert_ne!(sign_in(&app).await, pair, "every session has an id of its own");

    let around = format!("token=+{}%0A", TOKEN.replace(' ', "+"));
    assert_eq!(send(&app.dashboard, form("/sign-in", &around)).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_declared_proxy_the_cookie_is_for_tls_only_and_the_proxy_says_who_guesses() {
    let app =
        TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN), ("MEMDECK_BEHIND_PROXY", "10.0.0.2")]).unwrap());
    let from = |peer: &str, forwarded: &str, mut request: Request<Body>| {
        request
            .extensions_mut()
            .insert(ConnectInfo(Peer::new(format!("{peer}:4711").parse().unwrap(), None)));
        let origin = format!("https://{HOST}");
        with(request, &[("origin", origin.as_str()), ("x-forwarded-for", forwarded)])
    };
    let response = send(&app.dashboard, from("10.0.0.2", "198.51.100.1", form("/sign-in", &right()))).await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-memdeck_session="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{cookie}");

    let plain = from("10.0.0.2", "198.51.100.1", form("/sign-in", &right()));
    let plain = with(plain, &[("origin", "http://127.0.0.1:8000")]);
    assert_eq!(
        send(&app.dashboard, plain).await.status(),
        StatusCode::FORBIDDEN,
        "a page without TLS is not ours"
    );

    for _ in 0..10 {
        send(&app.dashboard, from("10.0.0.2", "198.51.100.66", form("/sign-in", "token=guess"))).await;
    }
    for (address, expected) in
        [("198.51.100.66", StatusCode::TOO_MANY_REQUESTS), ("198.51.100.1", StatusCode::UNAUTHORIZED)]
    {
        let request = from("10.0.0.2", address, form("/sign-in", "token=guess"));
        assert_eq!(send(&app.dashboard, request).await.status(), expected, "{address}");
        let request = from("10.0.0.2", address, form("/sign-in", &right()));
        assert_eq!(send(&app.dashboard, request).await.status(), StatusCode::SEE_OTHER, "{address}");
    }
    let around = from("10.0.0.9", "127.0.0.1", form("/sign-in", &right()));
    assert_eq!(
        send(&app.dashboard, around).await.status(),
        StatusCode::FORBIDDEN,
        "without TLS round the proxy"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cookie_opens_rest_calls_the_pages_calls_events_and_pages() {
    let (_site, app) = guarded();
    let cookie = sign_in(&app).await;
    for path in ["/api/memory-dumps/records", "/api/events", "/memory-dumps"] {
        assert_eq!(status(&app, path, &cookie).await, StatusCode::OK, "{path}");
    }
    let call = Request::post("/api/ui/session")
        .header("host", HOST)
        .header("content-type", "application/json")
        .header("origin", format!("http://{HOST}"))
        .header("sec-fetch-site", "same-origin")
        .header("cookie", format!("theme=dark; {cookie}"));
    assert_eq!(send(&app.dashboard, call.body(Body::from("{}")).unwrap()).await.status(), StatusCode::OK);
    let bearer = with(get("/api/memory-dumps/records"), &[("authorization", &format!("Bearer {TOKEN}"))]);
    assert_eq!(send(&app.dashboard, bearer).await.status(), StatusCode::OK, "scripts go on as before");

    let agent = with(get("/api/dumps"), &[("cookie", &cookie)]);
    let other = TestApp::start_with(http(&[("MEMDECK_TOKEN", TOKEN)]).unwrap());
    assert_eq!(send(&other.agent, agent).await.status(), StatusCode::UNAUTHORIZED, "nor does it open others");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_only_health_sign_in_and_files_are_open() {
    let (_site, app) = guarded();
    for open in ["/healthz", "/sign-in", "/sign-in.js", "/memdeck.css"] {
        assert_eq!(status(&app, open, "").await, StatusCode::OK, "{open}");
    }
    for (page, sign_in) in [
        ("/", "/sign-in"),
        ("/vms", "/sign-in?next=%2Fvms"),
        ("/memory-dumps", "/sign-in?next=%2Fmemory-dumps"),
        ("/memory-dumps?q=web-01&page=2", "/sign-in?next=%2Fmemory-dumps%3Fq%3Dweb-01%26page%3D2"),
    ] {
        let response = send(&app.dashboard, get(page)).await;
        assert_eq!((response.status(), location(response.headers())), (StatusCode::SEE_OTHER, sign_in));
    }
    for cookie in ["", "memdeck_session=", "memdeck_session=x", "__Host-memdeck_session=x", "memdeck_session"]
    {
        let request = with(get("/api/memory-dumps/records"), &[("cookie", cookie)]);
        let (status, body) = answer(&app.dashboard, request).await;
        assert_eq!((status, &body["kind"]), (StatusCode::UNAUTHORIZED, &"unauthorized".into()), "{cookie}");
    }
    for path in ["/api/events", "/api/nothing", "/api"] {
        assert_eq!(status(&app, path, "").await, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_on_another_site_leads_to_the_page_which_finds_out_by_itself() {
    let (site, app) = guarded();
    let cookie = sign_in(&app).await;
    // The browser holds back the cookie where it comes from another site, and sends one from a neighbour, where it does not count.
    for (site, sent) in [("cross-site", ""), ("same-site", ""), ("same-site", cookie.as_str())] {
        let request = with(get("/memory-dumps"), &[("sec-fetch-site", site), ("cookie", sent)]);
        let answered = text(&app.dashboard, request).await;
        assert_eq!(answered, (StatusCode::OK, "session=unknown".to_owned()), "{site} {sent}");
    }
    let request = with(get("/memory-dumps"), &[("cookie", &cookie)]);
    assert_eq!(text(&app.dashboard, request).await.1, "session=signed-in");
    let open =
        TestApp::start_with(HttpConfig { site_dir: Some(site.path().to_owned()), ..HttpConfig::default() });
    assert_eq!(text(&open.dashboard, get("/memory-dumps")).await.1, "session=none");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_signed_in_or_need_not_be_is_led_on() {
    let (_site, app) = guarded();
    let cookie = sign_in(&app).await;
    let request = with(get("/sign-in?next=/memory-dumps"), &[("cookie", &cookie)]);
    assert_eq!(location(send(&app.dashboard, request).await.headers()), "/memory-dumps");
    let open = TestApp::start();
    assert_eq!(location(send(&open.dashboard, get("/sign-in?next=//evil.example")).await.headers()), "/");
    assert_eq!(send(&open.dashboard, form("/sign-in", "token=x")).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_on_the_page_and_never_repeated() {
    let (_site, app) = guarded();
    let response = send(&app.dashboard, form("/sign-in?next=/memory-dumps", "token=hunter2%3Cb%3E")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!response.headers().contains_key("set-cookie"));
    let html = response.into_body().collect().await.unwrap().to_bytes();
    let html = std::str::from_utf8(&html).unwrap();
    assert!(html.contains("That is not the token of this memdeck."), "{html}");
    assert!(html.contains(r#"action="/sign-in?next=%2Fmemory-dumps""#), "{html}");
    assert!(!html.contains("hunter2"), "{html}");
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(html.contains(r#"<script src="/sign-in.js" defer></script>"#), "{html}");
    for broken in ["", "token", "tok=x", "token=%ff"] {
        let status = send(&app.dashboard, form("/sign-in", broken)).await.status();
        assert!(matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED), "{broken}: {status}");
    }
    let long = format!("token={}", "x".repeat(9 << 10));
    assert_eq!(send(&app.dashboard, form("/sign-in", &long)).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_for_the_address_that_guesses() {
    let (_site, app) = guarded();
    for _ in 0..10 {
        assert_eq!(
            send(&app.dashboard, form("/sign-in", "token=guess")).await.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let blocked = send(&app.dashboard, form("/sign-in", "token=guess")).await;
    assert_eq!(blocked.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(blocked.headers()["retry-after"], "30");
    let html = blocked.into_body().collect().await.unwrap().to_bytes();
    assert!(
        std::str::from_utf8(&html)
            .unwrap()
            .contains("Too many wrong tokens or passwords. Try again in 30 s.")
    );
    sign_in(&app).await;
    app.clock.advance(Duration::from_secs(30));
    assert_eq!(
        send(&app.dashboard, form("/sign-in", "token=guess")).await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_by_calls_is_slowed_down_too_and_keeps_no_operator_out() {
    let (_site, app) = guarded();
    let cookie = sign_in(&app).await;
    let path = "/api/memory-dumps/records";
    let call = async |token: &str| {
        let request = with(get(path), &[("authorization", &format!("Bearer {token}"))]);
        let response = send(&app.dashboard, request).await;
        (response.status(), response.headers().get("retry-after").cloned())
    };
    for _ in 0..10 {
        assert_eq!(call("guess").await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(call("guess").await, (StatusCode::TOO_MANY_REQUESTS, Some("30".parse().unwrap())));
    assert_eq!(call(TOKEN).await.0, StatusCode::OK, "the right one is let in at once");
    assert_eq!(status(&app, path, &cookie).await, StatusCode::OK);
    sign_in(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_and_its_streams() {
    let (_site, app) = guarded();
    let (cookie, other) = (sign_in(&app).await, sign_in(&app).await);
    let stream = send(&app.dashboard, with(get("/api/events"), &[("cookie", &cookie)])).await;
    let signed_out = send(&app.dashboard, with(form("/sign-out", ""), &[("cookie", &cookie)])).await;
    assert_eq!((signed_out.status(), location(signed_out.headers())), (StatusCode::SEE_OTHER, "/sign-in"));
    assert_eq!(
        signed_out.headers()["set-cookie"],
        "memdeck_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
    );
    stream.into_body().collect().await.expect("the stream ends by itself");
    assert_eq!(status(&app, "/api/memory-dumps/records", &cookie).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&app, "/api/memory-dumps/records", &other).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_not_used_and_its_stream_tells_nothing_more() {
    let (_site, app) = guarded();
    let cookie = sign_in(&app).await;
    app.clock.advance(Duration::from_hours(11));
    let stream = send(&app.dashboard, with(get("/api/events"), &[("cookie", &cookie)])).await;
    assert_eq!(stream.status(), StatusCode::OK);
    app.clock.advance(Duration::from_hours(12));
    assert_eq!(status(&app, "/api/memory-dumps/records", &cookie).await, StatusCode::UNAUTHORIZED);
    let told = stream.into_body().collect().await.unwrap().to_bytes();
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_pages_can_neither_use_a_session_nor_begin_or_end_one() {
    let (_site, app) = guarded();
    let cookie = sign_in(&app).await;
    for foreign in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let headers = [foreign, ("cookie", cookie.as_str())];
        for (path, body) in [("/sign-out", ""), ("/sign-in", right().as_str())] {
            let answered = send(&app.dashboard, with(form(path, body), &headers)).await;
            assert_eq!(answered.status(), StatusCode::FORBIDDEN, "{path} {foreign:?}");
        }
        let call = Request::post("/api/memory-dumps/trigger")
            .header("host", HOST)
            .header("content-type", "application/json")
            .body(Body::from(r#"{"vms": ["web-01"]}"#));
        let answered = send(&app.dashboard, with(call.unwrap(), &headers)).await;
        assert_eq!(answered.status(), StatusCode::FORBIDDEN, "{foreign:?}");
    }
    // Forms of a foreign page arrive as what only signing in and out may be sent as.
    let form_call = with(form("/api/memory-dumps/trigger", "vms=web-01"), &[("cookie", &cookie)]);
    assert_eq!(send(&app.dashboard, form_call).await.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // A neighbour on another port is of the same site, so the browser sends the cookie along.
    let neighbour =
        with(get("/api/memory-dumps/records"), &[("cookie", &cookie), ("sec-fetch-site", "same-site")]);
    assert_eq!(send(&app.dashboard, neighbour).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(app.hypervisor.calls(), []);
    assert_eq!(status(&app, "/api/memory-dumps/records", &cookie).await, StatusCode::OK);
}
