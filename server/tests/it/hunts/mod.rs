//! Hunting patterns in the memory of dumps over HTTP.

mod page;
mod running;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use memdeck_model::DumpId;
use memdeck_model::audit::{AuditAction, AuditEntry, AuditFilter, AuditQuery, AuditResult};
use serde_json::{Value, json};

use crate::support::{TestApp, answer, delete, get, post, send, text};

/// Bytes that a simulated guest has once: they lie across the first words of its first page.
async fn needle(app: &TestApp, dump_id: &str) -> (u64, String) {
    for page in 0..16_u64 {
        let address = page * 4096;
        let path = format!("/api/memory-dumps/{dump_id}/compare/{dump_id}/pages/{address}");
        let (_, bytes) = answer(&app.dashboard, get(&path)).await;
        let digits = bytes["first"].as_str().unwrap().to_owned();
        if digits.bytes().any(|digit| digit != b'0') {
            return (address + 8, digits[16..48].to_owned());
        }
    }
    panic!("the first pages are zeroes");
}

async fn ask(app: &TestApp, hunt: Value) -> (StatusCode, Value) {
    answer(&app.dashboard, post("/api/hunts", &hunt.to_string())).await
}

/// The id of a hunt that is accepted.
async fn asked(app: &TestApp, hunt: Value) -> String {
    let (status, hunt) = ask(app, hunt).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{hunt}");
    // Where hunts are run, it may have begun before it is answered about.
    assert!(["queued", "running"].contains(&hunt["state"].as_str().unwrap()), "{hunt}");
    hunt["id"].as_str().unwrap().to_owned()
}

async fn hunt(app: &TestApp, id: &str) -> Value {
    answer(&app.dashboard, get(&format!("/api/hunts/{id}"))).await.1
}

