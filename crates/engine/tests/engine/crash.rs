//! What a memdeck that died left behind, and what the next one does about it.

use std::time::Duration;

use memdeck_catalog::{Intent, NewJob};
use memdeck_hypervisor::Hypervisor as _;
use memdeck_model::ModeChoice::Frozen;
use memdeck_model::{
    Actor, DumpOptions, EndReason, GuestName, GuestState, JobState, Millis, Timestamp, WaitsFor,
};

use crate::support::*;

#[test]
fn what_ran_when_memdeck_died_has_failed_and_its_partial_file_is_gone() {
    let bench = Bench::with_guests(&["db-01"]);
    let dump_id = job_of_a_dead_process(&bench, "db-01");
    let partial = bench.store().create(&GuestName("db-01".into()), &dump_id).unwrap();
    std::mem::forget(partial);
    assert_eq!(bench.files().len(), 3, "image, page map and digests");

    let engine = bench.engine(1);
    let status = engine.status("db-01").unwrap().unwrap();
    assert_eq!(status.exact_state(), JobState::Failed);
    assert_eq!(status.end_reason, Some(EndReason::LostInRestart));
    assert_eq!(bench.files(), [""; 0]);
}

#[test]
fn an_image_that_was_sealed_when_memdeck_died_gets_its_record() {
    let bench = Bench::with_guests(&["db-01"]);
    // A whole dump whose record is then unknown to a fresh catalog, as if the process had died before writing it.
    let finished = dump(&bench, "db-01");
    let image = bench.files();
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(bench.dir.path().join(name));
    }
    let catalog = bench.catalog();
    let at = Timestamp::from_unix_micros(1_000_000).unwrap();
    let dump_id = finished.dump_id.clone();
    catalog
        .enqueue(NewJob {
            dump_id,
            vm: vm("db-01"),
            asked_by_text: true,
            guest: None,
            options: DumpOptions::default(),
            requested_by: Actor::named("a test"),
            queued_at: at,
        })
        .unwrap();
    catalog.start_next(1, at).unwrap();
    drop(catalog);

    let engine = bench.engine(1);
    let found = engine.status("db-01").unwrap().unwrap();
    assert_eq!(found.exact_state(), JobState::Completed);
    assert_eq!(found.record.unwrap().sha256, finished.record.unwrap().sha256);
    assert_eq!(bench.files(), image);
}

#[test]
fn a_guest_that_a_dead_process_left_paused_runs_after_the_next_start() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    let engine = bench.engine(1);
    bench.hypervisor.wait_for_state("db-01", GuestState::Running);
    drop(engine);
    assert_eq!(bench.catalog().intents().unwrap(), []);
}

#[test]
fn a_guest_left_paused_runs_as_soon_as_the_hypervisor_answers_again() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    bench.hypervisor.set_available(false);
    let engine = bench.engine(1);
    bench.hypervisor.set_available(true);
    bench.hypervisor.wait_for_state("db-01", GuestState::Running);
    drop(engine);
}

#[test]
fn a_guest_about_which_nobody_answers_keeps_no_other_guest_waiting() {
    let bench = Bench::with_guests(&["db-01", "web-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    let uuid = bench.hypervisor.resolve(&vm("web-01")).unwrap().uuid;
    let dump_id = job_of_a_dead_process(&bench, "web-01");
    let intent = Intent {
        dump_id,
        guest_uuid: uuid,
        was_running: true,
        max_downtime: None,
        owns_unexplained_pause: false,
    };
    bench.catalog().intend(&intent).unwrap();
    bench.hypervisor.set_state("web-01", GuestState::Paused);
    bench.hypervisor.set_silent("db-01", true);
    let engine = bench.engine(1);
    bench.hypervisor.wait_for_state("web-01", GuestState::Running);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
    bench.hypervisor.set_silent("db-01", false);
    bench.hypervisor.wait_for_state("db-01", GuestState::Running);
    drop(engine);
}

#[test]
fn a_dump_that_waits_for_what_an_earlier_one_left_behind_can_be_cancelled_and_has_a_time_limit() {
    for is_cancelled in [true, false] {
        let bench = Bench::with_guests(&["db-01"]);
        guest_left_paused_by_a_dead_process(&bench, true);
        bench.hypervisor.set_silent("db-01", true);
        let engine = bench.engine(1);
        let mut events = engine.subscribe();
        let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
        let waiting = wait_until_it_waits_for(&mut events, &dump_id, WaitsFor::EarlierDump);
        assert_eq!(waiting.exact_state(), JobState::Running);
        if is_cancelled {
            assert!(engine.cancel(&dump_id, &Actor::named("a test")).unwrap());
        } else {
            bench.clock.advance(TIME_LIMIT);
        }
        let ended = end_of(&mut events, &dump_id);
        let expected = if is_cancelled {
            EndReason::Cancelled { by: Actor::named("a test"), before_start: false }
        } else {
            EndReason::TimeLimit { limit_ms: Millis::from(TIME_LIMIT) }
        };
        assert_eq!(ended.end_reason, Some(expected));
        assert_eq!(bench.hypervisor.calls(), [], "its guest was not touched");
        bench.hypervisor.set_silent("db-01", false);
        drop(engine);
    }
}

#[test]
fn a_pause_without_a_reason_is_not_ended_for_a_dead_process_because_an_operator_may_have_made_it() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    bench.hypervisor.pause_unexplained("db-01");
    drop(bench.engine(1));
    assert_eq!(bench.catalog().intents().unwrap(), [], "the next dump of it need not wait");
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
    assert_eq!(bench.hypervisor.calls(), []);
}

#[test]
fn what_a_dead_process_found_paused_stays_paused() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, false);
    drop(bench.engine(1));
    assert_eq!(bench.catalog().intents().unwrap(), []);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn a_stop_while_the_hypervisor_is_away_keeps_the_intent_for_the_next_start() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    bench.hypervisor.set_available(false);
    drop(bench.engine(1));
    assert_eq!(bench.catalog().intents().unwrap().len(), 1);
}

#[test]
fn a_guest_that_an_operator_paused_after_the_crash_stays_paused() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    bench.hypervisor.suspend("db-01");
    drop(bench.engine(1));
    assert_eq!(bench.catalog().intents().unwrap(), []);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn a_limit_that_a_dead_process_changed_is_what_it_was_after_the_next_start() {
    for was_running in [true, false] {
        let bench = Bench::with_guests(&["db-01"]);
        guest_left_paused_by_a_dead_process(&bench, was_running);
        let uuid = bench.hypervisor.resolve(&vm("db-01")).unwrap().uuid;
        bench.hypervisor.set_max_downtime(&uuid, Duration::from_millis(60)).unwrap();
        drop(bench.engine(1));
        assert_eq!(bench.hypervisor.max_downtime(&uuid).unwrap(), Some(Duration::from_millis(300)));
        assert_eq!(bench.catalog().intents().unwrap(), []);
    }
}

#[test]
fn a_guest_that_is_gone_after_a_crash_needs_nothing_any_more() {
    let bench = Bench::with_guests(&["db-01"]);
    guest_left_paused_by_a_dead_process(&bench, true);
    bench.hypervisor.remove_guest("db-01");
    drop(bench.engine(1));
    assert_eq!(bench.catalog().intents().unwrap(), []);
}
