//! State and dump directories on volumes that are full or read-only: memdeck serves, says so, and goes on by itself when
//! that is mended.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{LabGuest, lab};
use crate::support::{Home, PATIENCE, Service, holds_at_points};

/// How soon the guest of a cancelled dump runs.
const RESUME_LIMIT: Duration = Duration::from_secs(1);
/// For a state directory: the reserve, as much beside it, and a catalog.
const STATE_MIB: u64 = 48;
/// For images of any guest of the lab.
const IMAGES_MIB: u64 = 1300;
/// A hypervisor that lists guests and dumps none.
const NO_GUESTS: (&str, &str) = ("LIBVIRT_URI", "test:///default");

/// With its state directory on its volume, and its images elsewhere.
fn start_on_volume(home: &Home, variables: &[(&str, &str)]) -> Service {
    let (state, images) = (home.volume().join("state"), home.path().join("images"));
    let places = [("STATE_DIR", state.to_str().unwrap()), ("DUMP_DIR", images.to_str().unwrap())];
    Service::start(home, "serve", &[variables, &places].concat())
}

fn reserve_bytes(state: &Path) -> u64 {
    state.join("reserve").metadata().unwrap().len()
}

/// Which checks fail now.
fn failed(service: &Service) -> Vec<String> {
    let readiness = service.get("/readyz");
    let failed = readiness["failed"].as_array().unwrap();
    failed.iter().map(|failed| failed["check"].as_str().unwrap().to_owned()).collect()
}

fn wait_until_ready(service: &Service) {
    service.wait("/readyz", "readiness", |readiness| (readiness["ready"] == true).then_some(()));
}

fn wait_until_failed(service: &Service, check: &str) -> String {
    service.wait("/readyz", "failed check", |readiness| {
        let failed = readiness["failed"].as_array()?.iter().find(|failed| failed["check"] == check)?;
        Some(failed["detail"].as_str()?.to_owned())
    })
}

/// What the page shows of storage.
fn notice(service: &Service) -> Value {
    service.send("POST", "/api/ui/overview", &json!({})).2["storage"].clone()
}

fn started_full(home: &Home) {
    let state = home.volume().join("state");
    let service = start_on_volume(home, &[NO_GUESTS]);
    assert!(service.said.contains("dashboard ready"), "{}", service.said);
    assert_eq!((failed(&service), notice(&service)), (vec![], Value::Null));
    assert_eq!(reserve_bytes(&state), 8 << 20);
    service.terminate();
    home.fill_volume();

    let service = start_on_volume(home, &[NO_GUESTS]);
    assert!(service.said.contains("dashboard degraded: "), "{}", service.said);
    assert!(!service.said.contains(" ready"), "{}", service.said);
    assert_eq!(service.get("/healthz")["status"], "ok", "it lives");
    let detail = wait_until_failed(&service, "state_dir");
    assert!(detail.starts_with("The volume of STATE_DIR is full"), "{detail}");
    assert_eq!(notice(&service), detail.as_str());
    // What was begun may use what is left; nothing new is.
    std::fs::File::options().write(true).open(state.join("reserve")).unwrap().set_len(7 << 20).unwrap();
    let (status, headers, refusal) =
        service.send("POST", "/api/memory-dumps/trigger", &json!({"vms": ["test"]}));
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "10"), "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().contains("full, and no other dump is accepted"), "{refusal}");

    home.empty_volume();
    wait_until_ready(&service);
    assert_eq!((reserve_bytes(&state), notice(&service)), (8 << 20, Value::Null), "made again");
    service.trigger(&["test"]);
    assert_eq!(service.wait_for_end("test")["job_state"], "failed", "the test driver dumps nothing");
}

#[test]
fn a_start_on_a_full_state_volume_serves_and_recovers_by_itself() {
    started_full(&Home::on_disk_of(STATE_MIB));
}

#[test]
fn a_start_on_a_full_state_volume_in_memory_serves_and_recovers_by_itself() {
    started_full(&Home::on_volume_of(STATE_MIB));
}

