//! The dashboard behind a real nginx, which is configured as the guide says.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use memdeck::config::HttpConfig;
use memdeck::http::server::{limits, serve};
use memdeck::http::{Connections, below};
use memdeck_agent::DashboardClient;
use memdeck_image::ExportFormat;
use memdeck_model::{Actor, ByteCount, NewAccount, Role};
use memdeck_operations::Caller;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde_json::json;
use tokio::sync::watch;

use crate::hosts::dialing::{self, Dialer, Site};
use crate::images::{exported, image};
use crate::markdown;
use crate::support::{TestApp, get, http, send};

const TOKEN: &str = "a token of some length";
const FORM: &str = "application/x-www-form-urlencoded";

/// The block of the guide that has these words, for a service at `service`.
fn location(service: SocketAddr, words: &str) -> String {
    let blocks = markdown::blocks(&markdown::read("docs/guide.md")).unwrap();
    let mut blocks = blocks.into_iter().filter(|block| block.info == "nginx");
    let block = blocks.find(|block| block.code.contains(words)).expect("the guide has a block for nginx");
    assert!(block.code.contains("127.0.0.1:8000"));
    block.code.replace("127.0.0.1:8000", &service.to_string())
}

/// One process of nginx; killed when dropped.
struct Nginx {
    process: Child,
    _dir: tempfile::TempDir,
    origin: String,
}

impl Nginx {
    /// In front of a site that has `location`.
    fn start(location: &str) -> Self {
        // nginx takes no port that the system chooses.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        Self::start_at(address, location)
    }

    fn start_at(address: SocketAddr, location: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", dir.path().join(kind).display()))
            .concat();
        let configuration = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr crit;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {address};\n{location}\n}}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), configuration).unwrap();
        let process = Command::new("nginx")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(dir.path())
            .spawn()
            .expect("nginx is missing: run scripts/setup test");
        let mut nginx = Self { process, _dir: dir, origin: format!("http://{address}") };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(nginx.process.try_wait().unwrap().is_none(), "nginx ended");
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A dashboard with a page, on its own listener.
struct Served {
    app: TestApp,
    address: SocketAddr,
    _site: tempfile::TempDir,
    _closing: watch::Sender<bool>,
}

