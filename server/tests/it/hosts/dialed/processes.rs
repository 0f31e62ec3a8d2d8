//! The program itself: a dashboard with TLS, and an agent that only dials.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use reqwest::{Certificate, Method};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::site::TOKEN;
use crate::support::program::{Running, memdeck};
use crate::tls::Identity;

/// Of `tls::Identity`.
const OPERATORS: &str = "a token of some length";

struct Dashboard {
    service: Running,
    client: Client,
}

impl Dashboard {
    fn start(home: &Path, identity: &Identity, more: &[(&str, &str)]) -> Self {
        memdeck::commands::install_tls_provider();
        let trusted = Certificate::from_pem(identity.pem.as_bytes()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
        let variables = [&identity.variables()[..], more].concat();
        Self { service: Running::serve(home, &variables), client }
    }

    fn ask(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.service.url));
        let request = request.bearer_auth(OPERATORS);
        let request = if body.is_null() { request } else { request.json(body) };
        let response = request.send().unwrap();
        (response.status().as_u16(), response.json().unwrap())
    }

    /// The host of this name, once it is as `wanted` says.
    fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let told = self.ask(Method::GET, "/api/hosts", &Value::Null).1;
            let hosts = told["hosts"].as_array().unwrap();
            let host = hosts.iter().find(|host| host["name"] == name).cloned().unwrap_or_default();
            if wanted(&host) {
                return host;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{told}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What `memdeck doctor` finds with these variables: state and finding of each check of that name.
fn doctor(home: &Path, variables: &[(&str, &str)], name: &str) -> Vec<(String, String)> {
    let mut command = memdeck(home);
    command.args(["doctor", "--json"]).envs(variables.iter().copied());
    let report: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name);
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    checks.map(|check| (text(check, "state"), text(check, "finding"))).collect()
}

/// A file with the host that dials in, and without it.
fn configure(home: &Path, dials_in: bool) -> String {
    let file = home.join("memdeck.toml");
    let host = format!("[[hosts]]\nname = \"kvm-a\"\nurl = \"dial\"\ntoken = \"{TOKEN}\"\n");
    let here = "[[hosts]]\nname = \"here\"\nurl = \"local\"\n";
    std::fs::write(&file, if dials_in { format!("{here}{host}") } else { here.to_owned() }).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file.display().to_string()
}

