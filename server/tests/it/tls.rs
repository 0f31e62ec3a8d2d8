//! TLS as its callers see it: sign-in and event streams that go on, certificates, HTTP/2.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, redirect};
use serde_json::Value;

use crate::support::program::{Running, memdeck};

const TOKEN: &str = "a token of some length";

/// A certificate that nobody signed but itself, and its key, in files.
pub struct Identity {
    cert: PathBuf,
    key: PathBuf,
    pub pem: String,
}

impl Identity {
    pub fn of(name: &str, dir: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
        let pem = made.cert.pem();
        std::fs::write(&cert, &pem).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        set_mode(&key, 0o600);
        Self { cert, key, pem }
    }

    pub fn variables(&self) -> [(&str, &str); 3] {
        [
            ("TLS_CERT", self.cert.to_str().unwrap()),
            ("TLS_KEY", self.key.to_str().unwrap()),
            ("MEMDECK_TOKEN", TOKEN),
        ]
    }

    /// A client that trusts it alone.
    fn client(&self) -> Client {
        memdeck::commands::install_tls_provider();
        let trusted = Certificate::from_pem(self.pem.as_bytes()).unwrap();
        let builder = Client::builder().no_proxy().redirect(redirect::Policy::none());
        builder.tls_certs_only([trusted]).timeout(Duration::from_mins(1)).build().unwrap()
    }
}

