//! The subcommands that ask the memdeck that runs, or look into the state directory if none does.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use memdeck_catalog::{Catalog, LockHolder, LockRole, NewJob, StateLock};
use memdeck_hypervisor::simulated::Fault;
use memdeck_model::{Actor, DumpId, DumpOptions, VmRef};
use serde_json::Value;
use tokio::sync::Notify;

use crate::support::TestApp;
use crate::support::front::Listening;
use crate::support::program::memdeck;

/// The service of an app, as the holder of its state directory.
struct Serving {
    _lock: StateLock,
    _listening: Listening,
}

impl Serving {
    async fn of(app: &TestApp, role: LockRole) -> Self {
        let router: &Router = if role == LockRole::Serve { &app.dashboard } else { &app.agent };
        let listening = Listening::with(router.clone()).await;
        let url = Some(format!("http://{}/", listening.address));
        let holder = LockHolder { pid: std::process::id(), role, url, token_in_state_dir: false };
        let lock = StateLock::acquire(app.dir.path(), &holder).unwrap();
        Self { _lock: lock, _listening: listening }
    }
}

/// The command on this state directory.
fn on(state: &Path, arguments: &[&str]) -> Command {
    let mut command = memdeck(state);
    command.args(arguments).env("STATE_DIR", state).env("USER", "ada").stdin(Stdio::null());
    command
}

/// Off the runtime's threads, on which the service answers.
async fn ended(mut command: Command) -> (Option<i32>, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, stderr } = output;
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

async fn run(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(on(app.dir.path(), arguments)).await
}

async fn json(app: &TestApp, arguments: &[&str]) -> Value {
    let (code, stdout, stderr) = run(app, arguments).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}: {stdout}");
    serde_json::from_str(&stdout).unwrap()
}

