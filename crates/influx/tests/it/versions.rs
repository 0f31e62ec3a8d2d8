//! The same client against every generation of calls: a double of versions 3 and 2, and a real `InfluxDB` 1; a real 3 where
//! `INFLUX3_URL` names one.

use std::time::Duration;

use memdeck_influx::test_support::{CONTRACT_TOKEN, ContractStore, InfluxServer};
use memdeck_influx::{FeedError, FieldValue, Influx, Login, Point, PointSink as _, RowQuery, RowSource as _};
use memdeck_model::InfluxVersion;
use serde_json::json;

use crate::double::{Double, with};
use crate::store::Store;
use crate::{client_as, record};

fn client_of(store: &ContractStore) -> Influx {
    let login = Login::Token(CONTRACT_TOKEN.to_owned());
    client_as(&store.url, "vmstats", login, Duration::from_mins(1))
}

fn query(from_nanos: Option<i64>) -> RowQuery {
    RowQuery { measurement: "mem_dumps", columns: Vec::new(), from_nanos, until_nanos: None, limit: 10 }
}

fn total(at: i64, value: FieldValue) -> Point {
    Point {
        measurement: "vm_totals",
        tags: vec![("VMID", "7".to_owned()), ("name", "web 01".to_owned())],
        fields: vec![("cputime", value), ("state", FieldValue::Integer(1))],
        unix_nanos: at,
    }
}

#[tokio::test]
async fn a_store_is_written_to_by_the_newest_calls_it_has_and_they_are_remembered() {
    for (version, tried) in [
        (InfluxVersion::V3, vec!["POST /api/v3/write_lp"]),
        (InfluxVersion::V2, vec!["POST /api/v3/write_lp", "POST /api/v2/write"]),
    ] {
        let store = ContractStore::start(version).await;
        let client = client_of(&store);
        client.write_record(&record("web-01")).await.unwrap();
        assert_eq!(client.version().await, Some(version));
        let writes = |from: usize| -> Vec<String> {
            store.calls().into_iter().skip(from).filter(|call| call.starts_with("POST")).collect()
        };
        assert_eq!(writes(0), tried);
        let before = store.calls().len();
        client.write_record(&record("db-01")).await.unwrap();
        assert_eq!(writes(before), tried[tried.len() - 1..], "what worked is remembered");
        assert_eq!(store.rows("mem_dumps").len(), 2);
    }
    let server = InfluxServer::start();
    let client = crate::client(&server.url(), "vmstats", None);
    client.write_record(&record("web-01")).await.unwrap();
    assert_eq!(client.version().await, Some(InfluxVersion::V1));
}

#[tokio::test]
async fn a_store_that_becomes_another_is_found_again() {
    let store = ContractStore::start(InfluxVersion::V2).await;
    let client = client_of(&store);
    client.write_record(&record("web-01")).await.unwrap();
    store.become_version(InfluxVersion::V3);
    client.write_record(&record("db-01")).await.unwrap();
    assert_eq!(client.version().await, Some(InfluxVersion::V3));
    store.set_away(true);
    let refused = client.write_record(&record("mail")).await.unwrap_err();
    assert!(matches!(refused, FeedError::Refused { status: 503, .. }), "{refused:?}");
    store.set_away(false);
    client.write_record(&record("mail")).await.unwrap();
    assert_eq!(store.rows("mem_dumps").len(), 3);
}

#[tokio::test]
async fn a_bad_line_is_named_and_those_around_it_are_written() {
    for version in [InfluxVersion::V3, InfluxVersion::V2] {
        let store = ContractStore::start(version).await;
        store.write("vm_totals state=1i 1");
        store.write("vm_totals cputime=1 1");
        let client = client_of(&store);
        // Numbers become what the column is; a text does not.
        let points: Vec<Point> = (0..40)
            .map(|at| match at {
                7 | 30 => total(at, FieldValue::Text("many".to_owned())),
                at => total(at, FieldValue::Integer(at)),
            })
            .collect();
        let outcome = client.write(&points).await.unwrap();
        let rejected: Vec<_> = outcome.rejected.iter().map(|rejection| rejection.index).collect();
        assert_eq!((outcome.written, rejected), (38, vec![7, 30]), "{version:?}");
        assert!(outcome.rejected.iter().all(|rejection| rejection.error.is_permanent()));
        assert_eq!(store.rows("vm_totals").len(), 38 + 1);
        assert!(store.packed_bodies() > 0, "long bodies come packed");
    }
    let server = InfluxServer::start();
    let client = crate::client(&server.url(), "vmstats", None);
    client.write(&[total(0, FieldValue::Integer(1))]).await.unwrap();
    let points = [
        total(1, FieldValue::Integer(1)),
        total(2, FieldValue::Text("x".to_owned())),
        total(3, FieldValue::Float(2.0)),
    ];
    let outcome = client.write(&points).await.unwrap();
    assert_eq!((outcome.written, outcome.rejected.len(), outcome.rejected[0].index), (2, 1, 1));
    let count = server.query("vmstats", "SELECT count(cputime) FROM vm_totals");
    assert_eq!(count["results"][0]["series"][0]["values"][0][1], json!(3), "{count}");
}

