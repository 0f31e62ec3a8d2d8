//! Dump records that other tools wrote into a real InfluxDB, and how they get into the table.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memdeck::foreign_rows::{ForeignRows, Pace};
use memdeck::outbox::{self, Round};
use memdeck_catalog::Catalog;
use memdeck_influx::Influx;
use memdeck_influx::test_support::InfluxServer;
use memdeck_model::{DeleteRequest, ForeignRow, RecordQuery};
use serde_json::{Value, json};

use crate::support::influx::{DATABASE, influx};
use crate::support::program::memdeck;
use crate::support::{TestApp, answer, get, post, trusted};

/// One with a database, as an operator has set it up.
fn server() -> InfluxServer {
    let server = InfluxServer::start();
    let _created = server.query(DATABASE, "CREATE DATABASE vmstats");
    server
}

fn rows(influx: &Arc<Influx>, catalog: &Arc<Catalog>, pace: Pace) -> ForeignRows {
    ForeignRows::new(Arc::clone(influx) as _, Arc::clone(catalog), pace)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_other_tools_stand_in_the_table_and_ours_stand_there_once() {
    let app = TestApp::start();
    let server = server();
    let influx = influx(&server);
    // Their columns are floats, and come first.
    let theirs = "mem_dumps,dom=old\\ vm,vmid=3 ok=true,raw_size_bytes=512,ctime=1,loop=0,sha256=\"cd\" 1700000000000000001\n\
                  mem_dumps,vmid=4 ok=true 1700000001000000000\n\
                  mem_dumps,dom=half dump_path=\"/d\" 1700000002000000000";
    assert_eq!(server.write(DATABASE, theirs), 204);
    answer(&app.dashboard, post("/api/memory-dumps/trigger", r#"{"vms": ["web-01"]}"#)).await;
    app.ended(1).await;
    assert_eq!(outbox::round(&app.catalog, influx.as_ref()).await.unwrap(), Round::Empty);

    let foreign = rows(&influx, &app.catalog, Pace::default());
    for from_the_beginning in [false, false, true] {
        foreign.catch_up(from_the_beginning).await.unwrap();
    }
    let (_, listed) = answer(&app.dashboard, get("/api/memory-dumps/records")).await;
    let told: Vec<Value> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| json!([record["dom"], record["foreign"], record["raw_size_bytes"]]))
        .collect();
    let own = &listed["records"][0];
    assert!(own["dump_id"].is_string() && own["foreign"].is_null(), "{own}");
    assert_eq!(
        told[1..],
        [json!(["half", "whole", null]), json!(["", "partly", null]), json!(["old vm", "whole", 512])]
    );
    let progress = foreign.progress().borrow().clone();
    assert!(progress.is_complete && progress.records_added == 3, "{progress:?}");
    assert_eq!(app.catalog.outbox_len().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_of_one_moment_than_are_read_at_once_all_arrive() {
    let app = TestApp::start();
    let server = server();
    let mut lines = String::new();
    for n in 0..50 {
        writeln!(lines, "mem_dumps,dom=vm-{n},vmid={n} ok=true 1700000000000000000").unwrap();
    }
    lines.push_str("mem_dumps,dom=later ok=true 1700000000000000001");
    assert_eq!(server.write(DATABASE, &lines), 204);
    let pace = Pace { step: 7, transaction: 3, ..Pace::default() };
    rows(&influx(&server), &app.catalog, pace).catch_up(false).await.unwrap();
    assert_eq!(app.catalog.stats().unwrap().total_dumps, 51);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_influxdb_that_is_away_is_told_and_followed_again_when_it_is_back() {
    let app = TestApp::start();
    let mut server = InfluxServer::stopped();
    let pace = Pace { interval: Duration::from_millis(20), ..Pace::default() };
    let foreign = rows(&influx(&server), &app.catalog, pace);
    let mut progress = foreign.progress();
    let task = tokio::spawn(foreign.follow());
    progress.wait_for(|progress| progress.problem.is_some()).await.unwrap();
    server.restart();
    let _created = server.query(DATABASE, "CREATE DATABASE vmstats");
    progress.wait_for(|progress| progress.is_complete && progress.problem.is_none()).await.unwrap();
    for (line, count) in [
        ("mem_dumps,dom=a ok=true 1700000000000000000", 1),
        ("mem_dumps,dom=b ok=true 1699999999000000000", 2),
    ] {
        assert_eq!(server.write(DATABASE, line), 204);
        progress.wait_for(|progress| progress.records_added == count).await.unwrap();
    }
    task.abort();
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_arrive_in_bounded_steps_while_the_table_is_used() {
    const ROWS: u64 = 20_000;
    let app = TestApp::start();
    let server = server();
    for chunk in 0..ROWS / 5_000 {
        let mut lines = String::new();
        for n in chunk * 5_000..(chunk + 1) * 5_000 {
            let at = 1_700_000_000_000_000_000_u64 + n * 60_000_000_000;
            writeln!(
                lines,
                "mem_dumps,dom=vm-{:03},host=hv{},vmid={} ok=true,sha256=\"{n:064x}\",dump_path=\"/d/{n}.zst\",\
                 raw_size_bytes=537133056,gzip_size_bytes=45000001,ctime=1,mtime=1,atime=1,duration_sec=1.5,loop=0 {at}",
                n % 500, n % 7, n % 500
            )
            .unwrap();
        }
        assert_eq!(server.write(DATABASE, &lines), 204);
    }
    let foreign = rows(&influx(&server), &app.catalog, Pace::default());
    let before = peak_kib();
    let import = tokio::spawn(async move { foreign.catch_up(false).await });
    let mut slowest = Duration::ZERO;
    while !import.is_finished() {
        let asked = Instant::now();
        let catalog = Arc::clone(&app.catalog);
        let page = tokio::task::spawn_blocking(move || catalog.records(&RecordQuery::newest(100, 0)));
        page.await.unwrap().unwrap();
        slowest = slowest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    import.await.unwrap().unwrap();
    let grown = peak_kib().saturating_sub(before) / 1024;
    assert_eq!(app.catalog.stats().unwrap().total_dumps, ROWS);
    let newest = app.catalog.records(&RecordQuery::newest(1, 0)).unwrap().records.remove(0);
    assert_eq!(newest.foreign, Some(ForeignRow::Whole));
    // How long it takes is measured by `scripts/bench telemetry`, not by a test on a machine that runs others.
    assert!(grown < 128, "{grown} MiB");
    assert!(slowest < Duration::from_secs(2), "a page waited {slowest:?}");
}

#[test]
fn a_backlog_is_written_once_however_often_and_its_bad_lines_are_named() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("memdump_influx_backlog.lp");
    let backlog = "# 2025-11-14 field type conflict\n\
                   mem_dumps,dom=web-01,vmid=7 ok=true,raw_size_bytes=512i 1763110703550273000\n\
                   mem_dumps,dom=web-01\n\
                   \n\
                   mem_dumps,dom=db-01,vmid=8 ok=true,raw_size_bytes=512i 1763110704550273000\r\n\
                   mem_dumps,dom=db-01 ok=true\n\
                   mem_dumps,dom=odd sha256=1 1763110704550273000";
    std::fs::write(&file, backlog).unwrap();
    // The columns are floats and texts where others wrote first.
    let first = "mem_dumps,dom=old raw_size_bytes=1,sha256=\"ab\" 1763110700000000000";
    assert_eq!(server.write(DATABASE, first), 204);
    for _ in 0..2 {
        let output = memdeck(dir.path())
            .args(["import-backlog", "--json"])
            .arg(&file)
            .env("INFLUX_URL", server.url())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines: Vec<_> =
            report["failed"].as_array().unwrap().iter().map(|failed| failed["line"].clone()).collect();
        assert_eq!((&report["written"], lines), (&json!(2), vec![json!(3), json!(6), json!(7)]), "{report}");
    }
    let count = server.query(DATABASE, "SELECT count(raw_size_bytes) FROM mem_dumps");
    assert_eq!(count["results"][0]["series"][0]["values"][0][1], json!(3), "{count}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), backlog, "the file is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_records_do_not_come_back_from_the_store() {
    let app = TestApp::start();
    let server = server();
    let influx = influx(&server);
    let theirs = "mem_dumps,dom=old,vmid=3 ok=true,sha256=\"cd\" 1700000000000000001\n\
                  mem_dumps,vmid=4 ok=true 1700000001000000000";
    assert_eq!(server.write(DATABASE, theirs), 204);
    let (dump_id, _) = app.dumped("web-01").await;
    assert_eq!(outbox::round(&app.catalog, influx.as_ref()).await.unwrap(), Round::Empty);
    rows(&influx, &app.catalog, Pace::default()).catch_up(true).await.unwrap();
    app.images.delete(&dump_id, DeleteRequest::confirmed("web-01"), &trusted()).await.unwrap();
    let listed = || app.catalog.records(&RecordQuery::newest(10, 0)).unwrap().records;
    assert_eq!(listed().len(), 3);

    let choice = r#"{"before": "2100-01-01T00:00:00Z"}"#;
    let (_, made) = answer(&app.dashboard, post("/api/archives", choice)).await;
    assert_eq!(made["records"], 3, "{made}");
    for from_the_beginning in [false, true, true] {
        rows(&influx, &app.catalog, Pace::default()).catch_up(from_the_beginning).await.unwrap();
        assert_eq!(listed(), []);
    }
    // What is written since is no archived record.
    assert_eq!(server.write(DATABASE, "mem_dumps,dom=old,vmid=3 ok=true 1700000005000000000"), 204);
    rows(&influx, &app.catalog, Pace::default()).catch_up(true).await.unwrap();
    assert_eq!(listed().len(), 1);
}