fn names<'a>(value: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    value[list].as_array().unwrap().iter().map(|one| one[name].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_are_those_of_the_service_that_runs_else_of_the_hypervisor() {
    let app = TestApp::start();
    assert_eq!(names(&json(&app, &["guests", "--json"]).await, "guests", "name"), ["test"]);
    for role in [LockRole::Serve, LockRole::Agent] {
        let _serving = Serving::of(&app, role).await;
        assert_eq!(names(&json(&app, &["guests", "--json"]).await, "guests", "name"), ["db-01", "web-01"]);
        let (code, said, _) = run(&app, &["guests"]).await;
        let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["VM", "ID", "STATE", "VCPUS", "MEMORY", "UUID"]);
        assert_eq!(
            (code, &lines[1][..6]),
            (Some(0), &["db-01", "2", "running", "1", "2.00", "MiB"][..]),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_listed_alike_by_dashboard_agent_and_state_directory() {
    let app = TestApp::start();
    let (web, _) = app.dumped("web-01").await;
    app.clock.advance(std::time::Duration::from_hours(48));
    let (db, _) = app.dumped("db-01").await;
    for role in [None, Some(LockRole::Serve), Some(LockRole::Agent)] {
        let _serving = match role {
            Some(role) => Some(Serving::of(&app, role).await),
            None => None,
        };
        for (arguments, expected) in [
            (&[][..], &[&db, &web][..]),
            (&["--search", "WEB"], &[&web]),
            (&["--from", "2025-11-15"], &[&db]),
            (&["--to", "2025-11-14"], &[&web]),
            (&["--mode", "live"], &[&db, &web]),
            (&["--state", "failed"], &[]),
            (&["--host", "elsewhere"], &[]),
            (&["--sort", "dom", "--order", "desc"], &[&web, &db]),
            (&["--limit", "1"], &[&db]),
            (&["--limit", "0"], &[&db, &web]),
        ] {
            let page = json(&app, &[&["records", "--json"], arguments].concat()).await;
            assert_eq!(names(&page, "records", "dump_id"), expected, "{role:?} {arguments:?}");
            assert_eq!(page["count"], expected.len());
        }
        let (_, table, _) = run(&app, &["records", "--limit", "1"]).await;
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("BEGAN ") && lines[0].ends_with(" DUMP ID"), "{table}");
        assert!(lines[1].starts_with("2025-11-16T08:58:23Z  db-01 ") && lines[1].ends_with(&db), "{table}");
        assert_eq!(lines[2], "1 of 2 records; --limit 0 shows all");
        let (_, csv, _) = run(&app, &["records", "--csv"]).await;
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].starts_with("VM ID,VM Name,") && lines[1].starts_with("2,db-01,"), "{csv}");
        assert_eq!(lines.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_for_records_changes_nothing_and_says_what_it_cannot_read() {
    let nothing = tempfile::tempdir().unwrap();
    let mut command = memdeck(nothing.path());
    command.arg("records");
    let (code, said, stderr) = ended(command).await;
    assert_eq!((code, said.lines().count(), stderr.as_str()), (Some(0), 1, ""), "{said}");
    assert!(!nothing.path().join("state").exists(), "a look made a state directory");

    let app = TestApp::start();
    for (arguments, sentence) in [
        (&["--from", "yesterday"][..], "from: a time is written"),
        (&["--state", "lost"], "state: a state is complete or failed"),
        (&["--from", "2025-11-15", "--to", "2025-11-10"], "the end of the time range lies before its start"),
        (&["--sort", "note"], "sort: records are sorted by timestamp"),
    ] {
        let (code, _, stderr) = run(&app, &[&["records"], arguments].concat()).await;
        assert!(code == Some(2) && stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
    std::fs::write(
        nothing.path().join("catalog.db"),
        "no catalog at all, but long enough to be taken for one",
    )
    .unwrap();
    let (code, _, stderr) = ended(on(nothing.path(), &["records"])).await;
    assert!(code == Some(1) && stderr.contains("catalog.db is not a catalog of memdeck"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_dump_is_cancelled_by_its_guest_or_by_its_id() {
    for (role, by_id) in [(LockRole::Serve, false), (LockRole::Agent, true)] {
        let app = TestApp::start();
        let _serving = Serving::of(&app, role).await;
        app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
        let mut dump = on(app.dir.path(), &["dump", "db-01", "--json"]);
        let dump = dump.stdout(Stdio::piped()).spawn().unwrap();
        app.hypervisor.wait_until_stalled("db-01");
        let id = app.catalog.active_jobs().unwrap().remove(0).dump_id.to_string();
        let target = if by_id { id.as_str() } else { "db-01" };
        let cancelled = json(&app, &["cancel", target, "--json"]).await;
        let status = &cancelled["dumps"][0];
        assert_eq!((&status["dump_id"], &status["job_state"]), (&id.as_str().into(), &"cancelled".into()));
        assert!(status["message"].as_str().unwrap().contains("ada (command line)"), "{status}");
        let output = tokio::task::spawn_blocking(|| dump.wait_with_output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "whoever waits for it is told");

        for target in ["db-01", id.as_str(), "web-01"] {
            let (code, _, stderr) = run(&app, &["cancel", target]).await;
            assert_eq!(code, Some(1), "{stderr}");
            assert!(stderr.contains(&format!("no dump of '{target}' is queued or running")), "{stderr}");
        }
    }
}

fn queued(catalog: &Catalog, clock: &dyn memdeck_engine::Clock, number: u128, vm: &str) -> DumpId {
    let dump_id = DumpId::from_uuid_bits(number);
    let job = NewJob {
        dump_id: dump_id.clone(),
        vm: VmRef::new(vm).unwrap(),
        guest: None,
        asked_by_text: true,
        requested_by: Actor::named("a test"),
        queued_at: clock.now(),
        options: DumpOptions::default(),
    };
    catalog.enqueue(job).unwrap();
    dump_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_waits_for_the_next_start_is_taken_from_the_queue() {
    let dir = tempfile::tempdir().unwrap();
    let clock = memdeck_engine::SystemClock::new();
    let waits = |number, vm| queued(&Catalog::open(dir.path()).unwrap(), &clock, number, vm);
    let (_, other) = (waits(1, "web-01"), waits(2, "db-01"));
    let holder = LockHolder { pid: 4711, role: LockRole::Dump, url: None, token_in_state_dir: false };
    let held = StateLock::acquire(dir.path(), &holder).unwrap();
    let (code, _, stderr) = ended(on(dir.path(), &["cancel", "web-01"])).await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("`memdeck dump` (process 4711) takes the dumps: press Ctrl-C there"), "{stderr}");
    drop(held);

    let (code, said, stderr) = ended(on(dir.path(), &["cancel", "web-01"])).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(said, "web-01: cancelled: cancelled by ada (command line) before it began\n");
    let left = Catalog::open(dir.path()).unwrap().active_jobs().unwrap();
    assert_eq!(left.iter().map(|job| &job.dump_id).collect::<Vec<_>>(), [&other]);
    let (code, _, stderr) = ended(on(dir.path(), &["cancel", "web-01"])).await;
    assert!(code == Some(1) && stderr.contains("no dump of 'web-01' is queued or running"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_deleted_only_when_that_is_meant() {
    for role in [None, Some(LockRole::Serve), Some(LockRole::Agent)] {
        let app = TestApp::start();
        let (id, image) = app.dumped("web-01").await;
        let _serving = match role {
            Some(role) => Some(Serving::of(&app, role).await),
            None => None,
        };
        let (code, _, stderr) = run(&app, &["delete", &id]).await;
        assert_eq!(code, Some(2), "nobody can be asked: {stderr}");
        assert!(stderr.contains("--yes") && image.exists(), "{stderr}");

        let record = json(&app, &["delete", &id, "--yes", "--json"]).await;
        assert_eq!(
            (&record["dump_id"], &record["deleted_by"]),
            (&id.as_str().into(), &serde_json::json!({"kind": "command_line", "user": "ada"}))
        );
        assert!(!image.exists());
        let listed = json(&app, &["records", "--json"]).await;
        assert_eq!(listed["records"][0]["deleted_by"], record["deleted_by"]);
        let (_, table, _) = run(&app, &["records"]).await;
        assert!(table.contains(" deleted "), "{table}");

        let (code, _, stderr) = run(&app, &["delete", &id, "--yes"]).await;
        assert!(code == Some(1) && stderr.contains("was deleted at"), "{stderr}");
        let (code, _, stderr) = run(&app, &["delete", "no-such-dump", "--yes"]).await;
        assert!(code == Some(1) && stderr.contains("there is no finished dump no-such-dump"), "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_dump_prints_its_result_too() {
    let app = TestApp::start();
    let _serving = Serving::of(&app, LockRole::Serve).await;
    app.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let mut dump = on(app.dir.path(), &["dump", "db-01", "--json"]);
    let dump = dump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    app.hypervisor.wait_until_stalled("db-01");
    let pid = rustix::process::Pid::from_child(&dump);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(move || dump.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&printed["interrupted"], &printed["dumps"][0]["job_state"]),
        (&true.into(), &"cancelled".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_interrupted_before_its_warning_is_not_begun() {
    let home = tempfile::tempdir().unwrap();
    let (asked, asking) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
    let limits = {
        let asked = Arc::clone(&asked);
        axum::routing::get(async move || {
            asked.notify_one();
            std::future::pending::<()>().await;
        })
    };
    let dumps = {
        let asking = Arc::clone(&asking);
        axum::routing::post(async move || {
            asking.fetch_add(1, Ordering::Relaxed);
        })
    };
    let routes = Router::new().route("/api/frozen-pause", limits).route("/api/dumps", dumps);
    let service = Listening::with(routes).await;
    let mut dump = on(home.path(), &["dump", "web-01", "--json"]);
    dump.env("MEMDUMP_SERVICE_URL", format!("http://{}/", service.address));
    let dump = dump.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    asked.notified().await;
    let pid = rustix::process::Pid::from_child(&dump);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(move || dump.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(asking.load(Ordering::Relaxed), 0, "no dump was asked for");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, serde_json::json!({"dumps": [], "omitted": [], "interrupted": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_told_to_programs_without_their_secrets() {
    let app = TestApp::start();
    let mut command = on(app.dir.path(), &["config", "--json", "--max-parallel-dumps", "3"]);
    command.env("INFLUX_TOKEN", "very-secret").env("LIBVIRT_URI", "qemu+tcp://ada:very-secret@kvm-a/system");
    let (code, said, stderr) = ended(command).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(!said.contains("very-secret"), "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let setting = |key: &str| {
        told["settings"].as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone()
    };
    assert_eq!(setting("dumps.max_parallel")["value"], "3");
    assert_eq!(setting("dumps.max_parallel")["origin"], "from the command line");
    assert_eq!(setting("influx.token")["value"], "***");
    assert_eq!(setting("libvirt.uri")["value"], "qemu+tcp://***@kvm-a/system");
    assert_eq!(
        (&setting("dumps.timeout")["value"], &setting("dumps.timeout")["default"]),
        (&Value::Null, &"3600".into())
    );
}
