//! The services together: dashboard, agent, InfluxDB, and the command line beside them.

use memdeck_influx::test_support::InfluxServer;
use serde_json::Value;

use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

/// The rows of `mem_dumps` as objects.
fn rows(influx: &InfluxServer) -> Vec<Value> {
    let answer = influx.query("vmstats", "SELECT * FROM mem_dumps");
    let series = &answer["results"][0]["series"][0];
    let columns = series["columns"].as_array().cloned().unwrap_or_default();
    let values = series["values"].as_array().cloned().unwrap_or_default();
    let object = |row: &Value| {
        columns
            .iter()
            .enumerate()
            .map(|(i, name)| (name.as_str().unwrap().to_owned(), row[i].clone()))
            .collect()
    };
    values.iter().map(object).collect()
}

#[test]
fn an_agent_a_dashboard_and_influxdb_agree_on_a_dump() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let (agent_home, front_home) = (Home::new(), Home::new());
    let mut influx = InfluxServer::stopped();
    let agent = Service::start(&agent_home, "agent", &[("INFLUX_URL", &influx.url())]);
    let variables = [("MEMDUMP_SERVICE_URL", agent.url.as_str()), ("INFLUX_URL", &influx.url())];
    let front = Service::start(&front_home, "serve", &variables);

    front.trigger(&[guest.name]);
    let ended = front.wait_for_end(guest.name);
    assert_eq!(ended["state"], "completed", "{ended}");
    let record = front.wait("/api/memory-dumps/records", "record", |page| {
        page["records"].get(0).filter(|record| record["dump_id"] == ended["dump_id"]).cloned()
    });
    assert_eq!(record, ended["record"]);
    assert!(!front_home.path().join("dumps").exists(), "the dashboard stores nothing of a remote dump");

    // InfluxDB was away during the dump.
    influx.restart();
    let row = front.wait("/healthz", "row in InfluxDB", |_| rows(&influx).into_iter().next());
    assert_eq!((&row["dom"], &row["sha256"]), (&record["dom"], &record["sha256"]));
    assert_eq!(
        (&row["host"], &row["dump_path"], &row["ok"]),
        (&record["host"], &record["dump_path"], &Value::Bool(true))
    );
    assert_eq!((&row["gzip_size_bytes"], &row["loop"]), (&record["gzip_size_bytes"], &Value::from(0)));
    // Stopped and started, neither service writes it again.
    assert_eq!((front.terminate(), agent.terminate()), (Some(0), Some(0)));
    let agent = Service::start(&agent_home, "agent", &[("INFLUX_URL", &influx.url())]);
    assert_eq!(agent.get("/api/records")["records"].as_array().unwrap().len(), 1);
    assert_eq!(rows(&influx).len(), 1);
}

#[test]
fn the_command_line_joins_the_dashboard_that_has_the_state_directory() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::new();
    let serve = Service::start(&home, "serve", &[]);
    let status = home.dump(guest.name, "auto");
    assert_eq!(status["job_state"], "completed", "{status}");
    assert_eq!(serve.get("/api/memory-dumps/records")["records"][0]["dump_id"], status["dump_id"]);

    let second = home.memdeck(&["serve"]).env("MEMDECK_BIND", "127.0.0.1:0").output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by memdeck serve"), "{said}");
    assert_eq!(serve.terminate(), Some(0));
}

#[test]
fn every_running_guest_is_dumped_by_the_word_all() {
    let _turn = lab();
    let guests = [LabGuest::running("web-01"), LabGuest::running("db-01")];
    let home = Home::new();
    let output = home.memdeck(&["dump", "all", "--json"]).output().unwrap();
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    for guest in &guests {
        let dump = reply["dumps"].as_array().unwrap().iter().find(|dump| dump["vm"] == guest.name).unwrap();
        assert_eq!(dump["job_state"], "completed", "{dump}");
        assert_eq!(guest.state(), "running");
    }
}
