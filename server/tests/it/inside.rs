//! What is inside of guests, over HTTP: asked for, read by a process, kept beside the image, handed out.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::routing::get as route_get;
use axum::{Json, Router};
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::audit::{AuditAction, AuditFilter, AuditQuery, AuditResult};
use memdeck_model::{Actor, Event};
use memdeck_operations::{Caller, Images};
use rustix::fs::{CWD, Mode};
use serde_json::{Value, json};

use crate::image_care::verified;
use crate::support::front::{Front, Listening, is_record};
use crate::support::{self, TestApp, answer, delete, get, post};

const PATIENCE: Duration = Duration::from_mins(1);
/// Images that may wait while one is read.
const MOST_WAITING: usize = 16;

fn path(dump_id: &str) -> String {
    format!("/api/memory-dumps/{dump_id}/inside")
}

/// A memdeck whose images are read by a process that answers what a test says, when it says it.
pub fn told_by_the_test() -> TestApp {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/read-inside");
    TestApp::reading_by(reader)
}

/// The process that reads one image.
pub struct Reader(PathBuf);

impl Reader {
    /// To be made before the image is to be read.
    pub fn of(image: &Path) -> Self {
        let pipe = PathBuf::from(format!("{}.answer", image.display()));
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        Self(pipe)
    }

    /// Waits until the image is being read, and says what comes of it.
    pub async fn answers(self, answer: Value) {
        let write = move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(&self.0).unwrap();
            pipe.write_all(answer.to_string().as_bytes()).unwrap();
            drop(pipe);
            std::fs::remove_file(&self.0).unwrap();
        };
        tokio::task::spawn_blocking(write).await.unwrap();
    }
}

/// What a process that read an image answers; its guest has one process.
pub fn one_process(name: &str) -> Value {
    let none = json!({"rows": [], "further": 0, "unreadable": 0, "missing": null});
    let process = json!({
        "pid": 1, "parent_pid": 0, "name": name, "command_line": "/sbin/init splash", "program": "/sbin/init",
        "kind": "user", "user_id": 0, "group_id": 0, "further_threads": 0, "started_ms": 12, "hidden": false,
    });
    let too_old = json!({"why": "kernel_too_old", "message": "Kernel 6.1 is older than 6.4: no modules."});
    json!({"inside": {
        "version": memdeck_model::INSIDE_VERSION, "dump_id": null, "guest": "db-01", "taken_at": null, "took_ms": 7,
        "system": {"kernel": "6.1.0", "kernel_build": null, "machine": "x86_64", "host_name": "db", "booted_at": null,
            "booted_at_missing": null},
        "lists_compared": false,
        "processes": {"rows": [process], "further": 0, "unreadable": 0, "missing": null},
        "open_files": none, "modules": {"rows": [], "further": 0, "unreadable": 0, "missing": too_old},
        "interfaces": none, "connections": none, "kernel_log": none,
    }})
}

