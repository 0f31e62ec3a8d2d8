//! Points of what agents measure: the agents write them, and nobody else does.

use std::time::{Duration, Instant};

use memdeck_influx::test_support::InfluxServer;
use serde_json::Value;

use super::fleet::PATIENCE;
use crate::support::program::Running;

async fn get(url: &str) -> Value {
    let answer = reqwest::get(url).await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

/// How many points of guests the store has.
fn points(server: &InfluxServer) -> u64 {
    let told = server.query("vmstats", "SELECT COUNT(cputime) FROM vm_totals");
    told["results"][0]["series"][0]["values"][0][1].as_u64().unwrap_or(0)
}

/// `memdeck serve` that has no hypervisor of its own, and a store that it could write to: `alone` in front of one agent, else with a
/// file that names two.
fn dashboard(home: &std::path::Path, agent: &str, influx: &str, alone: bool) -> Running {
    let mut variables = vec![
        ("OPEN_ACCESS", "loopback"),
        ("INFLUX_URL", influx),
        ("INFLUX_DB", "vmstats"),
        // As a machine may have it set that runs libvirt for something else.
        ("LIBVIRT_URI", "test:///default"),
    ];
    let file = home.join("memdeck.toml");
    let text = format!(
        "[[hosts]]\nname = \"kvm-a\"\nurl = \"{agent}\"\n\n[[hosts]]\nname = \"kvm-b\"\nurl = \"http://127.0.0.1:9\"\n"
    );
    let path = file.display().to_string();
    if alone {
        variables.pop();
        variables.extend([("MEMDUMP_SERVICE_URL", agent), ("LIBVIRT_URI", "")]);
    } else {
        std::fs::write(&file, text).unwrap();
        variables.push(("MEMDECK_CONFIG", &path));
    }
    Running::serve(home, &variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_shows_what_its_agents_measure_and_writes_none_of_their_points() {
    memdeck::commands::install_tls_provider();
    let server = InfluxServer::start();
    let _created = server.query("vmstats", "CREATE DATABASE vmstats");
    let [agent_home, one_home, many_home] = [0; 3].map(|_| tempfile::tempdir().unwrap());
    let open = [("OPEN_ACCESS", "loopback"), ("POLL_INTERVAL", "0.2")];
    let agent = Running::agent(agent_home.path(), &open);
    let one = dashboard(one_home.path(), &agent.url, &server.url(), true);
    let many = dashboard(many_home.path(), &agent.url, &server.url(), false);
    for url in [&one.url, &many.url] {
        let begun = Instant::now();
        // Long enough for a collector, if there were one, to have sent what it has.
        while begun.elapsed() < Duration::from_secs(4) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            get(&format!("{url}/api/telemetry/vm-telemetry")).await;
        }
        let told = get(&format!("{url}/api/telemetry/vm-telemetry")).await;
        assert_eq!((&told["count"], &told["vms"][0]["name"]), (&1.into(), &"test".into()), "{told}");
    }
    assert_eq!(points(&server), 0, "only the agent may write them, and it was given no store");
    agent.stop();

    let influx = server.url();
    let with_store = [open[0], open[1], ("INFLUX_URL", influx.as_str()), ("INFLUX_DB", "vmstats")];
    let _agent = Running::agent(agent_home.path(), &with_store);
    let begun = Instant::now();
    while points(&server) == 0 {
        assert!(begun.elapsed() < PATIENCE, "the agent writes them");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