#[tokio::test]
async fn measurements_in_one_batch_keep_their_own_types() {
    let store = ContractStore::start(InfluxVersion::V3).await;
    let client = client_of(&store);
    store.write("vm_totals cputime=1 1");
    store.write("vm_devices cputime=1i 1");
    let device = |at| Point { measurement: "vm_devices", ..total(at, FieldValue::Integer(2)) };
    let outcome = client.write(&[total(1, FieldValue::Integer(1)), device(1)]).await.unwrap();
    assert_eq!((outcome.written, outcome.rejected.len()), (2, 0));
}

#[tokio::test]
async fn rows_are_read_by_sql_or_by_influxql_and_say_the_same() {
    let mut told = Vec::new();
    for version in [InfluxVersion::V3, InfluxVersion::V2] {
        let store = ContractStore::start(version).await;
        let client = client_of(&store);
        assert_eq!(client.rows(&query(None)).await.unwrap(), [], "no such table yet");
        client.write_record(&record("web-01")).await.unwrap();
        client.write_record(&record("db 01")).await.unwrap();
        told.push(client.rows(&query(Some(1_763_110_703_550_273_000))).await.unwrap());
        assert_eq!(client.rows(&query(Some(1_763_110_703_550_273_001))).await.unwrap(), []);
    }
    for store in Store::all() {
        let client = store.client();
        assert_eq!(client.rows(&query(None)).await.unwrap(), [], "no such database yet");
        client.write_record(&record("web-01")).await.unwrap();
        client.write_record(&record("db 01")).await.unwrap();
        told.push(client.rows(&query(Some(1_763_110_703_550_273_000))).await.unwrap());
        assert_eq!(client.rows(&query(Some(1_763_110_703_550_273_001))).await.unwrap(), []);
    }
    for mut rows in told {
        rows.sort_by_key(|row| row.0["dom"].to_string());
        assert_eq!(rows.len(), 2);
        for (row, dom) in rows.iter().zip(["db 01", "web-01"]) {
            assert_eq!(row.time().unwrap(), record(dom).timestamp);
            assert_eq!((&row.0["dom"], &row.0["raw_size_bytes"]), (&json!(dom), &json!(537_133_056)));
            assert_eq!((&row.0["ok"], &row.0["duration_sec"]), (&json!(true), &json!(1.25)));
        }
    }
}

#[tokio::test]
async fn a_diagnosis_tells_version_write_read_and_columns() {
    for version in [InfluxVersion::V3, InfluxVersion::V2] {
        let store = ContractStore::start(version).await;
        store.write("mem_dumps ctime=1,sha256=1i,mtime=1i 1");
        let client = client_of(&store);
        for _ in 0..2 {
            let found = client.diagnose().await;
            assert!(found.server_version.is_some());
            assert_eq!(found.writes_by, Some(version));
            for step in [&found.reachable, &found.database, &found.write, &found.read] {
                assert!(step.as_ref().is_some_and(|step| step.ok), "{found:?}");
            }
            let columns: Vec<_> = found
                .columns
                .iter()
                .map(|column| (column.column.as_str(), column.stored.as_str(), column.is_converted))
                .collect();
            assert_eq!(columns, [("ctime", "float", true), ("sha256", "integer", false)]);
        }
        assert_eq!(store.rows("memdeck_probe").len(), 1, "one row for ever");
    }
    for store in Store::all() {
        let found = store.client().diagnose().await;
        assert!(found.write.is_some_and(|step| step.ok) && found.read.is_some_and(|step| step.ok));
        assert_eq!(found.columns, []);
    }
}

#[tokio::test]
async fn a_diagnosis_of_a_store_that_does_not_let_in_or_is_away_says_so() {
    let store = ContractStore::start(InfluxVersion::V3).await;
    let wrong = Login::Token("s3cret-and-wrong".to_owned());
    let found = client_as(&store.url, "vmstats", wrong, Duration::from_mins(1)).diagnose().await;
    assert!(found.reachable.is_some_and(|step| step.ok));
    let write = found.write.unwrap();
    assert!(!write.ok && !write.message.unwrap().to_string().contains("s3cret"));
    assert_eq!(found.writes_by, None);
    let away = InfluxServer::stopped();
    let found = crate::client(&away.url(), "vmstats", None).diagnose().await;
    assert!(found.reachable.is_some_and(|step| !step.ok) && found.write.is_none() && found.read.is_none());
}

#[tokio::test]
async fn an_answer_that_holds_an_error_is_not_an_answer_without_rows() {
    let double = Double::start().await;
    double.on_every_write(with(404, ""));
    double.on_query(with(200, r#"{"results":[{"statement_id":0,"error":"timeout reached"}]}"#));
    let client = crate::client(&double.url, "vmstats", None);
    let refused = client.rows(&query(None)).await.unwrap_err();
    assert!(refused.to_string().contains("timeout reached"), "{refused}");
    double.on_query(with(200, r#"{"results":[{"statement_id":0,"error":"database not found: vmstats"}]}"#));
    assert_eq!(client.rows(&query(None)).await.unwrap(), []);
}
