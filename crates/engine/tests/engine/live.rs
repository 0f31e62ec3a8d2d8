//! Dumps of a guest that runs on.

use std::time::Duration;

use memdeck_hypervisor::Hypervisor as _;
use memdeck_hypervisor::simulated::{Call, Fault, PAUSE};
use memdeck_model::ModeChoice::{Auto, Live};
use memdeck_model::{
    Actor, CaptureMode, DumpId, DumpPhase, EndReason, GuestName, GuestState, JobState, Millis,
};

use crate::support::*;

#[test]
fn a_live_dump_holds_the_same_memory_as_a_frozen_one() {
    let bench = Bench::with_guests(&["db-01"]);
    let status = dump_as(&bench, "db-01", Auto);
    assert_eq!(status.exact_state(), JobState::Completed, "{}", status.message);
    assert_eq!((status.mode, &status.fallback), (Some(CaptureMode::Live), &None));
    assert_eq!(status.pause_ms, Some(Millis::from(PAUSE)));
    assert!(loadable(&exported(&status)) == loadable(&bench.hypervisor.image("db-01")), "the memory differs");
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
    assert_eq!(bench.catalog().intents().unwrap(), []);
    assert_eq!(bench.files().len(), 6, "the spool has no name");
}

/// Each reason for which `auto` takes the guest frozen: it is done, and the record says why. `live` alone fails.
#[test]
fn what_cannot_be_dumped_live_is_dumped_frozen_with_the_reason() {
    for (fault, reason) in
        [(Fault::CannotMigrate, "only a frozen dump is possible"), (Fault::Compressed, "dump_image_format")]
    {
        let bench = Bench::with_guests(&["db-01"]);
        bench.hypervisor.next_dump("db-01", &[fault]);
        let status = dump_as(&bench, "db-01", Auto);
        assert_eq!(status.exact_state(), JobState::Completed, "{fault:?}: {}", status.message);
        let record = status.record.unwrap();
        assert_eq!(record.mode, Some(CaptureMode::Frozen), "{fault:?}");
        assert!(
            record.fallback.as_ref().unwrap().to_string().contains(reason),
            "{fault:?}: {:?}",
            record.fallback
        );

        bench.hypervisor.next_dump("db-01", &[fault]);
        let status = dump_as(&bench, "db-01", Live);
        assert_eq!(status.exact_state(), JobState::Failed, "{fault:?}");
        assert!(matches!(status.end_reason, Some(EndReason::NotLive { .. })), "{:?}", status.end_reason);
        assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
    }
}

#[test]
fn an_image_that_the_hypervisor_may_have_torn_is_not_believed() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_exact_iterations("db-01", 2);
    assert_eq!(
        dump_as(&bench, "db-01", Auto).mode,
        Some(CaptureMode::Live),
        "two passes are within the limit"
    );

    bench.hypervisor.set_exact_iterations("db-01", 1);
    let record = dump_as(&bench, "db-01", Auto).record.unwrap();
    assert_eq!(record.mode, Some(CaptureMode::Frozen));
    assert!(record.fallback.unwrap().to_string().contains("may lose what an emulated guest writes"));
    let refused = dump_as(&bench, "db-01", Live);
    assert_eq!(refused.exact_state(), JobState::Failed, "{}", refused.message);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
}

#[test]
fn a_guest_that_an_operator_paused_is_dumped_frozen_and_stays_paused() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_state("db-01", GuestState::Paused);
    let record = dump_as(&bench, "db-01", Auto).record.unwrap();
    assert_eq!((record.mode, record.pause_ms), (Some(CaptureMode::Frozen), Some(Millis(0))));
    assert_eq!(record.fallback, Some("the guest is paused, so standing still costs it nothing".into()));
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn a_live_dump_that_does_not_converge_is_given_up_after_its_time_and_taken_frozen() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::DoesNotConverge]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Auto).dump_id;
    bench.hypervisor.wait_until_stalled("db-01");
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
    bench.clock.advance(LIVE_TIME_BUDGET);
    let record = end_of(&mut events, &dump_id).record.unwrap();
    assert_eq!(record.mode, Some(CaptureMode::Frozen));
    let reason = record.fallback.unwrap().to_string();
    assert!(
        reason.starts_with("the live copy was not complete after 20.00 s: the guest changes "),
        "{reason}"
    );
    assert!(bench.hypervisor.calls().contains(&Call::Abort(GuestName("db-01".into()))));
}

#[test]
fn a_cancelled_live_dump_is_aborted_and_its_guest_never_stopped() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Live).dump_id;
    bench.hypervisor.wait_until_stalled("db-01");
    assert!(engine.cancel(&dump_id, &Actor::named("ada")).unwrap());
    assert_eq!(end_of(&mut events, &dump_id).end_reason, Some(cancelled_by_ada(false)));
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
    assert!(bench.hypervisor.calls().contains(&Call::Abort(GuestName("db-01".into()))));
    assert!(
        !engine.cancel(&DumpId::from_uuid_bits(1), &Actor::named("ada")).unwrap(),
        "there is no such dump"
    );
}

/// Every way a live dump can go wrong while the guest is read: it fails, no file is left, and the guest runs.
#[test]
fn a_live_dump_that_goes_wrong_leaves_no_file_and_a_running_guest() {
    for fault in
        [Fault::EndsAt(10), Fault::EndsAt(1 << 20), Fault::ExtraBytes(1), Fault::Fails, Fault::Aborted]
    {
        let bench = Bench::with_guests(&["db-01"]);
        bench.hypervisor.next_dump("db-01", &[fault, Fault::StaysPaused]);
        let status = dump_as(&bench, "db-01", Auto);
        assert_eq!(status.exact_state(), JobState::Failed, "{fault:?}: {}", status.message);
        assert_eq!(bench.files(), [""; 0], "{fault:?}");
        assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running, "{fault:?}");
        assert_eq!(bench.catalog().intents().unwrap(), [], "{fault:?}");
    }
}

#[test]
fn the_guests_own_downtime_limit_is_back_after_a_dump() {
    let bench = Bench::with_guests(&["db-01"]);
    let uuid = bench.hypervisor.resolve(&vm("db-01")).unwrap().uuid;
    bench.hypervisor.set_max_downtime(&uuid, Duration::from_millis(251)).unwrap();
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Live).dump_id;
    bench.hypervisor.wait_until_stalled("db-01");
    let noted = bench.catalog().intents().unwrap().remove(0);
    assert_eq!(noted.max_downtime, Some(Millis(251)), "whoever finds the intent knows the limit");
    assert_eq!(bench.hypervisor.max_downtime(&uuid).unwrap(), Some(Duration::from_millis(60)));
    bench.hypervisor.release("db-01");
    assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Completed);
    assert_eq!(bench.hypervisor.max_downtime(&uuid).unwrap(), Some(Duration::from_millis(251)));
}

#[test]
fn a_live_dump_tells_its_copy_and_its_storing_with_bytes_of_their_own() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Live).dump_id;
    let told = statuses_until_the_end(&mut events, &dump_id);
    let storing: Vec<_> = told.iter().filter(|status| status.phase == Some(DumpPhase::Storing)).collect();
    let first = storing.first().expect("the phase is told, however short it is");
    assert!(first.progress >= 50.0, "copying is one half of the way: {first:?}");
    assert!(first.bytes.unwrap().bytes_done.0 <= 1 << 20, "the bytes of this phase alone: {first:?}");
    assert!(told.iter().filter(|status| status.phase.is_some()).map(|status| status.progress).is_sorted());
}
