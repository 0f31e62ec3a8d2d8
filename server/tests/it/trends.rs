//! What became of dumps over time, over REST and for the page.

use axum::http::StatusCode;
use memdeck_model::{ByteCount, CaptureMode, GuestName, Millis, Record, Timestamp};
use serde_json::{Value, json};

use crate::support::{TestApp, answer, get, post};

fn record(n: i64, record: Record) -> Record {
    let at = Timestamp::from_unix_micros((1_763_078_400 + n * 3_600) * 1_000_000).unwrap();
    Record {
        dump_id: Some(format!("d{n}").parse().unwrap()),
        host: Some("simulated".to_owned()),
        duration_sec: Some(1.5),
        ..Record { timestamp: at, ..record }
    }
}

fn unknown(name: &str) -> Record {
    Record::unknown(GuestName(name.to_owned()), "7".to_owned(), Timestamp::from_unix_micros(0).unwrap())
}

/// Four dumps, the first at 2025-11-14T00:00:00Z.
fn store(app: &TestApp) {
    let image = |mode, pause, bytes| Record {
        mode: Some(mode),
        pause_ms: Some(Millis(pause)),
        gzip_size_bytes: Some(ByteCount(bytes)),
        ..unknown("web-01")
    };
    let records = [
        (1, record(0, image(CaptureMode::Live, 40, 1_000))),
        (2, record(1, image(CaptureMode::Frozen, 700, 500))),
        (3, record(30, Record { gzip_size_bytes: Some(ByteCount(70)), ..unknown("db-01") })),
        (4, record(31, Record { ok: false, ..unknown("db-01") })),
    ];
    app.catalog.import("http://hv2:5001", &records).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trends_are_told_by_the_day() {
    let app = TestApp::start();
    store(&app);
    let (status, mut told) =
        answer(&app.dashboard, get("/api/memory-dumps/trends?from=2025-11-13&to=2025-11-15")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    // What is free on this machine is not the same from one call to the next.
    let volumes = told["volumes"].take();
    assert!(volumes[0]["free_bytes"].as_u64().is_some_and(|free| free > 0), "{volumes}");
    assert_eq!((&volumes[0]["outlook"], &volumes[0]["dumps"]), (&json!("too_few_dumps"), &json!(3)));
    let step = |day: u32, completed: u64, failed: u64, stored: u64| {
        json!({
            "at": format!("2025-11-{day}T00:00:00.000000Z"),
            "completed": completed,
            "failed": failed,
            "cancelled": 0,
            "stored_bytes": stored,
        })
    };
    let pauses = |middle: u64, longest: u64, from: u64, to: u64| {
        let bins = json!([{"from_ms": from, "to_ms": to, "count": 1}]);
        json!({"count": 1, "median_ms": middle, "p95_ms": middle, "max_ms": longest, "bins": bins})
    };
    let expected = json!({
        "from": "2025-11-13T00:00:00.000000Z",
        "to": "2025-11-16T00:00:00.000000Z",
        "step_days": 1,
        "steps": [step(13, 0, 0, 0), step(14, 2, 0, 1_500), step(15, 1, 1, 1_570)],
        "guests": [
            {"dom": "web-01", "host": "simulated", "stored_bytes": [0, 1_500, 1_500]},
            {"dom": "db-01", "host": "simulated", "stored_bytes": [0, 0, 70]},
        ],
        "pauses": [
            {"mode": "live", "pauses": pauses(40, 40, 20, 50)},
            {"mode": "frozen", "pauses": pauses(695, 700, 500, 1_000)},
        ],
        "durations": {
            "count": 3,
            "median_ms": 1_487,
            "p95_ms": 1_487,
            "max_ms": 1_500,
            "bins": [{"from_ms": 1_000, "to_ms": 2_000, "count": 3}],
        },
        "volumes": null,
    });
    assert_eq!(told, expected);

    let range = json!({"range": {"from": "2025-11-13T00:00:00Z", "to": "2025-11-16T00:00:00Z"}});
    let (status, mut page) = answer(&app.dashboard, post("/api/ui/trends", &range.to_string())).await;
    page["volumes"].take();
    assert_eq!((status, page), (StatusCode::OK, told));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_thirty_days_are_told_where_nothing_is_said() {
    let app = TestApp::start();
    let (status, told) = answer(&app.dashboard, get("/api/memory-dumps/trends?from=&to=")).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!((&told["step_days"], told["steps"].as_array().unwrap().len()), (&json!(1), 30));
    let none = json!({"count": 0, "median_ms": null, "p95_ms": null, "max_ms": null, "bins": []});
    assert_eq!((&told["durations"], &told["pauses"], &told["guests"]), (&none, &json!([]), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_means_nothing_is_400_with_a_sentence() {
    let app = TestApp::start();
    for (query, sentence) in [
        (
            "from=yesterday",
            "from: a time is written 2025-11-14T08:58:23Z, or 2025-11-14 for a whole day in UTC",
        ),
        ("from=2026-01-02&to=2026-01-01", "`from` must be before `to`"),
        ("from=1900-01-01&to=2026-01-01", "the range is longer than 33580 days; ask for less"),
    ] {
        let (status, told) = answer(&app.dashboard, get(&format!("/api/memory-dumps/trends?{query}"))).await;
        assert_eq!((status, &told["detail"]), (StatusCode::BAD_REQUEST, &Value::from(sentence)), "{query}");
    }
}
