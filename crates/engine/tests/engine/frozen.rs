//! Dumps of a guest that stands still.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memdeck_engine::{Clock, ManualClock};
use memdeck_hypervisor::Hypervisor as _;
use memdeck_hypervisor::simulated::{Call, Fault, PAUSE, Simulated};
use memdeck_image::Verdict;
use memdeck_model::ModeChoice::Frozen;
use memdeck_model::{DumpPhase, EndReason, GuestName, GuestState, JobState, Millis, Timestamp};

use crate::support::*;

#[test]
fn a_finished_dump_is_the_guests_memory_with_its_record() {
    let bench = Bench::with_guests(&["db-01"]);
    let status = dump(&bench, "db-01");

    assert_eq!(status.exact_state(), JobState::Completed);
    assert_eq!((status.progress, status.pause_ms), (100.0, Some(Millis::from(PAUSE))));
    let record = status.record.unwrap();
    assert_eq!((record.dom, record.vmid.as_str(), record.ok), (GuestName("db-01".into()), "1", true));

    let path = record.dump_path.unwrap();
    let report = memdeck_image::verify(Path::new(&path), &mut |_| {}).unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{:?}", report.findings);
    assert_eq!(report.sha256, record.sha256);
    let (manifest, host) = (report.manifest.unwrap(), bench.hypervisor.host().unwrap());
    assert_eq!((manifest.host_kernel, manifest.host_clock), (host.kernel, host.clock));
    let mut exported = Vec::new();
    memdeck_image::export(Path::new(&path), &mut exported).unwrap();
    assert!(exported == bench.hypervisor.image("db-01"), "the exported image is not the guest's memory");
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
}

/// Every way a dump can go wrong while the guest is read: it fails, no file is left, and the guest runs.
#[test]
fn a_dump_that_goes_wrong_leaves_no_file_and_a_running_guest() {
    let promised = Bench::with_guests(&["db-01"]).hypervisor.image("db-01").len();
    let refused = |why: &str| EndReason::HypervisorFailed {
        detail: format!("the memory of VM 'db-01' could not be dumped: {why}").into(),
    };
    let torn =
        |how: &str| EndReason::StreamFailed { detail: format!("the guest's memory stream {how}").into() };
    let short = format!("ended after 1048576 bytes; its headers promise {promised}");
    let long = format!("goes on after the {promised} bytes that its headers promise");
    for (fault, reason) in [
        (Fault::Refused, refused("refused on request")),
        (Fault::EndsAt(10), torn("ended after 10 bytes, before its headers were complete")),
        (Fault::EndsAt(1 << 20), torn(&short)),
        (Fault::ExtraBytes(1), torn(&long)),
        (Fault::Fails, refused("failed on request")),
    ] {
        let bench = Bench::with_guests(&["db-01"]);
        bench.hypervisor.next_dump("db-01", &[fault, Fault::StaysPaused]);
        let status = dump(&bench, "db-01");
        assert_eq!(status.exact_state(), JobState::Failed, "{fault:?}");
        assert_eq!(status.end_reason, Some(reason), "{fault:?}");
        assert_eq!(bench.files(), [""; 0], "{fault:?}");
        assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running, "{fault:?}");
        assert_eq!(bench.catalog().stats().unwrap().total_dumps, 0, "{fault:?}");
    }
}

#[test]
fn a_guest_that_the_dump_left_paused_is_resumed_once() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::StaysPaused]);
    assert_eq!(dump(&bench, "db-01").exact_state(), JobState::Completed);
    let resumes = bench.hypervisor.calls().iter().filter(|call| matches!(call, Call::Resume(_))).count();
    assert_eq!((resumes, bench.hypervisor.state("db-01")), (1, GuestState::Running));
}

#[test]
fn a_guest_that_an_operator_paused_stays_paused() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_state("db-01", GuestState::Paused);
    assert_eq!(dump(&bench, "db-01").exact_state(), JobState::Completed);
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
    assert!(!bench.hypervisor.calls().iter().any(|call| matches!(call, Call::Resume(_))));
}

#[test]
fn a_pause_that_nobody_saw_is_unknown_not_zero() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::PauseMissed]);
    assert_eq!(dump(&bench, "db-01").record.unwrap().pause_ms, None);
}

