//! Hosts that are added to a dashboard while it runs, with real processes.

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::support::program::{Running, memdeck};

const TOKEN: &str = "the token of the second host";

/// A dashboard, as somebody calls it from its own machine.
struct Dashboard {
    service: Running,
    client: Client,
}

impl Dashboard {
    fn start(home: &tempfile::TempDir, variables: &[(&str, &str)]) -> Self {
        memdeck::commands::install_tls_provider();
        Self { service: Running::serve(home.path(), variables), client: Client::new() }
    }

    fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.service.url));
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().unwrap();
        (response.status().as_u16(), response.json().unwrap())
    }

    fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, &Value::Null).1
    }

    fn hosts(&self) -> Vec<(String, bool)> {
        let told = self.get("/api/hosts");
        let one = |host: &Value| (host["name"].as_str().unwrap().to_owned(), host["added"] == true);
        told["hosts"].as_array().unwrap().iter().map(one).collect()
    }

    /// The hosts that guests are on.
    fn hosts_of_guests(&self) -> Vec<Value> {
        let told = self.get("/api/telemetry/live-vms");
        told["vms"].as_array().unwrap().iter().map(|guest| guest["host"].clone()).collect()
    }
}

fn named(hosts: &[(&str, bool)]) -> Vec<(String, bool)> {
    hosts.iter().map(|(name, added)| ((*name).to_owned(), *added)).collect()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_host_that_is_added_is_one_at_once_and_after_a_restart_until_it_is_removed() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let agent = Running::agent(homes[0].path(), &[("MEMDECK_TOKEN", TOKEN)]);
    let dashboard = Dashboard::start(&homes[1], &[]);
    assert_eq!(dashboard.hosts(), named(&[("local", false)]));
    assert!(dashboard.hosts_of_guests().iter().all(Value::is_null));

    let new = json!({"name": "kvm-02", "url": agent.url, "token": TOKEN, "by": "ada"});
    let (status, host) = dashboard.ask(Method::POST, "/api/hosts", &new);
    assert_eq!((status, &host["condition"], &host["added"]), (201, &json!("up"), &json!(true)), "{host}");
    assert_eq!(dashboard.hosts(), named(&[("local", false), ("kvm-02", true)]));
    assert_eq!(dashboard.hosts_of_guests(), [json!("kvm-02"), json!("local")]);

    // Neither an answer nor the audit has the token, and who added it is known.
    let (told, audit) = (dashboard.get("/api/hosts"), dashboard.get("/api/audit"));
    assert!(!told.to_string().contains(TOKEN) && !audit.to_string().contains(TOKEN), "{told} {audit}");
    let entry = &audit["entries"].as_array().unwrap()[0];
    assert_eq!(
        (&entry["action"], &entry["object"]["name"], &entry["result"]),
        (&json!("host_added"), &json!("kvm-02"), &json!("succeeded")),
        "{entry}"
    );
    assert!(entry["actor"].to_string().contains("ada"), "{entry}");

    let (code, log) = dashboard.service.stop();
    assert!(code == Some(0) && !log.contains(TOKEN), "{log}");
    let dashboard = Dashboard::start(&homes[1], &[]);
    assert_eq!(dashboard.hosts(), named(&[("local", false), ("kvm-02", true)]));
    until("it is asked again", || dashboard.get("/api/hosts")["hosts"][1]["condition"] == "up");

    let (status, left) = dashboard.ask(Method::DELETE, "/api/hosts/kvm-02", &Value::Null);
    assert_eq!((status, &left["count"]), (200, &json!(1)), "{left}");
    assert_eq!(dashboard.hosts(), named(&[("local", false)]));
    assert!(dashboard.hosts_of_guests().iter().all(Value::is_null));
    assert_eq!(dashboard.ask(Method::DELETE, "/api/hosts/kvm-02", &Value::Null).0, 404);
    drop(dashboard);
    assert_eq!(Dashboard::start(&homes[1], &[]).hosts(), named(&[("local", false)]));
}