/// Waits until a reading is in one of these states.
pub async fn reached(router: &Router, dump_id: &str, wanted: &[&str]) -> Value {
    let asked = Instant::now();
    loop {
        let (status, now) = answer(router, get(&path(dump_id))).await;
        assert_eq!(status, StatusCode::OK, "{now}");
        if wanted.contains(&now["state"].as_str().unwrap()) {
            return now;
        }
        assert!(asked.elapsed() < PATIENCE, "{now}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An image whose inside is read and kept.
async fn read(app: &TestApp, vm: &str) -> (String, PathBuf) {
    let (dump_id, image) = app.dumped(vm).await;
    let reader = Reader::of(&image);
    let (status, asked) = answer(&app.dashboard, post(&path(&dump_id), "{}")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{asked}");
    reader.answers(one_process("init")).await;
    reached(&app.dashboard, &dump_id, &["finished"]).await;
    (dump_id, image)
}

fn kept(image: &Path) -> PathBuf {
    PathBuf::from(image.to_str().unwrap().replace(".elf.zst", ".inside.json"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_read_once_and_what_was_read_is_kept_beside_it() {
    let app = told_by_the_test();
    let (dump_id, image) = app.dumped("db-01").await;
    let (status, none) = answer(&app.dashboard, get(&path(&dump_id))).await;
    assert_eq!((status, &none["state"], &none["inside"]), (StatusCode::OK, &"none".into(), &Value::Null));

    let reader = Reader::of(&image);
    let (status, asked) = answer(&app.agent, post(&path(&dump_id), r#"{"by": "the night shift"}"#)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(asked["requested_by"]["name"], "the night shift", "{asked}");
    let (status, again) = answer(&app.dashboard, post(&path(&dump_id), "{}")).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(again["requested_by"], asked["requested_by"], "it is read once");
    reached(&app.dashboard, &dump_id, &["running"]).await;
    reader.answers(one_process("init")).await;

    let finished = reached(&app.dashboard, &dump_id, &["finished"]).await;
    let inside = &finished["inside"];
    assert_eq!(inside["processes"]["rows"][0]["command_line"], "/sbin/init splash", "{finished}");
    assert_eq!(inside["modules"]["missing"]["why"], "kernel_too_old");
    assert_eq!(finished["finished_at"], "2025-11-14T08:58:23.550273Z");
    // Nobody has to wait for what is kept.
    for router in [&app.dashboard, &app.agent] {
        assert_eq!(answer(router, post(&path(&dump_id), "{}")).await, (StatusCode::OK, finished.clone()));
    }
    let mode = kept(&image).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let stored = support::stored(&app.catalog, &app.clock);
    let later = Images::new(Arc::clone(&app.catalog), support::audit(&app.catalog), stored, None);
    let caller = Caller::trusted(Actor::Api);
    let kept = later.inside(&dump_id, &caller).await.unwrap();
    assert_eq!(serde_json::to_value(kept).unwrap(), finished, "after the next start, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_no_part_of_the_image_and_goes_with_it() {
    let app = told_by_the_test();
    let (dump_id, image) = read(&app, "web-01").await;
    assert_eq!(verified(&app.dashboard, &dump_id).await["verdict"], "intact");
    let store = memdeck_image::ImageStore::open(image.parent().unwrap()).unwrap();
    let stored = store.stored().unwrap();
    assert_eq!((stored.dumps.len(), stored.unusable), (1, Vec::new()));
    assert_eq!(store.left_over(&|_| false).unwrap(), [""; 0].map(PathBuf::from));
    let deleted =
        answer(&app.dashboard, delete(&format!("/api/memory-dumps/{dump_id}"), r#"{"confirm": "web-01"}"#));
    assert_eq!(deleted.await.0, StatusCode::OK);
    assert!(!kept(&image).exists());
    assert_eq!(answer(&app.dashboard, get(&path(&dump_id))).await.0, StatusCode::GONE);
    assert_eq!(answer(&app.dashboard, post(&path(&dump_id), "{}")).await.0, StatusCode::GONE);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_another_image_or_version_or_not_whole_is_read_anew() {
    let app = told_by_the_test();
    let (dump_id, image) = read(&app, "web-01").await;
    let (_, other) = read(&app, "db-01").await;
    let own = std::fs::read(kept(&image)).unwrap();
    let newer = |version: u32| {
        let mut newer: Value = serde_json::from_slice(&own).unwrap();
        newer["inside"]["version"] = version.into();
        newer.to_string().into_bytes()
    };
    let version = memdeck_model::INSIDE_VERSION;
    let odd = [
        std::fs::read(kept(&other)).unwrap(),
        newer(version + 1),
        own[..own.len() / 2].to_vec(),
        b"{}".to_vec(),
    ];
    for content in odd {
        std::fs::write(kept(&image), content).unwrap();
        assert_eq!(answer(&app.dashboard, get(&path(&dump_id))).await.1["state"], "none");
    }
    let reader = Reader::of(&image);
    assert_eq!(answer(&app.dashboard, post(&path(&dump_id), "{}")).await.0, StatusCode::ACCEPTED);
    reader.answers(one_process("systemd")).await;
    let finished = reached(&app.dashboard, &dump_id, &["finished"]).await;
    assert_eq!(finished["inside"]["processes"]["rows"][0]["name"], "systemd");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_kernel_fails_with_the_reason_and_can_be_asked_for_again() {
    let app = TestApp::start();
    let (dump_id, image) = app.dumped("db-01").await;
    for _ in 0..2 {
        assert_eq!(answer(&app.dashboard, post(&path(&dump_id), "{}")).await.0, StatusCode::ACCEPTED);
        let failed = reached(&app.dashboard, &dump_id, &["failed"]).await;
        assert_eq!(failed["problem"]["kind"], "no_kernel", "{failed}");
        assert_eq!(failed["inside"], Value::Null);
    }
    assert!(!kept(&image).exists());
    std::fs::remove_file(&image).unwrap();
    assert_eq!(answer(&app.dashboard, post(&path(&dump_id), "{}")).await.0, StatusCode::ACCEPTED);
    let failed = reached(&app.dashboard, &dump_id, &["failed"]).await;
    assert_eq!(failed["problem"]["kind"], "image", "{failed}");
    let message = failed["problem"]["message"].as_str().unwrap();
    assert!(
        !message.contains(image.parent().unwrap().to_str().unwrap()),
        "no path leaves the host: {message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_image_is_read_at_a_time_others_wait_and_too_many_are_refused() {
    let app = told_by_the_test();
    let mut images = Vec::new();
    for _ in 0..MOST_WAITING + 2 {
        let (dump_id, image) = app.dumped("web-01").await;
        images.push((dump_id, Reader::of(&image)));
    }
    let (refused, reader) = images.pop().unwrap();
    std::fs::remove_file(reader.0).unwrap();
    for (place, (dump_id, _)) in images.iter().enumerate() {
        assert_eq!(answer(&app.dashboard, post(&path(dump_id), "{}")).await.0, StatusCode::ACCEPTED);
        if place == 0 {
            reached(&app.dashboard, dump_id, &["running"]).await;
        }
    }
    let (status, refusal) = answer(&app.dashboard, post(&path(&refused), "{}")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refusal["detail"], "16 images wait to be read, which is the limit; try again later");
    let is_refused = answer(
        &app.dashboard,
        delete(&format!("/api/memory-dumps/{}", images[0].0), r#"{"confirm": "web-01"}"#),
    );
    let (status, refusal) = is_refused.await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(refusal["detail"].as_str().unwrap().contains("is being read"), "{refusal}");
    let mut images = images.into_iter();
    let ((first, reader), (second, next)) = (images.next().unwrap(), images.next().unwrap());
    assert_eq!(reached(&app.dashboard, &second, &["waiting", "running"]).await["state"], "waiting");
    reader.answers(one_process("init")).await;
    reached(&app.dashboard, &first, &["finished"]).await;
    reached(&app.dashboard, &second, &["running"]).await;
    next.answers(one_process("init")).await;
    reached(&app.dashboard, &second, &["finished"]).await;
    let accepted = answer(&app.dashboard, post(&path(&refused), "{}")).await.0;
    assert_eq!(accepted, StatusCode::ACCEPTED, "there is room again");
    for (dump_id, reader) in images {
        reader.answers(one_process("init")).await;
        reached(&app.dashboard, &dump_id, &["finished"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_image_is_read_while_a_dump_is_being_taken() {
    let app = told_by_the_test();
    let (dump_id, image) = app.dumped("db-01").await;
    let reader = Reader::of(&image);
    app.hypervisor.next_dump("web-01", &[Fault::StallsAt(4096)]);
    answer(&app.agent, post("/api/dumps", r#"{"vms": ["web-01"]}"#)).await;
    app.hypervisor.wait_until_stalled("web-01");
    assert_eq!(answer(&app.dashboard, post(&path(&dump_id), "{}")).await.1["state"], "waiting");
    // Longer than between two looks.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(answer(&app.dashboard, get(&path(&dump_id))).await.1["state"], "waiting");
    app.hypervisor.release("web-01");
    app.ended(1).await;
    reader.answers(one_process("init")).await;
    reached(&app.dashboard, &dump_id, &["finished"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_went_between_two_dumps_is_told_once_both_were_read() {
    let app = told_by_the_test();
    let (first, _) = read(&app, "db-01").await;
    let (second, image) = app.dumped("db-01").await;
    let compared = format!("/api/memory-dumps/{first}/compare/{second}/inside");
    let (status, waits) = answer(&app.dashboard, get(&compared)).await;
    assert_eq!((status, &waits["changes"]), (StatusCode::OK, &Value::Null), "{waits}");
    assert_eq!((&waits["first"]["state"], &waits["second"]["state"]), (&"finished".into(), &"none".into()));
    let shown = async || {
        let query = AuditQuery { filter: AuditFilter::default(), before: None, limit: 100 };
        let entries = app.images.audit().list(query).await.unwrap().entries;
        entries.iter().filter(|entry| entry.action == AuditAction::InsideShown).count()
    };
    let before = shown().await;

    let reader = Reader::of(&image);
    answer(&app.dashboard, post(&path(&second), "{}")).await;
    let mut later = one_process("init");
    let mut miner = later["inside"]["processes"]["rows"][0].clone();
    miner["pid"] = 666.into();
    miner["name"] = "miner".into();
    later["inside"]["processes"]["rows"].as_array_mut().unwrap().push(miner);
    reader.answers(later).await;
    let told = loop {
        let told = answer(&app.dashboard, get(&compared)).await.1;
        if !told["changes"].is_null() {
            break told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let processes = &told["changes"]["processes"];
    assert_eq!(processes["came"][0]["name"], "miner", "{told}");
    assert_eq!((processes["came"].as_array().unwrap().len(), &processes["went"]), (1, &json!([])));
    assert_eq!(
        (&processes["compared"], &told["changes"]["modules"]["compared"]),
        (&true.into(), &false.into())
    );
    assert!(told["changes"]["modules"]["caveat"].as_str().unwrap().contains("older than 6.4"), "{told}");
    assert_eq!(shown().await - before, 2, "whose memory it was is noted for both");
    let back =
        answer(&app.dashboard, get(&format!("/api/memory-dumps/{second}/compare/{first}/inside"))).await.1;
    assert_eq!(back["changes"]["processes"]["went"][0]["name"], "miner", "{back}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_how_it_ended_and_who_got_it_is_in_the_audit() {
    let app = told_by_the_test();
    let (dump_id, image) = read(&app, "db-01").await;
    let noted = async || {
        let query = AuditQuery { filter: AuditFilter::default(), before: None, limit: 100 };
        let entries = app.images.audit().list(query).await.unwrap().entries;
        let of_dump = entries.into_iter().filter(|entry| {
            entry.object.dump_id().is_some_and(|id| id.as_str() == dump_id)
                && entry.action.as_str().starts_with("inside")
        });
        let mut told: Vec<_> = of_dump.map(|entry| (entry.action, entry.result)).collect();
        told.reverse();
        told
    };
    let read_and_shown = [
        (AuditAction::InsideRequested, AuditResult::Begun),
        (AuditAction::InsideRequested, AuditResult::Succeeded),
        (AuditAction::InsideRead, AuditResult::Succeeded),
        (AuditAction::InsideShown, AuditResult::Succeeded),
    ];
    assert_eq!(noted().await, read_and_shown);

    std::fs::remove_file(kept(&image)).unwrap();
    let reader = Reader::of(&image);
    answer(&app.dashboard, post(&path(&dump_id), "{}")).await;
    reader.answers(json!({"problem": {"kind": "memory", "message": "it takes too much memory"}})).await;
    reached(&app.dashboard, &dump_id, &["failed"]).await;
    let told = noted().await;
    assert!(told[4..].contains(&(AuditAction::InsideRead, AuditResult::Failed)), "{told:?}");
    assert!(
        !told[4..].iter().any(|(action, _)| *action == AuditAction::InsideShown),
        "nothing was handed out"
    );
}

/// A dump of an agent, and a dashboard in front of `router` that knows of it.
async fn behind(agent: &TestApp, router: Router) -> (Listening, Front, String) {
    let service = Listening::with(router).await;
    let mut front = Front::of(agent, service.address);
    front.trigger("db-01").await;
    let Event::Record(record) = front.event(is_record).await else { unreachable!("is_record") };
    (service, front, record.dump_id.unwrap().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_reads_the_images_that_it_keeps() {
    let agent = told_by_the_test();
    let (service, front, dump_id) = behind(&agent, agent.agent.clone()).await;
    let image = agent.catalog.record_of(&dump_id.parse().unwrap()).unwrap().unwrap().dump_path.unwrap();
    let reader = Reader::of(Path::new(&image));
    let (status, asked) = answer(&front.router, post(&path(&dump_id), "{}")).await;
    assert_eq!((status, asked["dump_id"].as_str()), (StatusCode::ACCEPTED, Some(&*dump_id)), "{asked}");
    reader.answers(one_process("init")).await;
    let finished = reached(&front.router, &dump_id, &["finished"]).await;
    assert_eq!(finished, answer(&agent.agent, get(&path(&dump_id))).await.1);
    service.stop().await;
    assert_eq!(answer(&front.router, get(&path(&dump_id))).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_a_version_that_cannot_read_images_is_said_to_be_one() {
    let agent = TestApp::start();
    let capabilities = json!({
        "uuids": true, "options": true, "cancel": true, "images": true, "guests": true, "records": true, "actors": true,
        "request_keys": true,
    });
    let older = Router::new()
        .route("/api/capabilities", route_get(async || Json(capabilities)))
        .fallback_service(agent.agent.clone());
    let (_service, front, dump_id) = behind(&agent, older).await;
    let (status, told) = answer(&front.router, get(&path(&dump_id))).await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &"failed".into()));
    assert_eq!(told["problem"]["kind"], "service", "{told}");
    let (status, refusal) = answer(&front.router, post(&path(&dump_id), "{}")).await;
    assert_eq!((status, &refusal["detail"]), (StatusCode::CONFLICT, &told["problem"]["message"]));
}
