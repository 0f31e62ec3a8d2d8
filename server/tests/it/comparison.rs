//! Comparing dumps over HTTP.

use std::fmt::Write as _;

use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use memdeck_model::audit::{AuditAction, AuditEntry, AuditFilter, AuditQuery, AuditResult};
use serde_json::Value;

use crate::support::{TestApp, answer, get, send};

/// Two dumps of a guest whose memory is the same.
async fn two_dumps(app: &TestApp) -> (String, String) {
    (app.dumped("db-01").await.0, app.dumped("db-01").await.0)
}

/// The readings of pages, the newest first.
async fn noted(app: &TestApp) -> Vec<AuditEntry> {
    let query = AuditQuery { filter: AuditFilter::default(), before: None, limit: 100 };
    let entries = app.images.audit().list(query).await.unwrap().entries;
    entries.into_iter().filter(|entry| entry.action == AuditAction::PageRead).collect()
}

fn path(first: &str, second: &str, what: &str) -> String {
    format!("/api/memory-dumps/{first}/compare/{second}{what}")
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_map_and_bytes_tell_of_the_same_pages() {
    let app = TestApp::start();
    let (first, second) = two_dumps(&app).await;
    let (status, figures) = answer(&app.dashboard, get(&path(&first, &second, ""))).await;
    assert_eq!(status, StatusCode::OK, "{figures}");
    assert_eq!(
        (figures["first"]["dump_id"].as_str(), figures["second"]["dump_id"].as_str()),
        (Some(&*first), Some(&*second))
    );
    let compared = figures["pages"]["compared"].as_u64().unwrap();
    assert!(compared > 0);
    assert_eq!(figures["pages"]["unchanged"].as_u64(), Some(compared), "the simulated guest does not change");
    let map = answer(&app.dashboard, get(&path(&first, &second, "/map?cells=16384"))).await.1;
    let pages: u64 =
        map["parts"].as_array().unwrap().iter().map(|part| part["pages"].as_u64().unwrap()).sum();
    assert_eq!(pages, compared);
    let address = map["parts"][0]["address"].as_u64().unwrap();
    let (status, bytes) =
        answer(&app.dashboard, get(&path(&first, &second, &format!("/pages/{address:#x}")))).await;
    assert_eq!(status, StatusCode::OK, "{bytes}");
    assert_eq!(bytes["first"].as_str().unwrap().len(), 8192);
    assert_eq!(bytes["first"], bytes["second"]);
    assert_eq!(bytes["address"].as_u64(), Some(address));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_memory_is_drawn_page_by_page() {
    let app = TestApp::start();
    let (first, second) = two_dumps(&app).await;
    let all = answer(&app.dashboard, get(&path(&first, &second, "/map?cells=1"))).await.1;
    let address = all["parts"][0]["address"].as_u64().unwrap();
    let query = format!("/map?from={address:#x}&until={}&cells=64", address + 8 * 4096);
    let part = answer(&app.dashboard, get(&path(&first, &second, &query))).await.1;
    assert_eq!(
        (part["cell_pages"].as_u64(), part["changed"].as_array().unwrap().len()),
        (Some(1), 8),
        "{part}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_noted_for_both_dumps_and_figures_for_none() {
    let app = TestApp::start();
    let (first, second) = two_dumps(&app).await;
    answer(&app.dashboard, get(&path(&first, &second, ""))).await;
    answer(&app.dashboard, get(&path(&first, &second, "/map"))).await;
    assert_eq!(noted(&app).await, []);
    let map = answer(&app.dashboard, get(&path(&first, &second, "/map?cells=1"))).await.1;
    let address = map["parts"][0]["address"].as_u64().unwrap();
    answer(&app.dashboard, get(&path(&first, &second, &format!("/pages/{address}")))).await;
    let entries = noted(&app).await;
    let of = |dump: &str, result| {
        entries
            .iter()
            .filter(|entry| {
                entry.result == result && entry.object.dump_id().is_some_and(|id| id.as_str() == dump)
            })
            .count()
    };
    for dump in [&first, &second] {
        assert_eq!((of(dump, AuditResult::Begun), of(dump, AuditResult::Succeeded)), (1, 1), "{entries:?}");
    }
    let part = entries[0].details.part.unwrap();
    assert_eq!((part.start, part.end), (address, address + 4096));
}

/// Status, headers and bytes of an answer.
async fn file(app: &TestApp, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let (head, body) = send(&app.dashboard, get(path)).await.into_parts();
    (head.status, head.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_differ_are_sent_as_a_list_or_with_their_bytes_and_noted_for_both() {
    let app = TestApp::start();
    // The other guest has other memory.
    let (first, second) = (app.dumped("db-01").await.0, app.dumped("web-01").await.0);
    let figures = answer(&app.dashboard, get(&path(&first, &second, ""))).await.1;
    let pages = &figures["pages"];
    let different = pages["compared"].as_u64().unwrap() - pages["unchanged"].as_u64().unwrap();
    assert!(different > 3);
    let before = noted(&app).await.len();
    let (status, headers, list) = file(&app, &path(&first, &second, "/pages")).await;
    assert_eq!((status, headers.get("x-memdeck-next")), (StatusCode::OK, None));
    assert_eq!(headers["content-disposition"], "attachment; filename=\"memdeck-changed.csv\"");
    let list = String::from_utf8(list).unwrap();
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines[0], "address,fate,from,to,from_entropy_bits,to_entropy_bits");
    assert_eq!(lines.len() as u64, different + 1);
    let entries = noted(&app).await;
    let new: Vec<_> = entries.iter().take(entries.len() - before).collect();
    let ends = new.iter().filter(|entry| entry.result == AuditResult::Succeeded);
    let ends: Vec<_> = ends.map(|entry| (entry.details.format.as_deref(), entry.details.count)).collect();
    assert_eq!(ends, [(Some("changed pages, csv"), Some(different)); 2], "{new:?}");
    let begun = new.iter().filter(|entry| entry.result == AuditResult::Begun);
    assert!(begun.clone().all(|entry| entry.details.format.as_deref() == Some("changed pages, csv")));
    assert_eq!(begun.count(), 2);

    // Two, and where the others are.
    let (_, headers, lime) = file(&app, &path(&first, &second, "/pages?format=lime&limit=2")).await;
    let address = |line: &str| line.split(',').next().unwrap().to_owned();
    assert_eq!(headers["x-memdeck-next"].to_str().unwrap(), address(lines[3]));
    let at = address(lines[1]);
    let page = answer(&app.dashboard, get(&path(&first, &second, &format!("/pages/{at}")))).await.1;
    let mut digits = String::new();
    for byte in &lime[32..32 + 4096] {
        write!(digits, "{byte:02x}").unwrap();
    }
    assert_eq!(page["second"], digits, "the bytes of the second dump");
    let (_, _, rest) =
        file(&app, &path(&first, &second, &format!("/pages?from={}", address(lines[3])))).await;
    assert_eq!(String::from_utf8(rest).unwrap().lines().nth(1), Some(lines[3]));
    let (_, _, none) = file(&app, &path(&first, &first, "/pages?format=lime")).await;
    assert_eq!(none, b"", "nothing changed");
    for (query, words) in [
        ("limit=0", "as csv at most 262144 pages are sent at once, not 0"),
        ("format=lime&limit=16385", "as lime at most 16384 pages are sent at once, not 16385"),
    ] {
        let (status, refusal) =
            answer(&app.dashboard, get(&path(&first, &second, &format!("/pages?{query}")))).await;
        assert_eq!((status, refusal["detail"].as_str()), (StatusCode::BAD_REQUEST, Some(words)));
    }
    assert_eq!(file(&app, &path(&first, &second, "/pages?format=zip")).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_is_said() {
    let app = TestApp::start();
    let (first, stored) = app.dumped("db-01").await;
    let refused = |path: String| {
        let app = &app;
        async move {
            let (status, body) = answer(&app.dashboard, get(&path)).await;
            (status, body["detail"].as_str().unwrap_or_default().to_owned())
        }
    };
    let (status, detail) = refused(path(&first, "no-such-dump", "")).await;
    assert_eq!((status, detail.as_str()), (StatusCode::NOT_FOUND, "there is no finished dump no-such-dump"));
    for address in ["0x", "-1", "zero", "0x10000000000000000"] {
        let (status, detail) = refused(path(&first, &first, &format!("/pages/{address}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{address}: {detail}");
    }
    let (status, detail) = refused(path(&first, &first, "/pages/0x1001")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{detail}");
    let (status, detail) = refused(path(&first, &first, "/pages/0xffffffffffff0000")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{detail}");
    assert_eq!(refused(path(&first, &first, "/map?cells=x")).await.0, StatusCode::BAD_REQUEST);

    let map =
        stored.with_file_name(stored.file_name().unwrap().to_str().unwrap().replace(".elf.zst", ".pages"));
    let mut bytes = std::fs::read(&map).unwrap();
    let last = bytes.len() / 2;
    bytes[last] ^= 1;
    std::fs::write(&map, &bytes).unwrap();
    let (status, detail) = refused(path(&first, &first, "")).await;
    assert_eq!(status, StatusCode::CONFLICT, "{detail}");
    assert!(detail.contains("changed or exchanged"), "{detail}");
    assert!(!detail.contains(stored.to_str().unwrap()), "no path leaves the host: {detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_views_are_bounded() {
    let app = TestApp::start();
    let (first, _) = app.dumped("db-01").await;
    for query in ["cells=4294967295", "cells=0", "from=0xffffffffffffffff", "from=5&until=4", "until=0"] {
        let (status, map) =
            answer(&app.dashboard, get(&path(&first, &first, &format!("/map?{query}")))).await;
        assert_eq!(status, StatusCode::OK, "{query}: {map}");
        assert!(map["changed"].as_array().map_or(0, Vec::len) <= 16_384);
        assert!(map["cell_pages"].as_u64().is_some_and(|pages| pages >= 1));
    }
    assert_ne!(
        answer(&app.dashboard, get(&path(&first, &first, "/map?cells=4294967296"))).await.1,
        Value::Null
    );
}
