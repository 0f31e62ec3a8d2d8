//! Another program's job has the guest: waited for, and never taken for the operator's pause.

use std::time::Duration;

use memdeck_hypervisor::Hypervisor as _;
use memdeck_model::ModeChoice::{Auto, Frozen};
use memdeck_model::{Actor, CaptureMode, EndReason, GuestState, JobState, Millis, WaitsFor};

use crate::support::*;

#[test]
fn a_guest_that_stands_still_for_another_programs_dump_is_dumped_when_it_runs_and_its_pause_is_told() {
    for mode in [Auto, Frozen] {
        let bench = Bench::with_guests(&["a"]);
        bench.hypervisor.begin_foreign_dump("a");
        let engine = bench.engine(1);
        let mut events = engine.subscribe();
        let dump_id = trigger(&engine, "a", mode).dump_id;
        assert_eq!(
            wait_until_it_waits_for(&mut events, &dump_id, WaitsFor::ForeignJob).progress.to_string(),
            "0"
        );
        assert_eq!(bench.hypervisor.calls(), [], "its guest is not touched");

        bench.hypervisor.end_foreign_dump("a");
        let ended = end_of(&mut events, &dump_id);
        assert_eq!(ended.exact_state(), JobState::Completed, "{ended:?}");
        let expected = if mode == Auto { CaptureMode::Live } else { CaptureMode::Frozen };
        assert_eq!((ended.mode, ended.fallback), (Some(expected), None));
        assert_eq!(ended.pause_ms, Some(Millis(40)), "it ran, so the dump's own pause is told");
        assert_eq!(bench.hypervisor.state("a"), GuestState::Running);
    }
}

#[test]
fn a_job_of_another_program_that_does_not_end_is_named_as_the_reason() {
    let bench = Bench::with_guests(&["a"]);
    bench.hypervisor.begin_foreign_dump("a");
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "a", Auto).dump_id;
    drop(wait_until_it_waits_for(&mut events, &dump_id, WaitsFor::ForeignJob));
    bench.clock.advance(Duration::from_secs(30));
    let ended = end_of(&mut events, &dump_id);
    let reason = EndReason::ForeignJob {
        guest: "a".to_owned(),
        job: Some("dump".to_owned()),
        waited_ms: Millis(30_000),
    };
    assert_eq!((ended.exact_state(), ended.end_reason), (JobState::Failed, Some(reason)));
    assert_eq!(bench.hypervisor.calls(), [], "its guest was not touched");
    assert_eq!(bench.hypervisor.state("a"), GuestState::Paused, "as the other program has it");
}

/// The job begins after a dump has ended and before its guest is as it was, so the guest cannot be put right for now.
#[test]
fn a_job_that_keeps_an_earlier_dumps_guest_from_being_put_right_is_waited_for_no_longer_than_any_other() {
    for was_running in [true, false] {
        let bench = Bench::with_guests(&["db-01"]);
        let uuid = bench.hypervisor.resolve(&vm("db-01")).unwrap().uuid;
        bench.hypervisor.set_max_downtime(&uuid, Duration::from_millis(60)).unwrap();
        guest_left_paused_by_a_dead_process(&bench, was_running);
        bench.hypervisor.begin_foreign_dump("db-01");
        let engine = bench.engine(1);
        let mut events = engine.subscribe();
        let dump_id = trigger(&engine, "db-01", Auto).dump_id;
        drop(wait_until_it_waits_for(&mut events, &dump_id, WaitsFor::ForeignJob));
        bench.clock.advance(Duration::from_secs(30));
        let ended = end_of(&mut events, &dump_id);
        let reason = EndReason::ForeignJob {
            guest: "db-01".to_owned(),
            job: Some("dump".to_owned()),
            waited_ms: Millis(30_000),
        };
        assert_eq!(ended.end_reason, Some(reason), "{was_running}");
        assert_eq!(bench.hypervisor.calls(), [], "its guest was not touched");

        bench.hypervisor.end_foreign_dump("db-01");
        let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
        assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Completed);
        assert_eq!(bench.hypervisor.max_downtime(&uuid).unwrap(), Some(Duration::from_millis(300)));
    }
}

#[test]
fn a_dump_that_waits_for_another_programs_job_can_be_cancelled() {
    let bench = Bench::with_guests(&["a"]);
    bench.hypervisor.begin_foreign_dump("a");
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "a", Frozen).dump_id;
    drop(wait_until_it_waits_for(&mut events, &dump_id, WaitsFor::ForeignJob));
    engine.cancel(&dump_id, &Actor::named("a test")).unwrap();
    assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Cancelled);
    assert_eq!(bench.hypervisor.calls(), []);
}