/// Two dumps are cancelled while nothing can be written to the state volume.
fn cancelled_when_full(has_reserve: bool) {
    assert!(holds_at_points(), "this test needs points to hold at: build with --features memdeck/failpoints");
    let _turn = lab();
    let guests = [LabGuest::running("db-01"), LabGuest::running("web-01")];
    let names = guests.each_ref().map(|guest| guest.name);
    let home = Home::on_disk_of(STATE_MIB);
    let release = home.path().join("release");
    let points = format!("capture::half-read=return({})", release.display());
    let service = start_on_volume(&home, &[("FAILPOINTS", &points), ("MAX_PARALLEL_DUMPS", "2")]);
    service.trigger_frozen(&names);
    let held = names.map(|name| {
        service.wait(&format!("/api/memory-dumps/status/{name}"), "half of the bytes", |status| {
            let half = status["bytes"]["bytes_expected"].as_u64()? / 2;
            let is_half = half > 0 && status["bytes"]["bytes_done"].as_u64()? >= half;
            is_half.then(|| status["dump_id"].as_str().unwrap().to_owned())
        })
    });
    if !has_reserve {
        let reserve = home.volume().join("state/reserve");
        std::fs::File::options().write(true).open(reserve).unwrap().set_len(0).unwrap();
    }
    home.fill_volume();
    for dump_id in &held {
        service.cancel(dump_id);
    }
    for guest in &guests {
        guest.wait_until_running(RESUME_LIMIT);
    }
    if !has_reserve {
        wait_until_failed(&service, "state_dir");
        home.empty_volume();
    }
    for name in names {
        assert_eq!(service.wait_for_end(name)["job_state"], "cancelled");
    }
    if has_reserve {
        wait_until_failed(&service, "state_dir");
        home.empty_volume();
    }
    std::fs::write(&release, "").unwrap();
    wait_until_ready(&service);
    service.trigger_frozen(&names);
    for name in names {
        assert_eq!(service.wait_for_end(name)["job_state"], "completed", "the queue goes on");
    }
}

#[test]
fn dumps_cancelled_on_a_full_state_volume_end_in_the_reserve_and_the_queue_goes_on() {
    cancelled_when_full(true);
}

#[test]
fn dumps_cancelled_on_a_full_state_volume_without_reserve_end_when_there_is_room() {
    cancelled_when_full(false);
}

/// What the next start must record at once, it records when there is room.
#[test]
fn a_start_with_a_dump_that_was_cut_off_serves_on_a_full_volume_and_ends_the_dump_later() {
    assert!(holds_at_points(), "this test needs points to hold at: build with --features memdeck/failpoints");
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::on_disk_of(STATE_MIB);
    let points = format!("capture::half-read=return({})", home.path().join("release").display());
    let service = start_on_volume(&home, &[("FAILPOINTS", &points)]);
    service.trigger_frozen(&[guest.name]);
    let path = format!("/api/memory-dumps/status/{}", guest.name);
    service.wait(&path, "bytes", |status| (status["bytes"]["bytes_done"].as_u64()? > 0).then_some(()));
    let reserve = home.volume().join("state/reserve");
    std::fs::File::options().write(true).open(reserve).unwrap().set_len(0).unwrap();
    home.fill_volume();
    service.kill();
    guest.wait_until_running(PATIENCE);

    let service = start_on_volume(&home, &[]);
    assert!(service.said.contains("dashboard degraded: "), "{}", service.said);
    assert_eq!(service.get(&path)["job_state"], "running", "its end is not recorded yet");
    home.empty_volume();
    assert_eq!(service.wait_for_end(guest.name)["end_reason"]["kind"], "lost_in_restart");
    wait_until_ready(&service);
    service.trigger_frozen(&[guest.name]);
    assert_eq!(service.wait_for_end(guest.name)["job_state"], "completed");
}

#[test]
fn an_image_on_the_same_full_volume_as_the_catalog_is_deleted_and_makes_room() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::on_disk_of(IMAGES_MIB);
    let state = home.volume().join("state");
    let state_dir = [("STATE_DIR", state.to_str().unwrap())];
    // What it is at first, and what ends and starts leave to deletions.
    for reserve in [8 << 20, 1 << 20] {
        let service = Service::start(&home, "serve", &state_dir);
        service.trigger_frozen(&[guest.name]);
        let record = service.wait_for_end(guest.name)["record"].clone();
        let (dump_id, image) = (record["dump_id"].as_str().unwrap(), record["dump_path"].as_str().unwrap());
        let file = std::fs::File::options().write(true).open(state.join("reserve")).unwrap();
        file.set_len(reserve).unwrap();
        home.fill_volume();
        let path = format!("/api/memory-dumps/{dump_id}");
        let (status, _, deleted) = service.send("DELETE", &path, &json!({"confirm": guest.name}));
        assert_eq!(status, 200, "{deleted}");
        assert!(deleted["deleted_at"].is_string(), "{deleted}");
        assert!(!Path::new(image).exists(), "the image is gone");
        assert!(Path::new(&image.replace(".elf.zst", ".json")).exists(), "its manifest stays");
        service.kill();

        let service = Service::start(&home, "serve", &state_dir);
        assert_eq!(service.get(&path)["deleted_at"], deleted["deleted_at"], "the record is not lost");
        home.empty_volume();
        wait_until_ready(&service);
        service.terminate();
    }
}