#[test]
fn a_dump_over_its_time_limit_is_cancelled_and_its_guest_runs() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("db-01");
    bench.clock.advance(TIME_LIMIT);
    let status = end_of(&mut events, &dump_id);
    assert_eq!(status.exact_state(), JobState::Cancelled);
    assert_eq!(status.end_reason, Some(EndReason::TimeLimit { limit_ms: TIME_LIMIT.into() }));
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
}

#[test]
fn a_guest_that_an_operator_pauses_during_its_dump_stays_paused() {
    // By libvirt, and by QEMU's monitor behind its back: no frozen dump leaves a pause without a reason.
    for pause in [Simulated::suspend, Simulated::pause_unexplained] {
        let bench = Bench::with_guests(&["db-01"]);
        bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20), Fault::StaysPaused]);
        let engine = bench.engine(1);
        let mut events = engine.subscribe();
        let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
        bench.hypervisor.wait_until_stalled("db-01");
        pause(&bench.hypervisor, "db-01");
        bench.hypervisor.release("db-01");
        assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Completed);
        assert_eq!(bench.hypervisor.state("db-01"), GuestState::Paused);
        assert!(!bench.hypervisor.calls().iter().any(|call| matches!(call, Call::Resume(_))));
    }
}

#[test]
fn a_dump_tells_whether_its_guest_is_still_needed() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    let told = statuses_until_the_end(&mut events, &dump_id);
    let phases: Vec<_> = told.iter().filter_map(|status| status.phase).collect();
    assert_eq!(phases.first(), Some(&DumpPhase::Copying));
    assert_eq!(phases.last(), Some(&DumpPhase::Storing));
    assert!(told.iter().filter(|status| status.phase.is_some()).map(|status| status.progress).is_sorted());
}

/// A clock that goes on by a millisecond whenever it is looked at.
struct Restless(ManualClock);

impl Clock for Restless {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(Duration::from_millis(1));
        self.0.monotonic()
    }
}

#[test]
fn a_dump_lasts_until_it_is_sealed_on_disk() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine_by(Arc::new(Restless(bench.clock.clone())), 1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    let status = end_of(&mut events, &dump_id);
    let record = status.record.unwrap();
    let manifest =
        memdeck_image::verify(Path::new(&record.dump_path.unwrap()), &mut |_| {}).unwrap().manifest.unwrap();
    // What the manifest tells cannot include its own sealing.
    let written = Duration::from_millis(manifest.finished_at.since(manifest.started_at).0);
    let sealed = Duration::from_secs_f64(record.duration_sec.unwrap());
    // Others look at the clock too.
    assert!(sealed >= written + Duration::from_millis(1), "{sealed:?} {written:?}");
    assert_eq!((status.duration_sec, status.started_at), (record.duration_sec, Some(record.timestamp)));
}

#[test]
fn a_guest_whose_dump_stalls_runs_again_at_the_pause_limit_and_the_reason_is_typed() {
    let mut bench = Bench::with_guests(&["db-01"]);
    bench.frozen_pause_limit = Duration::from_millis(300);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let began = std::time::Instant::now();
    let status = dump(&bench, "db-01");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(status.end_reason, Some(EndReason::PauseLimit { limit_ms: Millis(300) }));
    assert_eq!(status.exact_state(), JobState::Failed);
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
}

/// Takes the ten seconds that a stream is waited for.
#[test]
fn a_guest_of_which_no_byte_comes_any_more_runs_long_before_the_pause_limit_and_the_reason_is_typed() {
    let mut bench = Bench::with_guests(&["db-01"]);
    bench.frozen_pause_limit = Duration::from_hours(1);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let status = dump(&bench, "db-01");
    assert_eq!(status.end_reason, Some(EndReason::NoProgress { waited_ms: Millis(10_000) }));
    assert_eq!(status.exact_state(), JobState::Failed);
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
}

#[test]
fn a_guest_that_was_paused_before_has_no_pause_limit() {
    let mut bench = Bench::with_guests(&["db-01"]);
    bench.frozen_pause_limit = Duration::from_millis(100);
    bench.hypervisor.set_state("db-01", GuestState::Paused);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("db-01");
    std::thread::sleep(Duration::from_millis(300));
    bench.hypervisor.release("db-01");
    assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Completed);
}