fn set_mode(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Asks for a dump of a guest that does not exist, which ends failed, and waits for its end.
async fn fail_a_dump(client: &Client, url: &str, vm: &str) {
    let call = client.post(format!("{url}/api/memory-dumps/trigger")).bearer_auth(TOKEN);
    let body = format!(r#"{{"vms": ["{vm}"]}}"#);
    let asked = call.header("content-type", "application/json").body(body).send().await.unwrap();
    assert_eq!(asked.status(), StatusCode::OK);
}

struct Stream {
    response: Response,
    unread: String,
}

impl Stream {
    async fn open(client: &Client, url: &str, cookie: &str, last_event_id: Option<&str>) -> Self {
        let mut request = client.get(format!("{url}/api/events")).header("cookie", cookie);
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, unread: String::new() }
    }

    /// Name, content and id of the next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value, Option<String>)> {
        while !self.unread.contains("\n\n") {
            let chunk = self.response.chunk().await.unwrap()?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let (block, rest) = self.unread.split_once("\n\n").unwrap();
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data = serde_json::from_str(field("data").unwrap()).unwrap();
        let told = (field("event").unwrap().to_owned(), data, field("id").map(str::to_owned));
        self.unread = self.unread.split_off(self.unread.len() - rest.len());
        Some(told)
    }

    async fn is_resumed(&mut self) -> bool {
        let (name, data, _) = self.next().await.unwrap();
        assert_eq!(name, "start");
        data["resumed"].as_bool().unwrap()
    }

    /// The guests of all dump events until one of them failed, and the id of the last.
    async fn until_failed(&mut self) -> (Vec<String>, String) {
        let mut guests = Vec::new();
        loop {
            let (name, data, id) = self.next().await.expect("the stream ended");
            if name != "dump" {
                continue;
            }
            guests.push(data["vm"].as_str().unwrap().to_owned());
            if data["state"] == "failed" {
                return (guests, id.unwrap());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_operators_sign_in_streams_go_on_and_a_stop_is_quick() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::of("127.0.0.1", home.path());
    let client = identity.client();
    let running = Running::serve(home.path(), &identity.variables());
    let url = running.url.clone();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let form = client.post(format!("{url}/sign-in")).header("origin", &url);
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let signed_in = form.body(format!("token={}", TOKEN.replace(' ', "+"))).send().await.unwrap();
    assert_eq!(signed_in.status(), StatusCode::SEE_OTHER);
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-memdeck_session_") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let mut stream = Stream::open(&client, &url, cookie, None).await;
    assert!(!stream.is_resumed().await);
    fail_a_dump(&client, &url, "web-01").await;
    let left_at = stream.until_failed().await.1;
    drop(stream);
    fail_a_dump(&client, &url, "web-02").await;
    let mut stream = Stream::open(&client, &url, cookie, Some(&left_at)).await;
    assert!(stream.is_resumed().await);
    let (guests, left_at) = stream.until_failed().await;
    assert!(guests.iter().all(|guest| guest == "web-02"), "told twice: {guests:?}");

    let stopping = tokio::task::spawn_blocking(move || running.stop());
    while stream.next().await.is_some() {}
    let (code, log) = stopping.await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("cut off") && !log.contains(TOKEN), "{log}");

    // Another process: what happened before it began is not known, and whoever was signed in still is.
    let running = Running::serve(home.path(), &identity.variables());
    let old = client.get(format!("{}/api/events", running.url)).header("cookie", cookie);
    let old = old.header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(old.status(), StatusCode::OK);
    let again = client.get(format!("{}/api/events", running.url)).bearer_auth(TOKEN);
    let response = again.header("last-event-id", left_at).send().await.unwrap();
    let mut stream = Stream { response, unread: String::new() };
    assert!(!stream.is_resumed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_go_on_with_tls_holds_nobody_up() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::of("127.0.0.1", home.path());
    let running = Running::serve(home.path(), &identity.variables());
    let address = running.url.strip_prefix("https://").unwrap();
    let _silent: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "no answer without TLS");
    let health = identity.client().get(format!("{}/healthz", running.url)).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn http_2_is_spoken_where_there_is_tls() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::of("127.0.0.1", home.path());
    let running = Running::serve(home.path(), &identity.variables());
    for (how, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let output = std::process::Command::new("curl")
            .args(["-sS", how, "--cacert", identity.cert.to_str().unwrap(), "-o", "/dev/null"])
            .args(["-w", "%{http_version} %{http_code}", "-H", &format!("Authorization: Bearer {TOKEN}")])
            .arg(format!("{}/api/memory-dumps/stats", running.url))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{version} 200"));
    }
    // The name of the service is judged there too.
    let rebound = std::process::Command::new("curl")
        .args([
            "-ksS",
            "--http2",
            "-o",
            "/dev/null",
            "-w",
            "%{http_version} %{http_code}",
            "-H",
            "Host: evil.example",
        ])
        .arg(format!("{}/healthz", running.url))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(rebound.stdout).unwrap(), "2 421");
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn the_command_line_knows_its_own_service_by_the_certificate() {
    let home = tempfile::tempdir().unwrap();
    // For a name by which nobody on this machine calls it.
    let identity = Identity::of("dumps.example", home.path());
    let _running = Running::serve(home.path(), &identity.variables());
    let dump = |variables: &[(&str, &str)]| {
        let output = memdeck(home.path()).args(["dump", "web-09"]).envs(variables.iter().copied()).output();
        failure(&output.unwrap())
    };
    let (code, message) = dump(&identity.variables());
    assert_eq!(code, Some(1));
    assert!(message.contains("no VM 'web-09' on test:///default"), "{message}");

    let (code, message) = dump(&[("MEMDECK_TOKEN", TOKEN)]);
    assert_eq!(code, Some(1));
    assert!(message.contains("set TLS_CERT and TLS_KEY as it has them"), "{message}");

    let stranger = Identity::of("other.example", home.path());
    let (code, message) = dump(&stranger.variables());
    assert_eq!(code, Some(1));
    assert!(message.contains("invalid peer certificate"), "{message}");
}

#[test]
fn files_that_are_no_certificate_and_key_stop_the_start_with_the_reason() {
    let home = tempfile::tempdir().unwrap();
    let (one, other) = (Identity::of("a.example", home.path()), Identity::of("b.example", home.path()));
    let empty = home.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = home.path().join("missing.pem");
    for (cert, key, reason) in [
        (&missing, &one.key, "TLS_CERT names "),
        (&empty, &one.key, "there is no PEM certificate in it"),
        (&one.key, &one.key, "there is no PEM certificate in it"),
        (&one.cert, &missing, "No such file"),
        (&one.cert, &one.cert, "there is no PEM private key in it"),
        (&one.cert, &other.key, "cannot be used together"),
    ] {
        let mut command = memdeck(home.path());
        command.arg("serve").env("MEMDECK_BIND", "127.0.0.1:0").env("TLS_CERT", cert).env("TLS_KEY", key);
        let (code, message) = failure(&command.output().unwrap());
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(reason), "{reason}: {message}");
    }
}

#[test]
fn a_key_that_others_can_read_is_told_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::of("127.0.0.1", home.path());
    let (_, quiet) = Running::serve(home.path(), &identity.variables()).stop();
    assert!(!quiet.contains("private key"), "{quiet}");
    set_mode(&identity.key, 0o640);
    let (code, log) = Running::serve(home.path(), &identity.variables()).stop();
    assert_eq!(code, Some(0));
    assert!(log.contains("others than its owner have access to the private key of TLS"), "{log}");
}

#[test]
fn a_switch_needs_no_value_and_takes_none_of_what_follows() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["--insecure-http", "config"][..],
        &["config", "--insecure-http"],
        &["config", "--insecure-http=true"],
    ] {
        let output = memdeck(home.path()).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("insecure_http = \"true\"  # from the command line"), "{arguments:?}: {text}");
    }
    let output = memdeck(home.path()).args(["config", "--insecure-http=perhaps"]).output().unwrap();
    let (code, message) = failure(&output);
    assert_eq!(code, Some(2));
    assert!(message.contains("allowed: true or false"), "{message}");
}

fn failure(output: &Output) -> (Option<i32>, String) {
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout),
    )
}