impl Served {
    async fn with(variables: &[(&str, &str)]) -> Self {
        let site = tempfile::tempdir().unwrap();
        write_site(site.path());
        let http = HttpConfig { site_dir: Some(site.path().to_owned()), ..http(variables).unwrap() };
        let app = TestApp::start_with(http.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (closing, closed) = watch::channel(false);
        let routes = below(app.dashboard.clone(), &http);
        tokio::spawn(serve(listener, None, routes, Connections::new(limits()), closed));
        Self { app, address, _site: site, _closing: closing }
    }
}

fn write_site(site: &Path) {
    std::fs::write(site.join("index.html"), "<head><base href=./><title>x</title>").unwrap();
    std::fs::write(site.join("memdeck-0123456789abcdef.js"), "export {}").unwrap();
}

fn client() -> Client {
    memdeck::commands::install_tls_provider();
    let builder = Client::builder().no_proxy().redirect(redirect::Policy::none());
    builder.timeout(Duration::from_secs(30)).build().unwrap()
}

async fn answered(request: RequestBuilder) -> (StatusCode, HeaderMap, String) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

/// Another local user's nginx may run as root, and tells nobody for whom it speaks.
const SILENT: &str = "proxy_set_header Host $http_host;";

#[tokio::test(flavor = "multi_thread")]
async fn behind_nginx_below_a_path_page_calls_events_sign_in_redirects_and_downloads_stay_there() {
    let declared = [("MEMDECK_BEHIND_PROXY", "127.0.0.1"), ("MEMDECK_TOKEN", TOKEN)];
    let configured = [("MEMDECK_BASE_PATH", "/memdeck"), ("MEMDECK_TOKEN", TOKEN)];
    for (variables, as_the_guide_says) in [(declared, true), (configured, false)] {
        let served = Served::with(&variables).await;
        let nginx = if as_the_guide_says {
            Nginx::start(&location(served.address, "location /memdeck/"))
        } else {
            Nginx::start(&format!("location /memdeck/ {{ proxy_pass http://{}; {SILENT} }}", served.address))
        };
        let client = client();
        let at = |path: &str| format!("{}/memdeck{path}", nginx.origin);
        let redirected = |headers: &HeaderMap| headers["location"].to_str().unwrap().to_owned();

        let (status, headers, _) = answered(client.get(at("/memory-dumps?rows=50"))).await;
        let to_sign_in = "/memdeck/sign-in?next=%2Fmemory-dumps%3Frows%3D50";
        assert_eq!((status, redirected(&headers).as_str()), (StatusCode::SEE_OTHER, to_sign_in));
        assert_eq!(answered(client.get(at("/api/memory-dumps/stats"))).await.0, StatusCode::UNAUTHORIZED);
        let form = client.post(format!("{}{to_sign_in}", nginx.origin)).header("origin", &nginx.origin);
        let form = form.header("content-type", FORM).body(format!("token={}", TOKEN.replace(' ', "+")));
        let (status, headers, _) = answered(form).await;
        assert_eq!(
            (status, redirected(&headers).as_str()),
            (StatusCode::SEE_OTHER, "/memdeck/memory-dumps?rows=50")
        );
        let cookie = headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("; Path=/memdeck;"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let get = |path: &str| client.get(at(path)).header("cookie", &cookie);
        let post = |path: &str, body: &'static str| {
            let post = client.post(at(path)).header("cookie", &cookie).header("origin", &nginx.origin);
            post.header("content-type", "application/json").body(body)
        };

        for (path, expected) in
            [("/", StatusCode::OK), ("/memory-dumps", StatusCode::OK), ("/nope", StatusCode::NOT_FOUND)]
        {
            let (status, _, html) = answered(get(path)).await;
            assert_eq!(status, expected, "{path}");
            assert!(html.contains(r#"<base href="/memdeck/">"#), "{path}: {html}");
        }
        let (_, headers, _) = answered(get("/memory-dumps/?rows=50")).await;
        assert_eq!(redirected(&headers), "/memdeck/memory-dumps?rows=50");
        assert_eq!(answered(get("/memdeck-0123456789abcdef.js")).await.0, StatusCode::OK);
        assert_eq!(answered(post("/api/ui/session", "{}")).await.0, StatusCode::OK);

        let mut events = get("/api/events").send().await.unwrap();
        let (status, _, told) = answered(post("/api/memory-dumps/trigger", r#"{"vms": ["web-01"]}"#)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let mut heard = String::new();
        while !(heard.contains("event: dump") && heard.contains(r#""state":"completed""#)) {
            heard.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
        }
        let record = served.app.ended(1).await.remove(0).record.unwrap();
        let dump_id = record.dump_id.unwrap().to_string();
        let expected = exported(Path::new(&record.dump_path.unwrap()), ExportFormat::Raw);
        let raw = get(&image(&dump_id, "raw")).send().await.unwrap().bytes().await.unwrap();
        assert!(raw == expected, "an image is what it is without nginx");
        let part = get(&image(&dump_id, "raw")).header("range", "bytes=4000-9999").send().await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert!(part.bytes().await.unwrap() == expected[4000..10_000]);
        let (status, _, csv) = answered(get("/api/memory-dumps/export.csv")).await;
        assert!(status == StatusCode::OK && csv.contains("web-01"), "{csv}");

        let sign_out = client.post(at("/sign-out")).header("cookie", &cookie).header("origin", &nginx.origin);
        let (status, headers, _) = answered(sign_out.header("content-type", FORM)).await;
        assert_eq!((status, redirected(&headers).as_str()), (StatusCode::SEE_OTHER, "/memdeck/sign-in"));
        assert_eq!(answered(get("/api/memory-dumps/stats")).await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_dials_in_through_nginx_where_that_passes_on_what_makes_a_websocket() {
    let app = TestApp::start();
    let site = Site::start(&app).await;
    let plain = format!("location / {{ proxy_pass http://{}; {SILENT} }}", site.address);
    let nginx = Nginx::start(&plain);
    let address = nginx.origin.trim_start_matches("http://").parse().unwrap();
    let dials = dialing::service(&nginx.origin, Some(dialing::TOKEN));
    memdeck::commands::install_tls_provider();
    let refused = DashboardClient::new(&dials).unwrap().dial("a test").await.err().unwrap();
    assert!(refused.to_string().contains("426"), "{refused}");
    drop(nginx);
    let location = location(site.address, "location = /api/agents/dial");
    let nginx = Nginx::start_at(address, &format!("{location}\n{plain}"));
    let _agent = Dialer::start(app.agent.clone(), address, dialing::TOKEN);
    site.fleet.until_up("kvm-a").await;
    let (status, reply) = site.fleet.trigger(json!({"vms": ["web-01"]})).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let record = app.ended(1).await.remove(0).record.unwrap();
    site.fleet.records(1).await;
    let path = image(record.dump_id.unwrap().as_str(), "raw");
    let response = send(&site.fleet.router, get(&path)).await;
    let raw = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert!(raw == exported(Path::new(&record.dump_path.unwrap()), ExportFormat::Raw));
    drop(nginx);
    site.fleet.until("kvm-a", |host| host["condition"] == "unreachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_at_nginx_needs_no_session_here_and_can_be_nobody_else() {
    let vouching = [
        ("MEMDECK_BEHIND_PROXY", "127.0.0.1"),
        ("MEMDECK_TOKEN", TOKEN),
        ("PROXY_USER_HEADER", "X-Remote-User"),
    ];
    let served = Served::with(&vouching).await;
    let password = "correct horse battery".to_owned().into();
    let ada = NewAccount { name: "ada".parse().unwrap(), role: Role::Operator, group: None, password };
    served.app.accounts.add_account(ada, &Caller::trusted(Actor::Api)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let passwords = dir.path().join("passwords");
    std::fs::write(&passwords, "ada:{PLAIN}one\nbob:{PLAIN}two\n").unwrap();
    let location = location(served.address, "X-Remote-User");
    let file = "/etc/nginx/memdeck.htpasswd";
    assert!(location.contains(file));
    let nginx = Nginx::start(&location.replace(file, passwords.to_str().unwrap()));
    let client = client();
    let get = |path: &str| client.get(format!("{}{path}", nginx.origin));
    assert_eq!(answered(get("/memory-dumps")).await.0, StatusCode::UNAUTHORIZED);
    let (status, _, page) = answered(get("/memory-dumps").basic_auth("ada", Some("one"))).await;
    assert!(status == StatusCode::OK && page.contains("<base"), "{status} {page}");
    // What a client sends of the header does not arrive.
    let me = get("/api/me").basic_auth("ada", Some("one")).header("x-remote-user", "root");
    let me: serde_json::Value = serde_json::from_str(&answered(me).await.2).unwrap();
    assert_eq!((&me["name"], &me["role"]), (&"ada".into(), &"operator".into()));
    let bob = get("/api/me").basic_auth("bob", Some("two")).header("x-remote-user", "ada");
    assert_eq!(answered(bob).await.0, StatusCode::FORBIDDEN);
    let trigger =
        client.post(format!("{}/api/memory-dumps/trigger", nginx.origin)).json(&json!({"vms": ["web-01"]}));
    let trigger = trigger.basic_auth("ada", Some("one")).header("origin", &nginx.origin);
    let (status, _, told) = answered(trigger).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let asked_by = served.app.ended(1).await.remove(0).record.unwrap().requested_by;
    assert_eq!(asked_by, Some(Actor::User { name: "ada".to_owned() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_without_a_length_that_breaks_off_looks_whole_to_no_nginx_and_to_no_client_of_http_1_0() {
    let served = Served::with(&[("OPEN_ACCESS", "loopback")]).await;
    drop(served.app.hypervisor.add_guest("mail-01", ByteCount::from_mib(16)));
    let (dump_id, stored) = served.app.dumped("mail-01").await;
    let mut bytes = std::fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    let path = image(&dump_id, "avml");

    // What nginx speaks to a service unless it is told otherwise.
    for (nginx_speaks, buffers) in [("1.0", "off"), ("1.0", "on"), ("1.1", "off"), ("1.1", "on")] {
        let nginx = Nginx::start(&format!(
            "location / {{ proxy_pass http://{}; proxy_http_version {nginx_speaks}; proxy_buffering {buffers}; {SILENT} }}",
            served.address
        ));
        let response = client().get(format!("{}{path}", nginx.origin)).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let broken = response.bytes().await;
        let came = broken.as_ref().map_or(0, Bytes::len);
        assert!(
            broken.is_err(),
            "{came} bytes came as if they were all: HTTP/{nginx_speaks}, buffering {buffers}"
        );
    }

    let address = served.address;
    let error = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).expect_err("it came as if it were whole")
    });
    assert_eq!(error.await.unwrap().kind(), std::io::ErrorKind::ConnectionReset);
}
