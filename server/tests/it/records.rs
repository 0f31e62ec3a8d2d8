//! Searching, filtering, sorting and exporting records.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_model::{ByteCount, CaptureMode, GuestName, Millis, Record, Timestamp};
use serde_json::{Value, json};

use crate::support::{HOST, TestApp, answer, get, post, send, text};

fn at(second: i64) -> Timestamp {
    // 2025-11-14T00:00:00Z
    Timestamp::from_unix_micros((1_763_078_400 + second) * 1_000_000).unwrap()
}

fn record(name: &str, second: i64) -> Record {
    Record {
        dump_id: Some(format!("dump-{name}-{second}").parse().unwrap()),
        ..Record::unknown(GuestName(name.to_owned()), "7".to_owned(), at(second))
    }
}

fn store(app: &TestApp, records: impl IntoIterator<Item = Record>) {
    let numbered: Vec<(u64, Record)> = (1..).zip(records).collect();
    app.catalog.import("http://hv2:5001", &numbered).unwrap();
}

/// Three dumps of two hosts on two days, oldest first.
fn store_three(app: &TestApp) {
    store(
        app,
        [
            Record {
                host: Some("hv1".to_owned()),
                mode: Some(CaptureMode::Live),
                sha256: Some("abcd".repeat(16)),
                duration_sec: Some(3.0),
                ..record("web-01", 0)
            },
            Record {
                host: Some("hv2".to_owned()),
                mode: Some(CaptureMode::Frozen),
                note: Some("Beacons 100% of the time".parse().unwrap()),
                duration_sec: Some(1.0),
                ..record("db-01", 3_600)
            },
            Record { host: Some("hv1".to_owned()), ok: false, ..record("web-02", 86_400) },
        ],
    );
}

