//! Points of finished dumps in a real InfluxDB.

use std::sync::Arc;

use memdeck::outbox::{self, Round};
use memdeck_influx::test_support::InfluxServer;
use memdeck_model::Event;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::support::influx::{DATABASE, influx};
use crate::support::{TestApp, answer, post};

async fn dump(app: &TestApp, vm: &str) -> Value {
    answer(&app.dashboard, post("/api/memory-dumps/trigger", &json!({"vms": [vm]}).to_string())).await;
    app.ended(1).await;
    serde_json::to_value(app.engine.status(vm).unwrap().unwrap().record.unwrap()).unwrap()
}

/// Rows of `mem_dumps`: guest and hash.
fn rows(server: &InfluxServer) -> Vec<(Value, Value)> {
    let answer = server.query(DATABASE, "SELECT dom, sha256 FROM mem_dumps");
    let values = answer["results"][0]["series"][0]["values"].as_array().cloned().unwrap_or_default();
    values.iter().map(|row| (row[1].clone(), row[2].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_taken_while_influxdb_is_away_arrives_once_when_it_is_back() {
    let app = TestApp::start();
    let mut server = InfluxServer::stopped();
    let influx = influx(&server);
    let record = dump(&app, "web-01").await;
    assert_eq!(outbox::round(&app.catalog, influx.as_ref()).await.unwrap(), Round::Left);
    assert_eq!(app.catalog.outbox_len().unwrap(), 1);

    server.restart();
    assert_eq!(outbox::round(&app.catalog, influx.as_ref()).await.unwrap(), Round::Empty);
    assert_eq!(app.catalog.outbox_len().unwrap(), 0);
    let expected = vec![(json!("web-01"), record["sha256"].clone())];
    assert_eq!(rows(&server), expected);
    // A second delivery, as after a crash between the write and its acknowledgement, is the same point.
    influx.write_record(&serde_json::from_value(record).unwrap()).await.unwrap();
    assert_eq!(rows(&server), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relay_writes_a_finished_dump_by_itself() {
    let app = TestApp::start();
    let server = InfluxServer::start();
    let (told, events) = broadcast::channel(8);
    let relay = tokio::spawn(outbox::relay(Arc::clone(&app.catalog), influx(&server), events));
    for vm in ["web-01", "db-01"] {
        dump(&app, vm).await;
        let record = app.engine.status(vm).unwrap().unwrap().record.unwrap();
        told.send(Event::Record(record)).unwrap();
    }
    // The relay ends when it has delivered what it was told about and no more can come.
    drop(told);
    relay.await.unwrap();
    assert_eq!(app.catalog.outbox_len().unwrap(), 0);
    assert_eq!(rows(&server).len(), 2);
}
