//! The log, as those read it who search it.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::program::{Running, memdeck};

const TOKEN: &str = "a token of some length";

#[test]
fn as_json_every_line_is_an_object_with_its_fields() {
    let home = tempfile::tempdir().unwrap();
    let mut command = memdeck(home.path());
    command.arg("serve").env("MEMDECK_BIND", "127.0.0.1:0").env("MEMDECK_LOG_FORMAT", "json");
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut ready = None;
    for line in lines.map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
        if line["url"].is_string() {
            ready = Some(line);
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ready = ready.expect("a line that says where it answers");
    assert!(ready["timestamp"].as_str().is_some_and(|at| at.contains('T')), "{ready}");
}

#[test]
fn the_log_of_a_dump_service_names_the_request_for_which_it_was_called() {
    memdeck::commands::install_tls_provider();
    let (home, home_of_agent) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let agent = Running::agent(home_of_agent.path(), &[("MEMDECK_TOKEN", TOKEN)]);
    let settings = [
        ("MEMDUMP_SERVICE_URL", agent.url.as_str()),
        ("MEMDUMP_SERVICE_TOKEN", TOKEN),
        ("MEMDECK_TOKEN", TOKEN),
    ];
    let serve = Running::serve(home.path(), &settings);
    let asked = reqwest::blocking::Client::new()
        .post(format!("{}/api/memory-dumps/trigger", serve.url))
        .bearer_auth(TOKEN)
        .json(&json!({"vms": ["test"]}))
        .send()
        .unwrap();
    assert_eq!(asked.status().as_u16(), 200);
    let id = asked.headers()["x-request-id"].to_str().unwrap().to_owned();
    drop(serve);
    let (_, log) = agent.stop();
    let told = log.lines().find(|line| line.contains("dump queued")).unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains(&format!("from=\"{id}\"")), "{told}");
}
