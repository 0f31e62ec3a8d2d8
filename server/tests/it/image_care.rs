//! Verifying and deleting stored images.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use memdeck_catalog::Catalog;
use memdeck_model::{Actor, Deletion, Event, ProblemKind, Verdict, Verification, VerificationState};
use memdeck_operations::{Caller, ImageHost as _, Images};
use serde_json::{Value, json};

use crate::support::{self, TestApp, answer, delete, get, post, send, trusted};

/// Verifies, and gives what is told in the end.
pub async fn verified(router: &Router, dump_id: &str) -> Value {
    let path = format!("/api/memory-dumps/{dump_id}/verify");
    let (status, begun) = answer(router, post(&path, "{}")).await;
    assert_eq!((status, &begun["state"]), (StatusCode::ACCEPTED, &"running".into()), "{begun}");
    let asked = Instant::now();
    loop {
        let now = answer(router, get(&path)).await.1;
        if now["state"] != "running" {
            return now;
        }
        assert!(asked.elapsed() < Duration::from_mins(1), "{now}");
        tokio::task::yield_now().await;
    }
}

fn files(stored: &Path) -> usize {
    std::fs::read_dir(stored.parent().unwrap()).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_verified_in_the_background_and_the_verdict_is_kept() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let path = format!("/api/memory-dumps/{dump_id}/verify");
    let none = answer(&app.dashboard, get(&path)).await.1;
    assert_eq!((&none["state"], &none["dump_id"]), (&"none".into(), &dump_id.as_str().into()));

    let intact = verified(&app.dashboard, &dump_id).await;
    assert_eq!(
        (&intact["state"], &intact["verdict"], &intact["findings"]),
        (&"finished".into(), &"intact".into(), &json!([]))
    );
    assert_eq!(intact["bytes_done"], intact["bytes_expected"]);
    assert_eq!(intact["finished_at"], "2025-11-14T08:58:23.550273Z");
    assert_eq!(intact["report"]["manifest"]["dump_id"], dump_id.as_str());
    assert_eq!(answer(&app.agent, get(&path)).await.1, intact, "who asks later is told the same");

    let mut bytes = std::fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&stored, bytes).unwrap();
    let damaged = verified(&app.agent, &dump_id).await;
    assert_eq!((&damaged["state"], &damaged["verdict"]), (&"finished".into(), &"damaged".into()));
    assert!(damaged["findings"][0].as_str().unwrap().contains("is damaged"), "{damaged}");

    std::fs::remove_file(&stored).unwrap();
    let failed = verified(&app.dashboard, &dump_id).await;
    assert_eq!((&failed["state"], &failed["verdict"]), (&"failed".into(), &Value::Null));
    assert!(failed["error"].as_str().unwrap().contains("is no longer where it was stored"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_deleted_with_its_files_and_the_record_says_so() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let (other, _) = app.dumped("db-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    let mut changed = app.stored.subscribe();
    for (body, sentence) in [
        (r#"{"confirm": "db-01"}"#, "confirm it with the name of its guest"),
        (r#"{"confirm": ""}"#, "confirm it with the name of its guest"),
        ("{}", "the body is not what this call takes"),
    ] {
        let (status, answer) = answer(&app.dashboard, delete(&path, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer["detail"].as_str().unwrap().contains(sentence), "{answer}");
    }
    assert_eq!(files(&stored), 12);

    app.clock.advance(Duration::from_mins(1));
    let (status, record) = answer(&app.dashboard, delete(&path, r#"{"confirm": "web-01"}"#)).await;
    assert_eq!((status, &record["deleted_by"]), (StatusCode::OK, &json!({"kind": "api"})));
    assert_eq!(record["deleted_at"], "2025-11-14T08:59:23.550273Z");
    assert_eq!(files(&stored), 8, "those of the other dump, and the manifest with its signature");
    let Event::Record(told) = changed.recv().await.unwrap() else { panic!("another event") };
    assert_eq!(serde_json::to_value(told).unwrap(), record);

    let page = answer(&app.dashboard, get("/api/memory-dumps/records")).await.1;
    let of =
        |id: &str| page["records"].as_array().unwrap().iter().find(|known| known["dump_id"] == id).unwrap();
    assert_eq!((of(&dump_id), of(&other).get("deleted_at")), (&record, None));
    assert_eq!(answer(&app.dashboard, get(&path)).await, (StatusCode::OK, record));
    let (status, manifest) = answer(&app.dashboard, get(&format!("{path}/manifest"))).await;
    assert_eq!((status, &manifest["dump_id"]), (StatusCode::OK, &dump_id.as_str().into()));
    let facts = app.images.facts(&dump_id, &trusted()).await.unwrap();
    assert!(facts.manifest().is_some(), "the details still show it");
    for what in ["image", "inspect", "verify"] {
        let (status, answer) = answer(&app.dashboard, get(&format!("{path}/{what}"))).await;
        assert_eq!(status, StatusCode::GONE, "{what}");
        let sentence = format!(
            "the image of dump {dump_id} of web-01 was deleted at 2025-11-14T08:59:23.550273Z by a call to the API"
        );
        assert_eq!(answer["detail"], sentence);
    }
    let (status, _) = answer(&app.agent, delete(&path, r#"{"confirm": "web-01"}"#)).await;
    assert_eq!(status, StatusCode::GONE);

    // The page looks each few seconds: that the image went in between is no failure of anybody.
    let asked =
        |begin: bool| post("/api/ui/verification", &json!({"dump_id": dump_id, "begin": begin}).to_string());
    let (status, told) = answer(&app.dashboard, asked(false)).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &"none".into()));
    assert_eq!(answer(&app.dashboard, asked(true)).await.0, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_says_for_whom_it_was_asked() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    let by = |by: &str| json!({"confirm": "web-01", "by": by}).to_string();
    assert_eq!(answer(&app.dashboard, delete(&path, &by("\u{1}"))).await.0, StatusCode::BAD_REQUEST);
    let (_, record) = answer(&app.dashboard, delete(&path, &by("the night\nshift"))).await;
    assert_eq!(record["deleted_by"], json!({"kind": "named", "name": "the night shift"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_is_told_when_it_begins_and_when_it_ends() {
    let app = TestApp::start();
    let (dump_id, _) = app.dumped("web-01").await;
    let mut changed = app.stored.subscribe();
    let intact = verified(&app.dashboard, &dump_id).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|told: &Verification| told.state != VerificationState::Finished) {
        let Event::Verification(next) = changed.recv().await.unwrap() else { panic!("another event") };
        told.push(*next);
    }
    assert_eq!(told[0].state, VerificationState::Running);
    let last = told.last().unwrap();
    assert_eq!((last.verdict, &last.report), (Some(Verdict::Intact), &None), "without the whole report");
    assert_eq!(app.images.verifications(), std::slice::from_ref(last));
    assert!(!intact["report"].is_null(), "whoever asks for it gets it");

    answer(&app.dashboard, delete(&format!("/api/memory-dumps/{dump_id}"), r#"{"confirm": "web-01"}"#)).await;
    assert_eq!(app.images.verifications(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_all_that_image_and_manifest_tell() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let inspection = app.images.inspect(&dump_id, &trusted()).await.unwrap();
    let facts = app.images.facts(&dump_id, &trusted()).await.unwrap();
    assert_eq!(
        serde_json::to_value(facts.inspection().unwrap()).unwrap(),
        serde_json::to_value(&inspection).unwrap()
    );
    assert!(facts.manifest().is_some() && facts.problem().is_none());

    std::fs::remove_file(&stored).unwrap();
    let left = app.images.facts(&dump_id, &trusted()).await.unwrap();
    assert_eq!(left.manifest(), facts.manifest(), "the manifest is there still");
    assert!(left.problem().unwrap().to_string().contains("is no longer where it was stored"));
    std::fs::remove_file(stored.with_file_name(companion(&stored))).unwrap();
    let gone = app.images.facts(&dump_id, &trusted()).await.unwrap_err();
    assert_eq!(gone.kind, ProblemKind::Gone);
}

/// The name of the manifest beside an image.
fn companion(stored: &Path) -> String {
    stored.file_name().unwrap().to_str().unwrap().replace(".elf.zst", ".json")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_being_downloaded_is_not_deleted() {
    let app = TestApp::start();
    drop(app.hypervisor.add_guest("mail-01", memdeck_model::ByteCount::from_mib(16)));
    let (dump_id, stored) = app.dumped("mail-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    let open = send(&app.dashboard, get(&format!("{path}/image"))).await;
    let (status, refused) = answer(&app.dashboard, delete(&path, r#"{"confirm": "mail-01"}"#)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(refused["detail"].as_str().unwrap().contains("is being downloaded"), "{refused}");
    assert_eq!(files(&stored), 6);
    drop(open);
    let asked = Instant::now();
    while answer(&app.dashboard, delete(&path, r#"{"confirm": "mail-01"}"#)).await.0 != StatusCode::OK {
        assert!(
            asked.elapsed() < Duration::from_mins(1),
            "a download that was given up still holds the image"
        );
    }
    assert_eq!(files(&stored), 2, "the manifest and its signature stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_cut_off_is_finished_by_the_next_start() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let (kept, _) = app.dumped("db-01").await;
    // memdeck died between the mark and the files.
    let asked = Deletion {
        dump_id: dump_id.parse().unwrap(),
        deleted_at: "2025-11-14T09:00:00Z".parse().unwrap(),
        deleted_by: Actor::Api,
    };
    app.catalog.mark_deleted(&asked).unwrap();
    let (status, _) = answer(&app.dashboard, get(&format!("/api/memory-dumps/{dump_id}/image"))).await;
    assert_eq!(status, StatusCode::GONE, "what is marked is not given out, although it is there");
    assert_eq!(files(&stored), 12);

    support::stored(&app.catalog, &app.clock).finish_deletions();
    assert_eq!(files(&stored), 8);
    assert!(app.catalog.unsettled_deletions().unwrap().is_empty());
    let (status, _) = answer(&app.dashboard, get(&format!("/api/memory-dumps/{kept}/manifest"))).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_files_stay_can_be_asked_for_again() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let path = format!("/api/memory-dumps/{dump_id}");
    // A directory that others may write to is not trusted with removals.
    let dir = stored.parent().unwrap();
    let open_to_all =
        |mode| std::fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    open_to_all(0o777);
    let (status, refused) = answer(&app.dashboard, delete(&path, r#"{"confirm": "web-01"}"#)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(refused["detail"].as_str().unwrap().contains("not all of its files can be removed"), "{refused}");
    open_to_all(0o700);
    assert_eq!(answer(&app.dashboard, delete(&path, r#"{"confirm": "web-01"}"#)).await.0, StatusCode::OK);
    assert_eq!(files(&stored), 2, "the manifest and its signature stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_image_is_not_looked_for_on_this_host() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let record = app.catalog.record_of(&dump_id.parse().unwrap()).unwrap().unwrap();
    let state = tempfile::tempdir().unwrap();
    let catalog = Arc::new(Catalog::open(state.path()).unwrap());
    catalog.import("http://hv2:5001#c", &[(1, record)]).unwrap();
    let images = Images::new(
        Arc::clone(&catalog),
        support::audit(&catalog),
        support::stored(&catalog, &app.clock),
        None,
    );
    let problem = images.inspect(&dump_id, &trusted()).await.unwrap_err();
    assert!(problem.to_string().contains("with the dump service that took it"), "{problem}");
    let request = memdeck_model::DeleteRequest::confirmed("web-01");
    assert!(images.delete(&dump_id, request, &Caller::trusted(Actor::Api)).await.is_err());
    assert_eq!(files(&stored), 6);
}

/// The six files of an image.
fn six(stored: &Path) -> [std::path::PathBuf; 6] {
    ["elf.zst", "json", "json.sig", "sha256", "pages", "blake3"].map(|suffix| {
        let name = stored.file_name().unwrap().to_str().unwrap().replace("elf.zst", suffix);
        stored.with_file_name(name)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_was_exchanged_for_another_dumps_is_found_and_not_handed_out() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let (other, exchanged) = app.dumped("db-01").await;
    for (to, from) in six(&stored).into_iter().zip(six(&exchanged)) {
        std::fs::copy(from, to).unwrap();
    }
    for edited in [false, true] {
        if edited {
            let manifest = stored.with_file_name(companion(&stored));
            let text = std::fs::read_to_string(&manifest).unwrap();
            std::fs::write(&manifest, text.replace(&other, &dump_id).replace("db-01", "web-01")).unwrap();
        }
        let found = verified(&app.dashboard, &dump_id).await;
        assert_eq!(found["verdict"], "damaged", "{found}");
        assert_eq!(found["report"]["record"], "differs");
        let sentences = found["findings"].to_string();
        assert!(sentences.contains("the manifest was changed or exchanged"), "{sentences}");
        assert!(sentences.contains("but the catalog's record says"), "{sentences}");
        let path = format!("/api/memory-dumps/{dump_id}");
        for what in ["image?format=elf", "image?format=raw", "image?format=stored", "inspect", "manifest"] {
            let (status, refused) = answer(&app.dashboard, get(&format!("{path}/{what}"))).await;
            assert_eq!(status, StatusCode::CONFLICT, "{what}");
            let detail = refused["detail"].as_str().unwrap();
            assert!(
                detail.contains("is not the one that was recorded: it was changed or exchanged"),
                "{detail}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_pause_in_the_manifest_is_found_and_the_page_does_not_show_it() {
    let app = TestApp::start();
    let (dump_id, stored) = app.dumped("web-01").await;
    let record = app.images.record(&dump_id, &trusted()).await.unwrap();
    let manifest = stored.with_file_name(companion(&stored));
    let text = std::fs::read(&manifest).unwrap();
    assert_eq!(record.manifest_sha256, Some(memdeck_image::sha256_hex(&text)));
    let mut edited: Value = serde_json::from_slice(&text).unwrap();
    edited["pause_ms"] = 0.into();
    edited["requested_by"] = "nobody".into();
    std::fs::write(&manifest, serde_json::to_vec_pretty(&edited).unwrap()).unwrap();
    let found = verified(&app.agent, &dump_id).await;
    assert_eq!((&found["verdict"], &found["report"]["record"]), (&"damaged".into(), &"differs".into()));
    let problem = app.images.facts(&dump_id, &trusted()).await.unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Conflict, "{problem}");
}