#[test]
fn a_dump_directory_that_is_read_only_is_told_and_costs_no_guest_and_no_record() {
    let _turn = lab();
    let guest = LabGuest::running("web-01");
    let home = Home::on_disk_of(IMAGES_MIB);
    home.remount("ro");
    let service = Service::start(&home, "serve", &[]);
    assert!(service.said.contains("dashboard degraded: DUMP_DIR is on a volume that is read-only"));
    assert!(!service.said.contains(" ready"), "{}", service.said);
    assert_eq!(
        (failed(&service), service.get("/healthz")["status"].as_str()),
        (vec!["dump_dir".to_owned()], Some("ok"))
    );
    assert!(notice(&service).as_str().unwrap().contains("DUMP_DIR is on a volume that is read-only"));
    let events = guest.watch_lifecycle();
    service.trigger(&[guest.name]);
    let refused = service.wait_for_end(guest.name);
    assert_eq!(
        (&refused["job_state"], &refused["end_reason"]["kind"]),
        (&"failed".into(), &"storage_failed".into())
    );
    assert!(refused["message"].as_str().unwrap().contains("Read-only file system"), "{refused}");
    assert_eq!((events.seen().as_str(), guest.state().as_str()), ("", "running"), "it was not touched");

    home.remount("rw");
    wait_until_ready(&service);
    service.trigger_frozen(&[guest.name]);
    let record = service.wait_for_end(guest.name)["record"].clone();
    let path = format!("/api/memory-dumps/{}", record["dump_id"].as_str().unwrap());
    home.remount("ro");
    wait_until_failed(&service, "dump_dir");
    let (status, _, refusal) = service.send("DELETE", &path, &json!({"confirm": guest.name}));
    assert_eq!(status, 503, "{refusal}");
    assert!(refusal["detail"].as_str().unwrap().ends_with("; it is kept"), "{refusal}");
    assert_eq!(
        service.get(&path)["deleted_at"],
        Value::Null,
        "no record tells of a deletion that did not happen"
    );
    assert!(Path::new(record["dump_path"].as_str().unwrap()).exists());
    home.remount("rw");
    assert_eq!(service.send("DELETE", &path, &json!({"confirm": guest.name})).0, 200);
}

#[test]
fn a_volume_that_hangs_does_not_keep_the_answer_waiting() {
    let home = Home::on_disk_of(STATE_MIB);
    let service = Service::start(&home, "serve", &[NO_GUESTS]);
    wait_until_ready(&service);
    let volume = home.hang_volume();
    let detail = wait_until_failed(&service, "dump_dir");
    assert!(detail.starts_with("DUMP_DIR does not answer"), "{detail}");
    let asked = std::time::Instant::now();
    assert_eq!(service.get("/healthz")["status"], "ok");
    assert_eq!(failed(&service), ["dump_dir"]);
    assert!(asked.elapsed() < Duration::from_secs(10) && PATIENCE > Duration::from_secs(10));
    drop(volume);
    wait_until_ready(&service);
}

/// A volume on which nothing is left of the reserve, and nothing of what a clean stop removed.
fn started_without_reserve(home: &Home, role: &str) {
    let (state, images) = (home.volume().join("state"), home.path().join("images"));
    let base_path = ("MEMDECK_BASE_PATH", "/memdeck");
    let places = [
        ("STATE_DIR", state.to_str().unwrap()),
        ("DUMP_DIR", images.to_str().unwrap()),
        NO_GUESTS,
        base_path,
    ];
    assert_eq!(Service::start(home, role, &places).terminate(), Some(0));
    std::fs::remove_file(state.join("reserve")).unwrap();
    // Gone after a clean stop, but for one that was quicker than the catalog was closed.
    let _ = std::fs::remove_file(state.join("catalog.db-shm"));
    home.fill_volume();

    let service = Service::start(home, role, &places);
    assert!(service.said.contains(" degraded: ") && !service.said.contains(" ready"), "{}", service.said);
    for path in ["/healthz", "/memdeck/healthz"] {
        assert_eq!(service.get(path)["status"], "ok", "it lives");
    }
    let detail = wait_until_failed(&service, "state_dir");
    let (status, headers, refusal) = service.send("GET", "/api/guests", &Value::Null);
    assert_eq!(status, 503, "{refusal}");
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "10"), "{refusal}");
    assert_eq!(
        (refusal["detail"].as_str(), headers["x-frame-options"].to_str().unwrap()),
        (Some(&*detail), "DENY")
    );

    home.empty_volume();
    let is_back = |readiness: &Value| (readiness["ready"] == true).then_some(());
    service.wait_through_a_new_listener("/readyz", is_back);
    assert_eq!(reserve_bytes(&state), 8 << 20);
    assert_eq!(service.terminate(), Some(0));
}

#[test]
fn a_start_without_a_byte_for_the_catalog_says_so_and_goes_on_when_there_is_room() {
    for role in ["serve", "agent"] {
        started_without_reserve(&Home::on_volume_of(STATE_MIB), role);
    }
}

#[test]
fn a_service_that_waits_for_room_can_be_stopped() {
    let home = Home::on_volume_of(STATE_MIB);
    home.fill_volume();
    let service = start_on_volume(&home, &[NO_GUESTS]);
    assert!(service.said.contains(" degraded: "), "{}", service.said);
    assert_eq!(service.terminate(), Some(0));
}
