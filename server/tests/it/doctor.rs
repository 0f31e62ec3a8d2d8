//! `memdeck doctor`: what it finds, what it repairs, and what must hold on a host whatever happened.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use memdeck_catalog::{Catalog, Intent, LockHolder, LockRole, NewJob, StateLock};
use memdeck_hypervisor::simulated::Simulated;
use memdeck_image::ImageStore;
use memdeck_machine::{Depth, Violated, Watched, violations};
use memdeck_model::{Actor, ByteCount, DumpId, DumpOptions, EndReason, GuestState, Timestamp, VmRef};
use serde_json::Value;

use crate::support::TestApp;
use crate::support::program::memdeck;

/// Runs the command on a state directory whose images are in `dumps` below it.
async fn doctor(state: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = memdeck(state);
    command.args(["doctor", "--json"]).args(arguments).env("STATE_DIR", state);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, stderr } = output;
    let report = serde_json::from_slice(&stdout).unwrap_or_default();
    (status.code(), report, String::from_utf8(stderr).unwrap())
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

fn kinds(report: &Value) -> Vec<&str> {
    report["violations"].as_array().unwrap().iter().map(|found| found["kind"].as_str().unwrap()).collect()
}

fn found(app: &TestApp, depth: Depth) -> Vec<Violated> {
    let store = ImageStore::open(&app.dir.path().join("dumps")).unwrap();
    let hypervisor = Some(&app.hypervisor as _);
    let watched = Watched { catalog: &app.catalog, store: Some(&store), hypervisor, is_served: true };
    violations(&watched, depth).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_which_all_is_well_is_healthy_and_so_is_one_on_which_nothing_is_yet() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    let nothing = tempfile::tempdir().unwrap();
    for state in [app.dir.path(), nothing.path()] {
        std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o700)).unwrap();
        let (code, report, stderr) = doctor(state, &["--deep"]).await;
        assert_eq!((code, &report["healthy"]), (Some(0), &Value::Bool(true)), "{report:#} {stderr}");
        assert_eq!(check(&report, "hypervisor")["state"], "ok", "{report:#}");
        assert_eq!(check(&report, "service")["state"], "off");
        assert_eq!(kinds(&report), [""; 0]);
        for check in report["checks"].as_array().unwrap() {
            let sentence = check["finding"].as_str().unwrap();
            assert!(sentence.chars().next().is_some_and(|c| !c.is_whitespace()), "{check}");
            assert_eq!(
                check["remedy"].is_null(),
                matches!(check["state"].as_str(), Some("ok" | "off")),
                "{check}"
            );
        }
    }
    assert_eq!(found(&app, Depth::Whole), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_was_exchanged_in_an_image_is_found() {
    let app = TestApp::start();
    let (dump_id, image) = app.dumped("web-01").await;
    let mut file = std::fs::OpenOptions::new().write(true).open(&image).unwrap();
    file.seek(SeekFrom::Start(40)).unwrap();
    file.write_all(&[0xa5]).unwrap();
    for depth in [Depth::Sampled, Depth::Whole] {
        match found(&app, depth).as_slice() {
            [Violated::ImageDamaged { dump_id: of, findings, .. }] => {
                assert_eq!(of.as_str(), dump_id);
                assert!(!findings.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }
    let (code, report, _) = doctor(app.dir.path(), &["--deep"]).await;
    assert_eq!((code, kinds(&report)), (Some(1), vec!["image_damaged"]));
    assert_eq!(check(&report, "files_and_catalog")["state"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_and_what_is_too_much_is_found_in_both_directions() {
    let app = TestApp::start();
    let (_, image) = app.dumped("web-01").await;
    app.dumped("db-01").await;
    let dumps = app.dir.path().join("dumps");
    std::fs::remove_file(&image).unwrap();
    let left = dumps.join("db-01_7a4f0f9e-0d4c-4b53-a5a5-2a8a9c6b1f00.elf.zst.partial");
    std::fs::write(&left, "a part").unwrap();
    let (code, report, _) = doctor(app.dir.path(), &[]).await;
    assert_eq!(code, Some(1));
    assert_eq!(kinds(&report), ["image_missing", "left_over"], "{report:#}");

    let (_, report, stderr) = doctor(app.dir.path(), &["--repair"]).await;
    let done: Vec<&str> = report["repaired"]
        .as_array()
        .unwrap_or_else(|| panic!("{stderr}"))
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(done.iter().any(|done| done.contains(left.to_str().unwrap())), "{done:?}");
    assert!(!left.exists());
    assert!(!kinds(&report).contains(&"left_over"), "{report:#}");
    assert!(kinds(&report).contains(&"image_missing"), "what cannot be repaired is still told");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_without_a_record_is_found_and_gets_one() {
    let app = TestApp::start();
    app.dumped("web-01").await;
    let other = tempfile::tempdir().unwrap();
    std::fs::set_permissions(other.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    // A catalog that knows nothing, beside the images of another one.
    drop(Catalog::open(other.path()).unwrap());
    std::fs::rename(app.dir.path().join("dumps"), other.path().join("dumps")).unwrap();
    let (code, report, _) = doctor(other.path(), &[]).await;
    assert_eq!((code, kinds(&report)), (Some(1), vec!["no_record"]), "{report:#}");
    let (code, report, stderr) = doctor(other.path(), &["--repair"]).await;
    assert_eq!((code, kinds(&report)), (Some(0), vec![]), "{report:#} {stderr}");
    let done = report["repaired"].as_array().unwrap();
    assert!(
        done.iter().any(|done| done.as_str().unwrap().contains("record of the dump of web-01")),
        "{done:?}"
    );
}

#[test]
fn a_guest_that_a_dump_left_paused_is_found_and_one_that_an_operator_paused_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(dir.path()).unwrap();
    let hypervisor = Simulated::new();
    let guest = hypervisor.add_guest("web-01", ByteCount::from_mib(1));
    let (dump_id, at) = (DumpId::from_uuid_bits(7), Timestamp::from_unix_micros(0).unwrap());
    let job = NewJob {
        dump_id: dump_id.clone(),
        vm: VmRef::new("web-01").unwrap(),
        asked_by_text: true,
        guest: None,
        options: DumpOptions::default(),
        requested_by: Actor::Api,
        queued_at: at,
    };
    catalog.enqueue(job).unwrap();
    catalog.start_next(1, at).unwrap().unwrap();
    let uuid = guest.uuid;
    let intent = Intent {
        dump_id: dump_id.clone(),
        guest_uuid: uuid.clone(),
        was_running: true,
        max_downtime: None,
        owns_unexplained_pause: false,
    };
    catalog.intend(&intent).unwrap();
    let look = |is_served| {
        let watched = Watched { catalog: &catalog, store: None, hypervisor: Some(&hypervisor), is_served };
        violations(&watched, Depth::Sampled).unwrap()
    };
    hypervisor.set_state("web-01", GuestState::Paused);
    assert_eq!(look(true), [], "the dump is under way");
    let paused = Violated::GuestPaused { dump_id: dump_id.clone(), uuid };
    assert_eq!(look(false), [Violated::DumpAbandoned { dump_id: dump_id.clone() }, paused.clone()]);
    catalog.end(&dump_id, &EndReason::LostInRestart, at).unwrap();
    assert_eq!(look(true), [paused]);
    hypervisor.suspend("web-01");
    assert_eq!(look(true), [], "an operator paused it");
    hypervisor.pause_unexplained("web-01");
    assert!(
        matches!(look(true).as_slice(), [Violated::GuestUnknown { .. }]),
        "it may be an operator's pause"
    );
    hypervisor.set_available(false);
    assert!(matches!(look(true).as_slice(), [Violated::GuestUnknown { .. }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_repaired_beside_a_service() {
    let app = TestApp::start();
    let holder =
        LockHolder { pid: std::process::id(), role: LockRole::Agent, url: None, token_in_state_dir: false };
    let _lock = StateLock::acquire(app.dir.path(), &holder).unwrap();
    let (code, report, stderr) = doctor(app.dir.path(), &["--repair"]).await;
    assert_eq!((code, report), (Some(1), Value::Null));
    assert!(stderr.contains("in use by memdeck agent"), "{stderr}");
    let (_, report, _) = doctor(app.dir.path(), &[]).await;
    assert_eq!(check(&report, "service")["state"], "ok", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_others_can_change_is_told_and_made_private() {
    let app = TestApp::start();
    std::fs::set_permissions(app.dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let (code, report, _) = doctor(app.dir.path(), &[]).await;
    assert_eq!((code, &check(&report, "state_dir")["state"]), (Some(1), &"failed".into()), "{report:#}");
    let (code, report, stderr) = doctor(app.dir.path(), &["--repair"]).await;
    assert_eq!((code, &check(&report, "state_dir")["state"]), (Some(0), &"ok".into()), "{report:#} {stderr}");
}
