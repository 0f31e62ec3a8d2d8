//! Volumes without room, and one that takes nothing for a while.

use std::time::Duration;

use memdeck_model::Timestamp;
use serde_json::Value;

use crate::held::Held;
use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

/// How soon the guest of a dump that failed runs.
const RESUME_LIMIT: Duration = Duration::from_secs(1);

/// Admission asks for the guest's memory twice and 64 MiB: 1088 MiB for `db-01`.
const ENOUGH_MIB: u64 = 1200;
const TOO_LITTLE_MIB: u64 = 1087;

fn fills_up(mode: &'static str) {
    let _turn = lab();
    let (db, web) = (LabGuest::running("db-01"), LabGuest::running("web-01"));
    // One after the other: a dump that has failed makes room for the next.
    for (ran, others) in [(Some(&db), None), (None, Some(&web))] {
        let held = Held::these(Home::on_volume_of(ENOUGH_MIB), mode, ran, others);
        held.home.fill_volume();
        held.release();
        for name in held.names() {
            let ended = held.serve.wait_for_end(name);
            assert_eq!(ended["job_state"], "failed", "{ended}");
            assert_eq!(ended["end_reason"]["kind"], "storage_failed", "{ended}");
            let message = ended["message"].as_str().unwrap();
            assert!(message.contains("No space left on device"), "{message}");
        }
        held.assert_guests_are_as_they_were(RESUME_LIMIT);
        assert_eq!(held.home.dumps(), ["filler"], "no file is left of the dump");

        held.home.empty_volume();
        if let Some(guest) = ran {
            held.serve.trigger_as(&[guest.name], mode);
            assert_eq!(held.serve.wait_for_end(guest.name)["job_state"], "completed", "there is room again");
        }
    }
}

#[test]
fn a_volume_that_fills_up_during_a_frozen_dump_fails_it_cleanly() {
    fills_up("frozen");
}

#[test]
fn a_volume_that_fills_up_during_a_live_dump_fails_it_cleanly() {
    fills_up("live");
}

/// A disk that hangs keeps memdeck waiting, and no guest for longer than its operator wants.
fn hangs(mode: &'static str) {
    let _turn = lab();
    let db = LabGuest::running("db-01");
    let held = Held::these(Home::on_disk_of(ENOUGH_MIB + 100), mode, Some(&db), None);
    let status = || held.serve.get("/api/memory-dumps/status/db-01");
    let volume = held.home.hang_volume();
    held.release();
    let mut before = None;
    // Until nothing is read any more.
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = status()["bytes"]["bytes_done"].as_u64();
        if now == std::mem::replace(&mut before, now) {
            break;
        }
    }
    assert_eq!(status()["phase"], "copying", "there is more than what waits in memory: {}", status());
    assert_eq!(db.state(), if mode == "frozen" { "paused" } else { "running" });
    held.serve.cancel(status()["dump_id"].as_str().unwrap());
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
    drop(volume);
    assert_eq!(held.serve.wait_for_end("db-01")["job_state"], "cancelled");
    assert_eq!(held.home.dumps(), [""; 0], "no file is left");
    held.assert_guests_are_as_they_were(RESUME_LIMIT);
}

#[test]
fn a_guest_runs_when_its_frozen_dump_is_cancelled_while_the_disk_hangs() {
    hangs("frozen");
}

#[test]
fn a_live_dump_can_be_cancelled_while_the_disk_hangs() {
    hangs("live");
}

#[test]
fn a_dump_that_the_volume_may_not_hold_is_refused_before_the_guest_is_touched() {
    let _turn = lab();
    let guest = LabGuest::running("db-01");
    let home = Home::on_volume_of(TOO_LITTLE_MIB);
    let serve = Service::start(&home, "serve", &[]);
    // As it is, and as an operator paused it.
    for operators in [false, true] {
        let suspended = operators.then(|| guest.suspend());
        let state = guest.state();
        let events = guest.watch_lifecycle();
        serve.trigger(&[guest.name]);
        let refused = serve.wait_for_end(guest.name);
        assert_eq!((&refused["job_state"], refused["mode"].is_null()), (&"failed".into(), true), "{refused}");
        let reason = &refused["end_reason"];
        assert_eq!(
            (&reason["kind"], &reason["needed_bytes"]),
            (&"no_space".into(), &(1088_u64 << 20).into())
        );
        assert_eq!(events.seen(), "", "the guest was not even stopped for a moment");
        assert_eq!((guest.state(), home.dumps()), (state, vec![]));
        drop(suspended);
    }
}

#[test]
fn dumps_that_the_volume_may_hold_one_by_one_are_not_taken_at_the_same_time() {
    let _turn = lab();
    let guests = [LabGuest::running("db-01"), LabGuest::running("web-01")];
    // Each may need its memory twice: 1024 and 512 MiB, and 64 MiB stay free.
    let home = Home::on_volume_of(ENOUGH_MIB);
    let serve = Service::start(&home, "serve", &[("MAX_PARALLEL_DUMPS", "2")]);
    serve.trigger_as(&guests.each_ref().map(|guest| guest.name), "frozen");
    let [one, other] = guests.each_ref().map(|guest| serve.wait_for_end(guest.name));
    for status in [&one, &other] {
        assert_eq!(status["job_state"], "completed", "{status}");
    }
    let manifest = |status: &Value| {
        let image = status["record"]["dump_path"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(image.replace(".elf.zst", ".json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let when = |status: &Value, what: &str| -> Timestamp {
        let told = if what == "sealed" { &status["finished_at"] } else { &manifest(status)["capture"][what] };
        told.as_str().unwrap().parse().unwrap()
    };
    let mut order = [&one, &other];
    order.sort_by_key(|status| when(status, "point_in_time"));
    let (first_ended, second_began) = (when(order[0], "sealed"), when(order[1], "point_in_time"));
    assert!(first_ended <= second_began, "{first_ended} is after {second_began}");
}