async fn names(app: &TestApp, query: &str) -> Vec<String> {
    let (status, page) = answer(&app.dashboard, get(&format!("/api/memory-dumps/records?{query}"))).await;
    assert_eq!(status, StatusCode::OK, "{query}: {page}");
    let names: Vec<String> = page["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["dom"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((&page["count"], &page["total"]), (&json!(names.len()), &json!(names.len())), "{query}");
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_searched_filtered_and_sorted_by_the_url() {
    let app = TestApp::start();
    store_three(&app);
    for (query, found) in [
        ("", &["web-02", "db-01", "web-01"][..]),
        ("search=WEB", &["web-02", "web-01"]),
        ("search=abc", &["web-01"]),
        ("search=100%25", &["db-01"]),
        ("search=nothing", &[]),
        ("from=2025-11-14&to=2025-11-14", &["db-01", "web-01"]),
        ("from=2025-11-14T01:00:00Z", &["web-02", "db-01"]),
        ("to=2025-11-14T02:00:00%2B01:00", &["web-01"]),
        ("state=failed", &["web-02"]),
        ("host=hv1&mode=live", &["web-01"]),
        ("sort=duration_sec", &["web-01", "db-01", "web-02"]),
        ("sort=duration_sec&order=asc", &["db-01", "web-01", "web-02"]),
        ("sort=dom", &["db-01", "web-01", "web-02"]),
        ("order=asc", &["web-01", "db-01", "web-02"]),
        // What is empty is not given, what is unknown is left alone.
        ("search=&from=&to=&state=&host=&mode=&sort=&order=&_=17", &["web-02", "db-01", "web-01"]),
    ] {
        assert_eq!(names(&app, query).await, found, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_means_nothing_is_400_with_a_sentence() {
    let app = TestApp::start();
    for (query, sentence) in [
        ("search=%00", "search: a search has 1 to 200 characters and no control characters"),
        (
            "from=yesterday",
            "from: a time is written 2025-11-14T08:58:23Z, or 2025-11-14 for a whole day in UTC",
        ),
        ("to=2025-13-01", "to: a time is written 2025-11-14T08:58:23Z, or 2025-11-14 for a whole day in UTC"),
        ("from=2025-11-15&to=2025-11-13", "the end of the time range lies before its start"),
        ("state=lost", "state: a state is complete or failed"),
        ("mode=turbid", "mode: a mode is live or frozen"),
        ("host=a%0Ab", "host: a host name has 1 to 255 bytes and no control characters"),
    ] {
        for path in ["records", "export.csv"] {
            let (status, body) =
                answer(&app.dashboard, get(&format!("/api/memory-dumps/{path}?{query}"))).await;
            assert_eq!(
                (status, &body["detail"]),
                (StatusCode::BAD_REQUEST, &json!(sentence)),
                "{path} {query}"
            );
        }
    }
    for (query, sentence) in [
        (
            "sort=note",
            "sort: records are sorted by timestamp, dom, vmid, duration_sec, sha256, dump_path, \
             gzip_size_bytes or raw_size_bytes",
        ),
        ("order=up", "order: an order is asc or desc"),
    ] {
        let (status, body) = answer(&app.dashboard, get(&format!("/api/memory-dumps/records?{query}"))).await;
        assert_eq!((status, &body["detail"]), (StatusCode::BAD_REQUEST, &json!(sentence)), "{query}");
    }
    let long = "x".repeat(201);
    let (status, _) = answer(&app.dashboard, get(&format!("/api/memory-dumps/records?search={long}"))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_asks_with_the_same_filters() {
    let app = TestApp::start();
    store_three(&app);
    let ask = async |query: Value| {
        answer(&app.dashboard, post("/api/ui/records", &json!({ "query": query }).to_string())).await
    };
    let (status, page) = ask(json!({
        "filter": {"search": "web", "from": "2025-11-14T00:00:00Z"},
        "sort": {"by": "dom", "order": "desc"},
        "limit": 1, "offset": 1,
    }))
    .await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert_eq!((&page["records"][0]["dom"], &page["total"]), (&json!("web-01"), &json!(2)));

    let (status, page) = ask(json!({"limit": 4_000_000_000_u32, "offset": 0})).await;
    assert_eq!((status, &page["limit"]), (StatusCode::OK, &json!(1000)), "one answer stays small");

    let backwards = json!({"from": "2025-11-15T00:00:00Z", "to": "2025-11-14T00:00:00Z"});
    let (status, problem) = ask(json!({"filter": backwards, "limit": 1, "offset": 0})).await;
    assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!("invalid")));
    let (_, problem) = ask(json!({"filter": {"search": ""}, "limit": 1, "offset": 0})).await;
    assert_eq!(problem["kind"], json!("invalid"));
    let sentence = problem["detail"].as_str().unwrap();
    assert!(sentence.contains("a search has 1 to 200 characters"), "{sentence}");

    let (status, hosts) = answer(&app.dashboard, post("/api/ui/record-hosts", "{}")).await;
    assert_eq!((status, hosts), (StatusCode::OK, json!(["hv1", "hv2"])));

    let (status, dumps) = answer(&app.dashboard, post("/api/ui/last-dumps", "{}")).await;
    let names: Vec<&Value> = dumps.as_array().unwrap().iter().map(|dump| &dump["dom"]).collect();
    assert_eq!(
        (status, names),
        (StatusCode::OK, vec![&json!("db-01"), &json!("web-01")]),
        "web-02 was not dumped well"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_names_its_request() {
    let app = TestApp::start();
    let body = r#"{"query": {"filter": {"from": "2025-11-15T00:00:00Z", "to": "2025-11-14T00:00:00Z"}, "limit": 1, "offset": 0}}"#;
    let response = send(&app.dashboard, post("/api/ui/records", body)).await;
    let named = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(named.len(), 12);
    let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let problem: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(problem["request_id"], json!(named));

    // A name that a caller makes up is not repeated.
    let request = Request::get("/healthz").header("host", HOST).header("x-request-id", "mine");
    let other = send(&app.dashboard, request.body(Body::empty()).unwrap()).await;
    assert!(!["mine", &named].contains(&other.headers()["x-request-id"].to_str().unwrap()));
}

const HEAD: &str = "VM ID,VM Name,Timestamp,Duration (s),SHA256 Hash,Dump Path,Size (Bytes),File CTime,File MTime,\
                    File ATime,Mode,Pause (ms),Raw Size (Bytes),Host,Case,Note,Dump ID,OK,Point In Time,Format,Codec,\
                    Encrypted,Fallback,Job Downtime (ms),Iterations,Dirty Rate (Bytes/s)\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_export_is_a_file_of_csv() {
    let app = TestApp::start();
    store(
        &app,
        [
            Record {
                sha256: Some("ab".repeat(32)),
                duration_sec: Some(1.25),
                gzip_size_bytes: Some(ByteCount(45_000_000)),
                ctime: Some(-5),
                mtime: Some(1_763_110_705),
                atime: Some(1_763_110_706),
                dump_path: Some("/dumps/Ümlaut, \"quoted\".zst".to_owned()),
                host: Some("hv1".to_owned()),
                mode: Some(CaptureMode::Live),
                pause_ms: Some(Millis(45)),
                raw_size_bytes: Some(ByteCount(537_133_056)),
                format: Some("elf".to_owned()),
                codec: Some("zstd".to_owned()),
                point_in_time: Some(at(1)),
                fallback: None,
                job_downtime_ms: Some(Millis(44)),
                iterations: Some(5),
                dirty_bytes_per_s: Some(ByteCount(104_857_600)),
                case: Some("IR-2026-17".parse().unwrap()),
                note: Some("two\nlines".parse().unwrap()),
                ..record("web-01", 0)
            },
            Record { dump_id: None, ok: false, ..record("db-01", -1) },
        ],
    );
    let response = send(&app.dashboard, get("/api/memory-dumps/export.csv")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(
        response.headers()["content-disposition"],
        r#"attachment; filename="memory-dumps-20251114T085823Z.csv""#
    );
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    let full = format!(
        "7,web-01,2025-11-14T00:00:00.000000Z,1.25,{},\"/dumps/Ümlaut, \"\"quoted\"\".zst\",45000000,-5,1763110705,\
         1763110706,live,45,537133056,hv1,IR-2026-17,\"two\nlines\",dump-web-01-0,true,2025-11-14T00:00:01.000000Z,\
         elf,zstd,false,,44,5,104857600\r\n",
        "ab".repeat(32)
    );
    // The first ten are as spreadsheets know them: an unknown number is 0.
    let sparse = "7,db-01,2025-11-13T23:59:59.000000Z,0,,,0,0,0,0,,,,,,,,false,,,,false,,,,\r\n";
    assert_eq!(String::from_utf8(bytes.to_vec()).unwrap(), format!("{HEAD}{full}{sparse}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_a_spreadsheet_would_run_is_made_harmless() {
    let app = TestApp::start();
    let beginnings = ["=1+1", "+1", "-web", "@SUM(A1)", "\tx", "\rx", "＝1", "plain=1", "'quoted"];
    let named =
        |name: &str, second: i64| Record { dom: GuestName(name.to_owned()), ..record("formula", -second) };
    store(&app, (0..).zip(beginnings).map(|(second, name)| named(name, second)));
    let (_, csv) = text(&app.dashboard, get("/api/memory-dumps/export.csv")).await;
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let cells: Vec<String> = reader.records().map(|row| row.unwrap()[1].to_owned()).collect();
    assert_eq!(cells, ["'=1+1", "'+1", "'-web", "'@SUM(A1)", "'\tx", "'\rx", "'＝1", "plain=1", "'quoted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_export_holds_every_record_that_matches_once() {
    let app = TestApp::start();
    // More than are read at a time.
    store(&app, (0..1_200).map(|number| record(if number % 3 == 0 { "web" } else { "db" }, number)));
    let rows = async |query: &str| {
        let (status, csv) = text(&app.dashboard, get(&format!("/api/memory-dumps/export.csv?{query}"))).await;
        assert_eq!(status, StatusCode::OK);
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let ids: Vec<String> = reader.records().map(|row| row.unwrap()[16].to_owned()).collect();
        let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{query}");
        ids
    };
    assert_eq!(rows("").await.len(), 1_200);
    let web = rows("search=web").await;
    assert_eq!(web.len(), 400);
    assert_eq!(web[0], "dump-web-1197", "newest first");
    assert_eq!(rows("search=nothing").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_export_has_its_head() {
    let app = TestApp::start();
    assert_eq!(
        text(&app.dashboard, get("/api/memory-dumps/export.csv")).await,
        (StatusCode::OK, HEAD.to_owned())
    );
}