async fn entries(app: &TestApp, action: AuditAction) -> Vec<AuditEntry> {
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    let query = AuditQuery { filter, before: None, limit: 100 };
    app.images.audit().list(query).await.unwrap().entries
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_tells_guest_dump_address_and_bytes_around_of_what_it_found() {
    let app = TestApp::start();
    let (older, newer) = (app.dumped("db-01").await.0, app.dumped("db-01").await.0);
    app.dumped("web-01").await;
    let (address, bytes) = needle(&app, &older).await;
    let patterns = ["# indicators", "", &bytes, "00112233445566778899"];
    let body = json!({"patterns": patterns, "kind": "bytes", "all": true, "by": "ada"});
    let id = asked(&app, body).await;
    let waiting = hunt(&app, &id).await;
    assert_eq!((&waiting["pattern_count"], &waiting["dump_count"]), (&2.into(), &3.into()));
    assert_eq!(waiting["requested_by"], json!({"kind": "named", "name": "ada"}));
    assert!(app.operations.hunt_round().await.unwrap());
    assert!(!app.operations.hunt_round().await.unwrap(), "no other one waits");

    let done = hunt(&app, &id).await;
    assert_eq!((&done["state"], &done["reason"]), (&"completed".into(), &Value::Null), "{done}");
    assert_eq!((&done["hits"], &done["dumps_done"]), (&2.into(), &3.into()));
    assert_eq!(done["bytes_done"], done["bytes_expected"]);
    let hits_of_patterns: Vec<_> =
        done["patterns"].as_array().unwrap().iter().map(|pattern| &pattern["hits"]).collect();
    assert_eq!(hits_of_patterns, [&json!(2), &json!(0)]);
    let searched: Vec<_> = done["dumps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|dump| dump["searched_bytes"].as_u64().unwrap())
        .collect();
    assert!(searched.contains(&0), "what is the same in two dumps is searched once: {searched:?}");

    let path = format!("/api/hunts/{id}/hits");
    let first = answer(&app.dashboard, get(&format!("{path}?limit=1"))).await.1;
    let second = answer(&app.dashboard, get(&format!("{path}?after={}", first["next"]))).await.1;
    assert_eq!((&first["next"], &second["next"]), (&1.into(), &Value::Null));
    let mut dumps = Vec::new();
    for page in [&first, &second] {
        let [hit] = &page["hits"].as_array().unwrap()[..] else { panic!("{page}") };
        assert_eq!((hit["address"].as_u64(), hit["bytes"].as_u64()), (Some(address), Some(16)));
        assert_eq!((&hit["guest"], &hit["pattern"]), (&"db-01".into(), &bytes.as_str().into()));
        let around = hit["around"].as_str().unwrap();
        let before = usize::try_from(address - hit["around_address"].as_u64().unwrap()).unwrap() * 2;
        assert_eq!(around[before..before + 32], bytes);
        dumps.push(hit["dump_id"].as_str().unwrap().to_owned());
    }
    dumps.sort();
    let mut both = [older, newer];
    both.sort();
    assert_eq!(dumps, both);
    let (status, csv) = text(&app.dashboard, get(&format!("{path}.csv"))).await;
    assert_eq!((status, csv.lines().count()), (StatusCode::OK, 3), "{csv}");
    assert!(csv.lines().nth(1).unwrap().starts_with("db-01,2025-11-14T08:58:23.550273Z,"), "{csv}");
    let listed = answer(&app.dashboard, get("/api/hunts")).await.1;
    assert_eq!((&listed["hunts"][0]["id"], &listed["hunts"][0]["hits"]), (&id.as_str().into(), &2.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_each_image_it_reads_and_each_look_at_its_hits_are_noted() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let (_, bytes) = needle(&app, &dump_id).await;
    let body = json!({"patterns": [bytes], "kind": "bytes", "dump_ids": [dump_id], "by": "ada"});
    let id = asked(&app, body).await;
    app.operations.hunt_round().await.unwrap();
    answer(&app.dashboard, get(&format!("/api/hunts/{id}"))).await;
    assert_eq!(entries(&app, AuditAction::HitsRead).await.len(), 0, "figures are no memory");
    answer(&app.dashboard, get(&format!("/api/hunts/{id}/hits"))).await;
    text(&app.dashboard, get(&format!("/api/hunts/{id}/hits.csv"))).await;

    for (action, count) in [
        (AuditAction::HuntRequested, 1),
        (AuditAction::ImageSearched, 1),
        (AuditAction::HuntEnded, 1),
        (AuditAction::HitsRead, 2),
    ] {
        let noted = entries(&app, action).await;
        assert_eq!(noted.len(), count, "{action:?}");
        assert!(noted.iter().all(|entry| entry.result == AuditResult::Succeeded), "{noted:?}");
    }
    let [searched] = &entries(&app, AuditAction::ImageSearched).await[..] else { panic!() };
    assert_eq!(searched.object.dump_id().map(DumpId::as_str), Some(dump_id.as_str()));
    assert_eq!(searched.actor.to_string(), "ada");
    assert!(searched.details.name.as_ref().unwrap().ends_with(&id), "{searched:?}");
    let csv = entries(&app, AuditAction::HitsRead).await.remove(0);
    assert_eq!((csv.details.format.as_deref(), csv.details.count), (Some("csv"), Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_hunted_is_refused_with_the_reason() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let refused = async |hunt: Value| {
        let (status, body) = ask(&app, hunt).await;
        (status.as_u16(), body["detail"].as_str().unwrap_or_default().to_owned())
    };
    let all = |patterns: Value, kind: &str| json!({"patterns": patterns, "kind": kind, "all": true});
    for (hunt, status, why) in [
        (all(json!([]), "text"), 400, "there is no pattern to look for"),
        (all(json!(["# only", "", "  "]), "text"), 400, "there is no pattern to look for"),
        (
            all(json!(["BusyBox", "", "a("]), "regex"),
            400,
            "line 3: 'a(' is no regular expression that can be used: unclosed group",
        ),
        (
            all(json!(["# hashes", "xyz"]), "bytes"),
            400,
            "line 2: 'xyz' is no string of bytes: it must be pairs of hexadecimal digits",
        ),
        (
            all(json!(["ab"]), "text"),
            400,
            "line 1: the pattern 'ab' is too short: it must have 3 bytes or more",
        ),
        (all(json!(vec!["abc"; 10_001]), "text"), 400, "a hunt takes 10000 patterns, and these are 10001"),
        (json!({"patterns": ["abc"]}), 400, "say in which images it is looked for: dump_ids, guests, or all"),
        (
            json!({"patterns": ["abc"], "all": true, "limit": 0}),
            400,
            "a hunt ends after 1 to 10000 hits, not 0",
        ),
        (json!({"patterns": ["abc"], "dump_ids": ["no-such"]}), 404, "there is no finished dump no-such"),
        (
            json!({"patterns": ["abc"], "guests": ["web-01"]}),
            404,
            "no image of web-01 is kept on this machine, where it could be searched",
        ),
    ] {
        assert_eq!(refused(hunt.clone()).await, (status, why.to_owned()), "{hunt}");
    }
    let many: Vec<_> = (0..1001).map(|n| format!("d{n}")).collect();
    let (status, why) = refused(json!({"patterns": ["abc"], "dump_ids": many})).await;
    assert_eq!((status, why.as_str()), (400, "a hunt searches 1000 images, and these are 1001: name fewer"));
    let long = "x".repeat(5000);
    let (status, why) = refused(all(json!([long]), "text")).await;
    assert!(status == 400 && why.len() < 500 && why.starts_with("line 1: the pattern 'xxx"), "{why}");
    let (status, _) = refused(json!({"patterns": ["abc"], "kind": "guess", "all": true})).await;
    assert_eq!(status, 400);
    let body = json!({"confirm": "db-01"}).to_string();
    answer(&app.dashboard, delete(&format!("/api/memory-dumps/{dump_id}"), &body)).await;
    let (status, why) = refused(json!({"patterns": ["abc"], "dump_ids": [dump_id]})).await;
    assert!(status == 410 && why.contains("was deleted"), "{why}");
    assert_eq!(answer(&app.dashboard, get("/api/hunts")).await.1, json!({"hunts": []}), "nothing waits");

    let unknown = "00000000-0000-4000-8000-000000000000";
    for (path, request) in
        [("", "get"), ("/hits", "get"), ("/hits.csv", "get"), ("/cancel", "post"), ("", "delete")]
    {
        for id in ["x", unknown] {
            let path = format!("/api/hunts/{id}{path}");
            let request = match request {
                "get" => get(&path),
                "post" => post(&path, "{}"),
                _ => delete(&path, "{}"),
            };
            let (status, body) = answer(&app.dashboard, request).await;
            let expected = json!({"detail": format!("there is no hunt {id}")});
            assert_eq!((status, body), (StatusCode::NOT_FOUND, expected), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_ends_at_its_limit_of_hits_and_says_so() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let body = json!({"patterns": ["[\\x01-\\xff]{3}"], "kind": "regex", "dump_ids": [dump_id], "limit": 5});
    let id = asked(&app, body).await;
    app.operations.hunt_round().await.unwrap();
    let done = hunt(&app, &id).await;
    assert_eq!(
        (&done["state"], &done["reason"]["kind"]),
        (&"completed".into(), &"limit_of_hits".into()),
        "{done}"
    );
    assert_eq!(done["hits"], 5);
    let hits = answer(&app.dashboard, get(&format!("/api/hunts/{id}/hits"))).await.1;
    assert_eq!(hits["hits"].as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn hunts_wait_for_their_turn_and_only_so_many_do() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let body = json!({"patterns": ["abc"], "dump_ids": [dump_id]});
    let (first, second) = (asked(&app, body.clone()).await, asked(&app, body.clone()).await);
    let path = |id: &str, what: &str| format!("/api/hunts/{id}{what}");
    let (status, refusal) = answer(&app.dashboard, delete(&path(&first, ""), "{}")).await;
    let expected = format!("hunt {first} is queued: cancel it before you remove it");
    assert_eq!((status, refusal), (StatusCode::CONFLICT, json!({"detail": expected})));

    let (status, cancelled) = answer(&app.dashboard, post(&path(&first, "/cancel"), "{}")).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::ACCEPTED, &"cancelled".into()));
    assert_eq!(cancelled["reason"], json!({"kind": "cancelled", "by": {"kind": "api"}}));
    let (status, refusal) = answer(&app.dashboard, post(&path(&first, "/cancel"), "{}")).await;
    let expected = format!("hunt {first} is cancelled: it cannot be cancelled any more");
    assert_eq!((status, refusal), (StatusCode::CONFLICT, json!({"detail": expected})));
    assert_eq!(send(&app.dashboard, delete(&path(&first, ""), "{}")).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(send(&app.dashboard, get(&path(&first, ""))).await.status(), StatusCode::NOT_FOUND);

    for _ in 1..20 {
        asked(&app, body.clone()).await;
    }
    let (status, refusal) = ask(&app, body).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    assert!(app.operations.hunt_round().await.unwrap());
    assert_eq!(hunt(&app, &second).await["state"], "completed", "the oldest that waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hunt_that_ran_when_memdeck_ended_is_interrupted_and_the_next_one_runs() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("db-01").await;
    let body = json!({"patterns": ["abc"], "dump_ids": [dump_id]});
    let (first, second) = (asked(&app, body.clone()).await, asked(&app, body).await);
    app.catalog.start_hunt(app.operations.now()).unwrap().unwrap();
    let task = tokio::spawn({
        let operations = Arc::clone(&app.operations);
        async move { operations.keep_hunts().await }
    });
    awaited(&app, &second, "completed").await;
    let first = hunt(&app, &first).await;
    assert_eq!(
        (&first["state"], &first["reason"]["kind"]),
        (&"interrupted".into(), &"service_stopped".into())
    );
    let third = asked(&app, json!({"patterns": ["abc"], "guests": ["db-01"], "newest_only": true})).await;
    awaited(&app, &third, "completed").await;
    task.abort();
}

/// Waits until a hunt is in a state.
async fn awaited(app: &TestApp, id: &str, state: &str) -> Value {
    let begun = Instant::now();
    loop {
        let now = hunt(app, id).await;
        if now["state"] == state {
            return now;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{now}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_searched_says_why_and_does_not_keep_a_hunt_from_the_others() {
    let app = TestApp::start();
    let (sound, _) = app.dumped("db-01").await;
    let (damaged, stored) = app.dumped("web-01").await;
    let (gone, _) = app.dumped("web-01").await;
    let (_, bytes) = needle(&app, &sound).await;
    let some = |ids: &[&str]| json!({"patterns": [bytes], "kind": "bytes", "dump_ids": ids});
    let both = asked(&app, some(&[&damaged, &gone, &sound])).await;
    let none = asked(&app, some(&[&gone])).await;
    let map =
        stored.with_file_name(stored.file_name().unwrap().to_str().unwrap().replace(".elf.zst", ".pages"));
    let mut content = std::fs::read(&map).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(&map, content).unwrap();
    let confirm = json!({"confirm": "web-01"}).to_string();
    answer(&app.dashboard, delete(&format!("/api/memory-dumps/{gone}"), &confirm)).await;
    while app.operations.hunt_round().await.unwrap() {}

    let both = hunt(&app, &both).await;
    assert_eq!(
        (&both["state"], &both["hits"], &both["dumps_done"]),
        (&"completed".into(), &1.into(), &3.into()),
        "{both}"
    );
    let told = |place: usize| both["dumps"][place]["problem"].as_str().unwrap_or_default();
    assert!(told(0).starts_with("it cannot be searched"), "{both}");
    assert!(!told(0).contains(stored.parent().unwrap().to_str().unwrap()), "no path leaves the host: {both}");
    assert!(told(1).contains("was deleted") && told(2).is_empty(), "{both}");
    let none = hunt(&app, &none).await;
    assert_eq!(
        (&none["state"], &none["reason"]["kind"]),
        (&"failed".into(), &"nothing_searched".into()),
        "{none}"
    );
    let results: Vec<_> =
        entries(&app, AuditAction::HuntEnded).await.iter().map(|entry| entry.result).collect();
    assert_eq!(results, [AuditResult::Failed, AuditResult::Succeeded]);
}
