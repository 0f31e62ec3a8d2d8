//! Archives of records: by REST, by the command line, and after a crash.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use axum::http::StatusCode;
use memdeck_model::audit::{AuditAction, AuditResult};
use memdeck_model::{Actor, DeleteRequest};
use serde_json::{Value, json};

use crate::support::program::memdeck;
use crate::support::{TestApp, answer, get, post, trusted};

const PATH: &str = "/api/archives";

/// A service with dumps of these guests, whose images are deleted.
async fn with_deleted(guests: &[&str]) -> (TestApp, Vec<String>) {
    let app = TestApp::start();
    let mut dumps = Vec::new();
    for guest in guests {
        let (dump_id, _) = app.dumped(guest).await;
        app.clock.advance(Duration::from_secs(1));
        let request = DeleteRequest::confirmed(guest).by(Actor::named("ada"));
        app.images.delete(&dump_id, request, &trusted()).await.unwrap();
        dumps.push(dump_id);
    }
    (app, dumps)
}

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = memdeck(app.dir.path());
    command.env("STATE_DIR", app.dir.path()).args(arguments);
    command
}

fn run(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(app, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn listed(app: &TestApp, more: &[&str]) -> Value {
    let (code, stdout, stderr) = run(app, &[&["records", "--json"], more].concat());
    assert_eq!(code, Some(0), "{stderr}");
    serde_json::from_str::<Value>(&stdout).unwrap()["records"].clone()
}

fn jsonl(made: &Value) -> PathBuf {
    Path::new(made["dir"].as_str().unwrap()).join(made["jsonl"]["name"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_deleted_images_are_archived_listed_from_the_archive_and_noted() {
    let (app, dumps) = with_deleted(&["web-01", "db-01", "web-01"]).await;
    let (kept, _) = app.dumped("db-01").await;
    let before = listed(&app, &[]);
    let choice = json!({"before": "2100-01-01T00:00:00Z"}).to_string();
    let (status, preview) = answer(&app.dashboard, post("/api/archives/preview", &choice)).await;
    assert_eq!(status, StatusCode::OK, "{preview}");
    assert_eq!((&preview["records"], &preview["more"]), (&3.into(), &false.into()));
    let staying = json!([{"reason": "image_kept", "count": 1, "dumps": [kept]}]);
    assert_eq!(preview["staying"], staying);
    assert_eq!(listed(&app, &[]), before, "a preview changes nothing");
    assert!(!app.dir.path().join("archives").exists());

    let body = json!({"deleted": true, "by": "ada"}).to_string();
    let (status, made) = answer(&app.dashboard, post(PATH, &body)).await;
    assert_eq!(status, StatusCode::OK, "{made}");
    let expected = json!([3, {"deleted": true}, {"kind": "named", "name": "ada"}]);
    assert_eq!(json!([made["records"], made["choice"], made["made_by"]]), expected);
    let ids = |records: &Value| -> Vec<String> {
        records.as_array().unwrap().iter().map(|one| one["dump_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&listed(&app, &[])), [kept.as_str()]);
    let (_, list) = answer(&app.dashboard, get(PATH)).await;
    assert_eq!((&list["count"], &list["dir"]), (&1.into(), &made["dir"]));
    assert_eq!(list["archives"][0]["name"], made["name"]);
    let (status, gone) = answer(&app.dashboard, get(&format!("/api/memory-dumps/{}", dumps[0]))).await;
    assert_eq!(status, StatusCode::GONE, "{gone}");
    let told = format!("`memdeck records --archive {}.jsonl` has it", made["name"].as_str().unwrap());
    assert!(gone["detail"].as_str().unwrap().ends_with(&told), "{gone}");

    // The archive has them as they were, by the same filters and in the same forms.
    let file = jsonl(&made);
    let file = file.to_str().unwrap();
    let mut archived = ids(&before);
    archived.retain(|dump_id| *dump_id != kept);
    assert_eq!(ids(&listed(&app, &["--archive", file])), archived);
    let records = before.as_array().unwrap().iter().filter(|one| one["dump_id"] != kept.as_str());
    assert_eq!(listed(&app, &["--archive", file]), Value::Array(records.cloned().collect()));
    assert_eq!(listed(&app, &["--archive", file, "--search", "db-0"]).as_array().unwrap().len(), 1);
    let (code, csv, said) = run(&app, &["records", "--archive", file, "--csv"]);
    assert_eq!((code, csv.lines().count()), (Some(0), 4), "{said}");
    assert!(said.contains("3 records as they were archived; signature: valid, by key "), "{said}");
    let spreadsheet = std::fs::read_to_string(file.replace(".jsonl", ".csv")).unwrap();
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&spreadsheet), sorted(&csv));

    let entries = app.catalog.audit_after(0, 1000).unwrap();
    let of = entries.iter().filter(|entry| entry.action == AuditAction::RecordsArchived);
    let [begun, ended] = &of.collect::<Vec<_>>()[..] else { panic!("{entries:?}") };
    assert_eq!((begun.result, ended.result), (AuditResult::Begun, AuditResult::Succeeded));
    assert_eq!((ended.details.begun, ended.details.count), (Some(begun.seq), Some(3)));
    assert_eq!(ended.details.sha256.as_deref(), made["jsonl"]["sha256"].as_str());
    assert_eq!(ended.actor.to_string(), "ada");
    assert!(app.catalog.verify_audit(Vec::new()).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_archived_is_refused_with_the_reason_and_nothing_is_left() {
    let (app, _) = with_deleted(&[]).await;
    let asked = async |body: Value| {
        let (status, refused) = answer(&app.agent, post(PATH, &body.to_string())).await;
        (status, refused["detail"].as_str().unwrap_or_default().to_owned())
    };
    let (status, why) = asked(json!({})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.starts_with("say which records are to be archived"), "{why}");
    let (status, why) = asked(json!({"guest": "web-01", "befor": "2026-01-01T00:00:00Z"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{why}");
    let (status, why) = asked(json!({"guest": "web-01"})).await;
    assert_eq!((status, why.as_str()), (StatusCode::NOT_FOUND, "there are no records of dumps of web-01"));
    app.dumped("web-01").await;
    let (status, why) = asked(json!({"guest": "web-01"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(why.ends_with("may be archived: the image is kept: delete it first (1)"), "{why}");
    let left = std::fs::read_dir(app.dir.path().join("archives")).unwrap();
    assert_eq!(left.count(), 0);
    // A directory that is none.
    std::fs::remove_dir(app.dir.path().join("archives")).unwrap();
    std::fs::write(app.dir.path().join("archives"), "").unwrap();
    let (status, why) = asked(json!({"guest": "web-01"})).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(why.contains("cannot write") && why.contains("/archives"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_previews_archives_and_lists_without_a_service() {
    let (app, dumps) = with_deleted(&["web-01", "db-01"]).await;
    let (code, said, stderr) = run(&app, &["archive", "make", "--deleted", "--guest", "web-01", "--dry-run"]);
    assert_eq!(code, Some(0), "{stderr}");
    let expected = "1 record of dumps of web-01 whose images were deleted can be archived, from ";
    assert!(said.starts_with(expected), "{said}");
    for (arguments, why) in [
        (&["archive", "make", "--deleted"][..], "--yes archives without asking"),
        (&["archive", "make", "--yes"], "--before"),
        (&["archive", "make", "--before", "soon", "--yes"], "'soon' is no day"),
    ] {
        let (code, _, stderr) = run(&app, arguments);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    let (code, said, stderr) =
        run(&app, &["archive", "make", "--deleted", "--guest", "web-01", "--yes", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let made: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(made["records"], 1);
    let (_, list, _) = run(&app, &["archive", "list"]);
    assert!(list.contains(jsonl(&made).to_str().unwrap()), "{list}");
    assert!(app.catalog.is_pruned(&dumps[0].parse().unwrap()).unwrap());
    // Its manifest is still there, and makes no record anew.
    let (code, said, stderr) = run(&app, &["catalog", "rebuild"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(said.contains(": 0 records added, 2 were there"), "{said}");
    let (_, said, _) = run(&app, &["catalog", "check"]);
    assert!(!said.contains("no record"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_changed_is_told_line_by_line_and_is_exit_code_3() {
    let (app, _) = with_deleted(&["web-01", "db-01", "web-01"]).await;
    let body = json!({"deleted": true}).to_string();
    let made = answer(&app.dashboard, post(PATH, &body)).await.1;
    let file = jsonl(&made);
    let path = file.to_str().unwrap();
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, whole.replace("db-01", "db-09")).unwrap();
    let (code, table, said) = run(&app, &["records", "--archive", path]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is not as it was written") && said.contains("  - line 2 was changed"), "{said}");
    assert!(table.contains("db-09"), "what can be read is shown: {table}");
    let cut: Vec<_> = whole.lines().take(2).collect();
    std::fs::write(&file, cut.join("\n") + "\n").unwrap();
    let (code, _, said) = run(&app, &["records", "--archive", path]);
    assert_eq!(code, Some(3));
    assert!(said.contains("it ends after line 2: 3 records were archived"), "{said}");
    std::fs::write(&file, &whole).unwrap();

    // Anywhere else, with the public key alone; by openssl, too.
    let elsewhere = tempfile::tempdir().unwrap();
    for suffix in [".jsonl", ".csv", ".json", ".json.sig"] {
        let name = format!("{}{suffix}", made["name"].as_str().unwrap());
        std::fs::copy(file.with_file_name(&name), elsewhere.path().join(&name)).unwrap();
    }
    let copy = elsewhere.path().join(made["jsonl"]["name"].as_str().unwrap());
    let key = elsewhere.path().join("key.pem");
    let (_, pem, _) = run(&app, &["signing-key", "export"]);
    std::fs::write(&key, pem).unwrap();
    let mut records = memdeck(elsewhere.path());
    let checked = records.args(["records", "--archive"]).arg(&copy).arg("--key").arg(&key).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.success() && said.contains("signature: valid"), "{said}");
    let description = copy.with_extension("json");
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]).arg(&key);
    openssl.arg("-in").arg(&description).arg("-sigfile").arg(description.with_extension("json.sig"));
    let checked = openssl.output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let other = tempfile::tempdir().unwrap();
    let mut made = memdeck(other.path());
    made.args(["signing-key", "rotate"]).output().unwrap();
    let mut records = memdeck(other.path());
    let checked = records.args(["records", "--archive"]).arg(&copy).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(3), "{said}");
    assert!(said.contains("which is not known here"), "{said}");
}

/// Kills `memdeck archive make` where it is held.
#[cfg(feature = "failpoints")]
fn killed_at(app: &TestApp, point: &str, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut make = command(app, &["archive", "make", "--deleted", "--yes"]);
    let mut make = make.env("FAILPOINTS", format!("{point}=pause")).spawn().unwrap();
    let begun = std::time::Instant::now();
    let files = || -> Vec<String> {
        let entries = std::fs::read_dir(app.dir.path().join("archives")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    while !is_there(&files()) {
        assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it does not come to {point}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // It holds there, whatever it does until then.
    std::thread::sleep(std::time::Duration::from_millis(300));
    make.kill().unwrap();
    make.wait().unwrap();
    files()
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_records_are_removed_leaves_all_of_them() {
    let (app, _) = with_deleted(&["web-01", "db-01"]).await;
    let before = listed(&app, &[]);
    let left = killed_at(&app, "archive::written", |files| {
        files.iter().filter(|name| name.ends_with(".partial")).count() == 4
    });
    assert!(left.iter().all(|name| name.ends_with(".partial")), "{left:?}");
    assert_eq!(listed(&app, &[]), before);
    let left = killed_at(&app, "archive::sealed", |files| files.iter().any(|name| name.ends_with(".json")));
    assert_eq!(left.len(), 4, "what was cut off is gone: {left:?}");
    assert_eq!(listed(&app, &[]), before);
    let (_, list, _) = run(&app, &["archive", "list", "--json"]);
    assert!(list.contains("\"count\":0"), "no archive was made: {list}");
    let (code, said, stderr) = run(&app, &["archive", "make", "--deleted", "--yes"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        said.starts_with("archived 2 records of dumps whose images were deleted, signed by key "),
        "{said}"
    );
    assert_eq!(listed(&app, &[]), json!([]));
}
