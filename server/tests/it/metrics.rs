//! What Prometheus is told: figures that are right, whoever may read them, and a Grafana dashboard that names only what
//! there is.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use memdeck_influx::record_point;
use memdeck_model::telemetry::{Metric, MetricScope};
use memdeck_model::{CaptureMode, GuestName, Record, Timestamp};
use serde_json::Value;

use crate::markdown;
use crate::support::{HOST, TestApp, get, http, post, send, text};

/// The samples of a text, by name with labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let of = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
    };
    lines.map(of).collect()
}

async fn told(router: &axum::Router) -> BTreeMap<String, f64> {
    let (status, text) = text(router, get("/metrics")).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    samples(&text)
}

#[track_caller]
fn assert_is(samples: &BTreeMap<String, f64>, name: &str, value: f64) {
    let found = samples.get(name).unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    assert!((found - value).abs() < 1e-9, "{name} is {found}, not {value}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_are_told_by_how_they_ended_and_how_they_were_taken() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    send(&app.agent, post("/api/dumps", r#"{"vms": ["no-such-guest"]}"#)).await;
    app.ended(1).await;
    for router in [&app.dashboard, &app.agent] {
        let told = told(router).await;
        assert_is(&told, r#"memdeck_dumps_ended_total{state="completed",reason="completed"}"#, 1.0);
        assert_is(&told, r#"memdeck_dumps_ended_total{state="failed",reason="unknown_guest"}"#, 1.0);
        assert_is(&told, r#"memdeck_dumps_active{state="queued"}"#, 0.0);
        let stored = u32::try_from(app.catalog.stats().unwrap().total_size_bytes.0).unwrap();
        assert_is(&told, "memdeck_stored_bytes", f64::from(stored));
        assert_is(&told, r#"memdeck_records{origin="own"}"#, 1.0);
        assert_is(&told, r#"memdeck_outbox_points{state="waiting"}"#, 1.0);
        let live = r#"memdeck_dump_duration_seconds_count{mode="live"}"#;
        assert_is(&told, live, 1.0);
        assert_is(&told, "memdeck_ready", 1.0);
        assert_is(&told, r#"memdeck_host_up{host="local"}"#, 1.0);
        assert!(told["process_resident_memory_bytes"] > 1e6 && told["process_threads"] >= 2.0);
        assert!(told[r#"memdeck_volume_free_bytes{volume="state"}"#] > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_work_is_told_and_keeps_nothing_else_from_being_told() {
    let app = TestApp::start();
    app.hypervisor.set_available(false);
    std::fs::remove_dir(app.dir.path().join("dumps")).unwrap();
    let told = told(&app.agent).await;
    assert_is(&told, "memdeck_ready", 0.0);
    assert_is(&told, r#"memdeck_check_ok{check="hypervisor"}"#, 0.0);
    assert_is(&told, r#"memdeck_check_ok{check="dump_dir"}"#, 0.0);
    assert_is(&told, r#"memdeck_check_ok{check="catalog"}"#, 1.0);
    assert_is(&told, r#"memdeck_scrape_part_ok{part="catalog"}"#, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_not_by_address() {
    let app = TestApp::start();
    for number in 0..3 {
        send(&app.dashboard, get(&format!("/api/memory-dumps/status/no-such-{number}"))).await;
        send(&app.dashboard, get(&format!("/made-up-{number}.js"))).await;
    }
    let told = told(&app.dashboard).await;
    let route = r#"route="/api/memory-dumps/status/{vm}""#;
    assert_is(&told, &format!(r#"memdeck_http_requests_total{{{route},method="GET",status="404"}}"#), 3.0);
    assert_is(&told, &format!("memdeck_http_request_duration_seconds_count{{{route}}}"), 3.0);
    assert_is(&told, r#"memdeck_http_requests_total{route="other",method="GET",status="404"}"#, 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_a_token_of_their_own_that_opens_nothing_else() {
    const OPERATORS: &str = "a token of some length";
    const PROMETHEUS: &str = "a token of prometheus";
    let app =
        TestApp::start_with(http(&[("MEMDECK_TOKEN", OPERATORS), ("METRICS_TOKEN", PROMETHEUS)]).unwrap());
    let status = async |router, path: &str, token: Option<&str>| {
        let mut request = Request::get(path).header("host", HOST);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        send(router, request.body(Body::empty()).unwrap()).await.status()
    };
    for (router, call) in [(&app.dashboard, "/api/memory-dumps/records"), (&app.agent, "/api/dumps")] {
        assert_eq!(status(router, "/metrics", None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(router, "/metrics", Some("another token")).await, StatusCode::UNAUTHORIZED);
        for token in [OPERATORS, PROMETHEUS] {
            assert_eq!(status(router, "/metrics", Some(token)).await, StatusCode::OK);
        }
        assert_eq!(status(router, call, Some(PROMETHEUS)).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(router, call, Some(OPERATORS)).await, StatusCode::OK);
    }
}

#[test]
fn a_token_of_metrics_is_long_enough_and_not_that_of_operators() {
    let refused = |variables: &[(&str, &str)]| http(variables).unwrap_err().to_string();
    assert!(refused(&[("METRICS_TOKEN", "short")]).contains("METRICS_TOKEN"));
    let same = "a token of some length";
    assert!(refused(&[("MEMDECK_TOKEN", same), ("METRICS_TOKEN", same)]).contains("MEMDECK_TOKEN"));
    assert!(http(&[("METRICS_TOKEN", same)]).is_ok());
}

/// Every name that a query of Prometheus can find.
async fn known_metrics() -> BTreeSet<String> {
    let (app, _measured) = TestApp::measuring(1).await;
    let (_, text) = text(&app.dashboard, get("/metrics")).await;
    let mut names = BTreeSet::from(["up".to_owned()]);
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        match kind {
            "histogram" => names.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"))),
            _ => drop(names.insert(name.to_owned())),
        }
    }
    names
}

/// The columns of each measurement of InfluxDB that memdeck writes.
fn known_columns() -> BTreeMap<&'static str, BTreeSet<String>> {
    let record = Record {
        mode: Some(CaptureMode::Live),
        duration_sec: Some(1.0),
        raw_size_bytes: Some(memdeck_model::ByteCount(1)),
        gzip_size_bytes: Some(memdeck_model::ByteCount(1)),
        sha256: Some("ab".to_owned()),
        ..Record::unknown(GuestName("web-01".into()), "7".to_owned(), Timestamp::from_unix_micros(0).unwrap())
    };
    let point = record_point(&record).unwrap();
    let fields = point.fields.iter().map(|(name, _)| *name);
    let of_dumps = fields.chain(point.tags.iter().map(|(name, _)| *name)).map(str::to_owned).collect();
    let of = |scopes: &[MetricScope], tags: &[&str]| {
        let fields =
            scopes.iter().flat_map(|scope| Metric::of(*scope)).map(|metric| metric.field().to_owned());
        fields.chain(tags.iter().map(|tag| (*tag).to_owned())).collect()
    };
    [
        (point.measurement, of_dumps),
        ("vm_totals", of(&[MetricScope::Guest], &["VMID", "name", "uuid"])),
        (
            "vm_devices",
            of(&[MetricScope::Nic, MetricScope::Disk], &["VMID", "name", "uuid", "devtype", "device"]),
        ),
    ]
    .into()
}

/// The words of a query that begin like a metric of ours, and `up`.
fn metrics_in(query: &str) -> Vec<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("memdeck_") || word.starts_with("process_") || *word == "up")
        .collect()
}

/// What stands between double quotes in a query.
fn quoted(query: &str) -> Vec<&str> {
    query.split('"').skip(1).step_by(2).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grafana_dashboard_names_only_what_there_is() {
    let dashboard: Value = serde_json::from_str(&markdown::read("docs/grafana/memdeck.json")).unwrap();
    let (metrics, columns) = (known_metrics().await, known_columns());
    let (mut asked_of_prometheus, mut asked_of_influx) = (0, 0);
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            if let Some(query) = target["expr"].as_str() {
                let named = metrics_in(query);
                assert!(!named.is_empty(), "{title}: {query}");
                for name in named {
                    assert!(metrics.contains(name), "{title} asks for {name}, which memdeck does not tell");
                }
                asked_of_prometheus += 1;
            } else {
                let query = target["query"].as_str().unwrap_or_else(|| panic!("{title} has no query"));
                let named = quoted(query);
                let measurement = named.iter().find_map(|name| columns.get_key_value(name));
                let (measurement, known) = measurement.unwrap_or_else(|| panic!("{title}: {query}"));
                for name in named.iter().filter(|name| *name != measurement) {
                    assert!(known.contains(*name), "{title} asks for {name} of {measurement}");
                }
                asked_of_influx += 1;
            }
        }
    }
    assert!(asked_of_prometheus > 10 && asked_of_influx > 3, "{asked_of_prometheus} {asked_of_influx}");
}

#[test]
fn names_are_found_in_queries() {
    assert_eq!(
        metrics_in(
            "histogram_quantile(0.95, sum by (le) (rate(memdeck_dump_pause_seconds_bucket[$__range])))"
        ),
        ["memdeck_dump_pause_seconds_bucket"]
    );
    assert_eq!(quoted(r#"SELECT max("pause") FROM "mem_dumps" WHERE $timeFilter"#), ["pause", "mem_dumps"]);
}