#[test]
fn a_host_that_cannot_be_one_is_refused_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dashboard = Dashboard::start(&home, &[]);
    let add = |body: Value| dashboard.ask(Method::POST, "/api/hosts", &body);
    let host = |name: &str, url: &str| json!({"name": name, "url": url});
    // Nobody answers there: it is a host all the same, which is looked for until it is back.
    let (status, told) = add(host("kvm-02", "http://127.0.0.1:9"));
    assert_eq!((status, &told["condition"]), (201, &json!("unreachable")), "{told}");
    let long = "x".repeat(3000);
    for (body, status) in [
        (host("KVM-02", "http://127.0.0.1:10"), 409),
        (host("Local", "http://127.0.0.1:10"), 409),
        (host("kvm-03", "http://127.0.0.1:9/"), 409),
        (host("kvm/03", "http://127.0.0.1:10"), 400),
        (host("kvm-03", "local"), 400),
        (host("kvm-03", "ftp://127.0.0.1"), 400),
        (host("kvm-03", "http://user:secret@127.0.0.1:10"), 400),
        (host("kvm-03", &format!("http://{long}/")), 400),
        (json!({"name": "kvm-03", "url": "http://127.0.0.1:10", "token": " "}), 400),
        (json!({"name": "kvm-03", "url": "http://127.0.0.1:10", "token": long}), 400),
        (json!({"name": "kvm-03", "url": "http://127.0.0.1:10", "ca": "no certificate"}), 400),
        (json!({"name": "kvm-03", "url": "https://127.0.0.1:10", "ca": "no certificate"}), 400),
        (json!({"name": "kvm-03", "url": "dial"}), 400),
        (json!({"name": "kvm-03", "url": "dial", "token": "too short"}), 400),
        (json!({"name": "kvm-03", "url": "dial", "token": TOKEN, "ca": "no certificate"}), 400),
        (json!({"name": "kvm-03"}), 400),
    ] {
        let (got, answer) = add(body.clone());
        assert_eq!(got, status, "{body} {answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    assert_eq!(dashboard.hosts(), named(&[("local", false), ("kvm-02", true)]));
    let (status, refusal) = dashboard.ask(Method::DELETE, "/api/hosts/local", &Value::Null);
    assert_eq!(status, 409, "{refusal}");
}

#[test]
fn a_dashboard_of_one_dump_service_takes_no_other() {
    let home = tempfile::tempdir().unwrap();
    let dashboard = Dashboard::start(&home, &[("MEMDUMP_SERVICE_URL", "http://127.0.0.1:9")]);
    let new = json!({"name": "kvm-02", "url": "http://127.0.0.1:10"});
    let (status, refusal) = dashboard.ask(Method::POST, "/api/hosts", &new);
    assert_eq!(status, 409, "{refusal}");
}

#[test]
fn a_host_that_the_file_names_too_is_the_one_of_the_file() {
    let home = tempfile::tempdir().unwrap();
    let dashboard = Dashboard::start(&home, &[]);
    let new = json!({"name": "kvm-02", "url": "http://127.0.0.1:9"});
    assert_eq!(dashboard.ask(Method::POST, "/api/hosts", &new).0, 201);
    drop(dashboard);
    let file = home.path().join("memdeck.toml");
    let entries = "[[hosts]]\nname = \"kvm-01\"\nurl = \"local\"\n[[hosts]]\nname = \"kvm-02\"\nurl = \"http://127.0.0.1:10\"\n";
    std::fs::write(&file, entries).unwrap();
    let dashboard = Dashboard::start(&home, &[("MEMDECK_CONFIG", file.to_str().unwrap())]);
    assert_eq!(dashboard.hosts(), named(&[("kvm-01", false), ("kvm-02", false)]));
    assert_eq!(dashboard.get("/api/hosts")["hosts"][1]["service"], "http://127.0.0.1:10");
}

/// `memdeck host`, with what it reads.
fn host(home: &tempfile::TempDir, arguments: &[&str], input: &str) -> Output {
    let mut command = memdeck(home.path());
    command.arg("host").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn hosts_are_added_drained_and_removed_by_commands() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let agent = Running::agent(homes[0].path(), &[("MEMDECK_TOKEN", TOKEN)]);
    let nobody = host(&homes[1], &["list"], "");
    assert!(!nobody.status.success() && nobody.stdout.is_empty(), "{nobody:?}");
    let dashboard = Dashboard::start(&homes[1], &[]);
    let run = |arguments: &[&str], input: &str| {
        let output = host(&homes[1], arguments, input);
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), told, String::from_utf8(output.stderr).unwrap())
    };
    let added = run(&["add", "kvm-02", &agent.url, "--token-file", "-"], &format!("{TOKEN}\n"));
    assert!(added.0 == Some(0) && added.1.contains("kvm-02") && added.1.contains("up"), "{added:?}");
    // Whoever has the wrong token reads it, and a script sees it.
    let wrong = Running::agent(homes[2].path(), &[("MEMDECK_TOKEN", "another token of some length")]);
    let added = run(&["add", "kvm-03", &wrong.url, "--token-file", "-"], TOKEN);
    assert!(added.0 == Some(1) && added.1.contains("wrong token"), "{added:?}");
    let drained = run(&["drain", "kvm-02", "--json"], "");
    let told: Value = serde_json::from_str(&drained.1).unwrap();
    assert_eq!((drained.0, &told["draining"]), (Some(0), &json!(true)), "{drained:?}");
    let listed = run(&["list"], "");
    for line in ["local", "kvm-02", "kvm-03"] {
        assert!(listed.1.lines().any(|row| row.starts_with(line)), "{listed:?}");
    }
    let refused = run(&["remove", "local"], "");
    assert!(refused.0 == Some(1) && refused.2.contains("configuration"), "{refused:?}");
    for name in ["kvm-02", "kvm-03"] {
        assert_eq!(run(&["remove", name], "").0, Some(0));
    }
    assert_eq!(dashboard.hosts(), named(&[("local", false)]));
    // One that comes again under that name is not drained.
    let again = run(&["add", "kvm-02", &agent.url, "--token-file", "-", "--json"], TOKEN);
    let told: Value = serde_json::from_str(&again.1).unwrap();
    assert_eq!((again.0, &told["draining"]), (Some(0), &json!(false)), "{again:?}");
}