#[test]
fn an_agent_dials_a_dashboard_with_tls_which_lists_its_guests_until_the_host_is_removed() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let identity = Identity::of("127.0.0.1", homes[0].path());
    let config = configure(homes[0].path(), true);
    let of_dashboard = [("MEMDECK_CONFIG", config.as_str())];
    let dashboard = Dashboard::start(homes[0].path(), &identity, &of_dashboard);
    let url = dashboard.service.url.clone();
    let ca = identity.variables()[0].1.to_owned();
    let dials =
        |token| [("DASHBOARD_URL", url.as_str()), ("DASHBOARD_TOKEN", token), ("DASHBOARD_CA", ca.as_str())];
    let agent = Running::agent(homes[1].path(), &dials(TOKEN));
    let host = dashboard.until("kvm-a", |host| host["guests"] == 1);
    assert_eq!((&host["condition"], &host["service"]), (&json!("up"), &json!("dial://kvm-a")), "{host}");
    let told = dashboard.ask(Method::GET, "/api/telemetry/live-vms", &Value::Null).1;
    let guest = told["vms"].as_array().unwrap().iter().find(|vm| vm["host"] == "kvm-a").unwrap().clone();
    assert_eq!(guest["name"], "test", "{told}");
    let asked = json!({"vms": ["kvm-a/test"]});
    let (status, told) = dashboard.ask(Method::POST, "/api/memory-dumps/trigger", &asked);
    // The hypervisor of these tests takes no dumps; the agent was asked all the same.
    assert_eq!((status, told["dumps"][0]["host"].as_str()), (200, Some("kvm-a")), "{told}");

    let [(state, finding)] = doctor(homes[1].path(), &dials(TOKEN), "dashboard").try_into().unwrap();
    assert!(state == "ok" && finding.contains("knows the token"), "{finding}");
    let [(state, finding)] =
        doctor(homes[1].path(), &dials("another token of some length"), "dashboard").try_into().unwrap();
    assert!(state == "failed" && finding.contains("401"), "{finding}");
    let variables = [&identity.variables()[..], &of_dashboard].concat();
    let found = doctor(homes[0].path(), &variables, "host");
    assert_eq!(found, [("ok".to_owned(), "kvm-a has dialed in and answers.".to_owned())]);

    // The dashboard is started anew, at the same address; the agent finds it.
    let address = url.trim_start_matches("https://").to_owned();
    assert_eq!(dashboard.service.stop().0, Some(0));
    let again = [of_dashboard[0], ("MEMDECK_BIND", address.as_str())];
    let dashboard = Dashboard::start(homes[0].path(), &identity, &again);
    dashboard.until("kvm-a", |host| host["condition"] == "up");

    configure(homes[0].path(), false);
    let pid = Pid::from_raw(i32::try_from(dashboard.service.id()).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    dashboard.until("kvm-a", Value::is_null);
    let noted = |count: usize| {
        let noted = dashboard.ask(Method::GET, "/api/audit?action=wrong_token", &Value::Null).1;
        noted["entries"].as_array().unwrap().len() >= count
    };
    let begun = Instant::now();
    while !noted(2) {
        assert!(begun.elapsed() < Duration::from_secs(20), "its token is a wrong one now");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (code, log) = agent.stop();
    assert!(code == Some(0) && log.contains("the connection with the dashboard has ended"), "{log}");
    assert!(log.contains("the dashboard cannot be dialed") && log.contains("HTTP 401"), "{log}");
    let (code, dashboards_log) = dashboard.service.stop();
    assert_eq!(code, Some(0), "{dashboards_log}");
    assert!(!log.contains(TOKEN) && !dashboards_log.contains(TOKEN), "{log} {dashboards_log}");
}

#[test]
fn an_agent_trusts_no_dashboard_that_shows_another_certificate() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let identity = Identity::of("127.0.0.1", homes[0].path());
    let other = Identity::of("127.0.0.1", homes[2].path());
    let config = configure(homes[0].path(), true);
    let dashboard = Dashboard::start(homes[0].path(), &identity, &[("MEMDECK_CONFIG", &config)]);
    let dials = [
        ("DASHBOARD_URL", dashboard.service.url.as_str()),
        ("DASHBOARD_TOKEN", TOKEN),
        ("DASHBOARD_CA", other.variables()[0].1),
    ];
    let [(state, finding)] = doctor(homes[1].path(), &dials, "dashboard").try_into().unwrap();
    assert!(state == "failed" && finding.contains("certificate"), "{finding}");
    let agent = Running::agent(homes[1].path(), &dials);
    agent.until_logged("the dashboard cannot be dialed");
    let (_, log) = agent.stop();
    assert!(log.contains("the dashboard cannot be dialed") && log.contains("certificate"), "{log}");
    let host = dashboard.until("kvm-a", |host| host["condition"] == "unreachable");
    assert_eq!(host["error"], "it has never dialed in since this dashboard was started");
}

#[test]
fn settings_with_which_no_agent_can_dial_stop_the_start_and_name_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let run = |variables: &[(&str, &str)]| {
        let output = memdeck(home.path()).arg("agent").envs(variables.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        said
    };
    let (url, token) =
        (("DASHBOARD_URL", "https://memdeck.example"), ("DASHBOARD_TOKEN", "s3cret s3cret s3cret"));
    for (variables, reason) in [
        (vec![url], "DASHBOARD_URL is set without DASHBOARD_TOKEN"),
        (vec![token], "DASHBOARD_TOKEN is set without DASHBOARD_URL"),
        (vec![("DASHBOARD_CA", "/no/such/file")], "DASHBOARD_CA is set without DASHBOARD_URL"),
        (vec![url, ("DASHBOARD_TOKEN", "s3cret")], "16 characters or more"),
        (vec![("DASHBOARD_URL", "ftp://memdeck.example"), token], "http:// or https://"),
        (vec![("DASHBOARD_URL", "https://ada:s3cret@memdeck.example"), token], "http:// or https://"),
        (vec![("DASHBOARD_URL", "http://memdeck.example"), token], "MEMDECK_INSECURE_HTTP"),
        (
            vec![url, token, ("DASHBOARD_CA", "/no/such/file")],
            "DASHBOARD_CA: ca /no/such/file cannot be read",
        ),
        (
            vec![("DASHBOARD_URL", "http://127.0.0.1:9"), token, ("DASHBOARD_CA", "/no/such/file")],
            "not https://",
        ),
    ] {
        let said = run(&variables);
        assert!(said.contains(reason), "{variables:?}: {said}");
    }
}
