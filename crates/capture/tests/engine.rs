//! The engine on a simulated hypervisor with a clock that moves when it is told to.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use memdeck_capture::{Engine, EngineParts, EngineSettings, ManualClock, NoGuardian};
use memdeck_catalog::{Catalog, Enqueued, NewJob};
use memdeck_hypervisor::Hypervisor as _;
use memdeck_hypervisor::simulated::{Call, Fault, PAUSE, Simulated};
use memdeck_image::{ElfScanner, ImageStore, SegmentKind, Verdict};
use memdeck_model::ModeChoice::{Auto, Frozen, Live};
use memdeck_model::{
    ByteCount, CaptureMode, DumpId, DumpOptions, DumpStatus, Event, GuestName, GuestState, JobState, Millis,
    ModeChoice, RecordQuery, Timestamp, VmRef,
};
use tokio::sync::broadcast;

const TIME_LIMIT: Duration = Duration::from_mins(1);
const LIVE_TIME_BUDGET: Duration = Duration::from_secs(20);

/// One memdeck on one state directory; engines come and go.
struct Bench {
    dir: tempfile::TempDir,
    hypervisor: Simulated,
    clock: ManualClock,
}

impl Bench {
    fn new() -> Self {
        let start = Timestamp::from_unix_micros(1_763_110_703_550_273).unwrap();
        Self {
            dir: tempfile::tempdir().unwrap(),
            hypervisor: Simulated::new(),
            clock: ManualClock::starting_at(start),
        }
    }

    fn with_guests(names: &[&str]) -> Self {
        let bench = Self::new();
        for name in names {
            drop(bench.hypervisor.add_guest(name, ByteCount::from_mib(3)));
        }
        bench
    }

    fn catalog(&self) -> Catalog {
        Catalog::open(self.dir.path()).unwrap()
    }

    fn store(&self) -> ImageStore {
        ImageStore::open(&self.dir.path().join("dumps")).unwrap()
    }

    fn engine(&self, max_parallel: u32) -> Engine {
        Engine::start(EngineParts {
            catalog: Arc::new(self.catalog()),
            hypervisor: Arc::new(self.hypervisor.clone()),
            store: self.store(),
            clock: Arc::new(self.clock.clone()),
            guardian: Arc::new(NoGuardian),
            settings: EngineSettings {
                max_parallel: NonZeroU32::new(max_parallel).unwrap(),
                time_limit: TIME_LIMIT,
                pause_budget: Duration::from_millis(60),
                live_time_budget: LIVE_TIME_BUDGET,
                shutdown_grace: Duration::ZERO,
            },
        })
        .unwrap()
    }

    /// The names of all files in the dump directory.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path().join("dumps")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn vm(name: &str) -> VmRef {
    VmRef::new(name).unwrap()
}

fn trigger(engine: &Engine, name: &str, mode: ModeChoice) -> DumpStatus {
    let options = DumpOptions { mode, ..DumpOptions::default() };
    engine.trigger(&[vm(name)], &options, "a test").unwrap().remove(name).unwrap()
}

/// Waits for the end of a dump.
fn end_of(events: &mut broadcast::Receiver<Event>, dump_id: &DumpId) -> DumpStatus {
    loop {
        if let Event::Dump(status) = events.blocking_recv().unwrap()
            && status.dump_id == *dump_id
            && status.exact_state().is_final()
        {
            return *status;
        }
    }
}

/// Dumps a guest of this name frozen to the end.
fn dump(bench: &Bench, name: &str) -> DumpStatus {
    dump_as(bench, name, Frozen)
}

/// Dumps a guest of this name to the end.
fn dump_as(bench: &Bench, name: &str, mode: ModeChoice) -> DumpStatus {
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, name, mode).dump_id;
    end_of(&mut events, &dump_id)
}

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
    let mut exported = Vec::new();
    memdeck_image::export(Path::new(&path), &mut exported).unwrap();
    assert!(exported == bench.hypervisor.image("db-01"), "the exported image is not the guest's memory");
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
}

#[test]
fn the_record_is_told_before_the_end_and_both_are_in_the_catalog_by_then() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    trigger(&engine, "db-01", Frozen);

    let mut kinds = Vec::new();
    loop {
        let event = events.blocking_recv().unwrap();
        let last = matches!(&event, Event::Dump(status) if status.exact_state().is_final());
        match event {
            Event::Dump(status) => kinds.push(status.exact_state().as_str()),
            Event::Record(_) => {
                assert_eq!(bench.catalog().records(RecordQuery { limit: 9, offset: 0 }).unwrap().total, 1);
                kinds.push("record");
            }
            _ => {}
        }
        if last {
            break;
        }
    }
    kinds.dedup();
    assert_eq!(kinds, ["queued", "running", "record", "completed"]);
    assert_eq!(bench.catalog().outbox_len().unwrap(), 1);
}

#[test]
fn no_more_dumps_run_at_once_than_allowed_and_the_oldest_comes_first() {
    let names = ["a", "b", "c", "d"];
    let bench = Bench::with_guests(&names);
    for name in ["a", "b"] {
        bench.hypervisor.next_dump(name, &[Fault::StallsAt(4096)]);
    }
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let ids: Vec<DumpId> = names.iter().map(|name| trigger(&engine, name, Frozen).dump_id).collect();
    bench.hypervisor.wait_until_stalled("a");
    bench.hypervisor.wait_until_stalled("b");
    let states = engine.statuses().unwrap();
    assert_eq!(
        names.map(|name| states[name].exact_state().as_str()),
        ["running", "running", "queued", "queued"]
    );

    bench.hypervisor.release("b");
    assert_eq!(end_of(&mut events, &ids[2]).exact_state(), JobState::Completed);
    bench.hypervisor.release("a");
    assert_eq!(end_of(&mut events, &ids[0]).exact_state(), JobState::Completed);
    drop(engine);
    assert_eq!(bench.hypervisor.most_dumps_at_once(), 2);
    let begun: Vec<_> =
        bench.hypervisor.calls().into_iter().filter(|call| matches!(call, Call::BeginDump(_))).collect();
    assert_eq!(begun[2], Call::BeginDump(GuestName("c".into())));
}

#[test]
fn a_guest_that_is_being_dumped_is_not_started_again_however_it_is_named() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let first = trigger(&engine, "db-01", Frozen);
    bench.hypervisor.wait_until_stalled("db-01");
    let again = engine.trigger(&[vm("1"), vm("db-01")], &DumpOptions::default(), "a test").unwrap();
    assert_eq!(again["1"].dump_id, first.dump_id);
    assert_eq!(again["db-01"].exact_state(), JobState::Running);
    bench.hypervisor.release("db-01");
    end_of(&mut events, &first.dump_id);
    let begun = bench.hypervisor.calls().iter().filter(|call| matches!(call, Call::BeginDump(_))).count();
    assert_eq!(begun, 1);
}

#[test]
fn an_unknown_guest_is_accepted_and_ends_with_its_name_and_the_hypervisor() {
    let bench = Bench::new();
    let status = dump(&bench, "web-09");
    assert_eq!(status.exact_state(), JobState::Failed);
    assert_eq!(status.message, "no VM 'web-09' on simulated:///host");
}

#[test]
fn a_guest_without_memory_is_refused_untouched() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_state("db-01", GuestState::Shutoff);
    let status = dump(&bench, "db-01");
    assert_eq!(status.message, "db-01 is shutoff: it has no memory to dump; start it first");
    assert_eq!(bench.hypervisor.calls(), []);
}

#[test]
fn a_guest_that_the_volume_cannot_hold_is_refused_untouched() {
    let bench = Bench::new();
    drop(bench.hypervisor.add_guest("huge", ByteCount::from_mib(1 << 40)));
    let status = dump(&bench, "huge");
    assert!(status.message.starts_with("not enough space in "), "{}", status.message);
    assert_eq!(bench.hypervisor.calls(), []);
}

/// Every way a dump can go wrong while the guest is read: it fails, no file is left, and the guest runs.
#[test]
fn a_dump_that_goes_wrong_leaves_no_file_and_a_running_guest() {
    for (fault, reason) in [
        (Fault::Refused, "could not be dumped"),
        (Fault::EndsAt(10), "before its headers were complete"),
        (Fault::EndsAt(1 << 20), "its headers promise"),
        (Fault::ExtraBytes(1), "goes on after"),
        (Fault::Fails, "could not be dumped"),
    ] {
        let bench = Bench::with_guests(&["db-01"]);
        bench.hypervisor.next_dump("db-01", &[fault, Fault::StaysPaused]);
        let status = dump(&bench, "db-01");
        assert_eq!(status.exact_state(), JobState::Failed, "{fault:?}");
        assert!(status.message.contains(reason), "{fault:?}: {}", status.message);
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
    assert_eq!(status.message, "cancelled: it took longer than the limit of 1 min 00 s (DUMP_TIMEOUT)");
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
}

#[test]
fn a_queued_and_a_running_dump_are_cancelled_by_whom_the_message_says() {
    let bench = Bench::with_guests(&["a", "b"]);
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let running = trigger(&engine, "a", Frozen).dump_id;
    let queued = trigger(&engine, "b", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("a");

    engine.cancel(&queued, "ada").unwrap();
    assert_eq!(end_of(&mut events, &queued).message, "cancelled by ada before it began");
    engine.cancel(&running, "ada").unwrap();
    assert_eq!(end_of(&mut events, &running).message, "cancelled by ada");
    assert_eq!((bench.files(), bench.hypervisor.state("a")), (vec![], GuestState::Running));
    engine.cancel(&running, "bob").unwrap();
    assert_eq!(engine.status("a").unwrap().unwrap().message, "cancelled by ada");
}

#[test]
fn a_stop_cancels_what_runs_and_keeps_what_is_queued_for_the_next_start() {
    let bench = Bench::with_guests(&["a", "b"]);
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let running = trigger(&engine, "a", Frozen).dump_id;
    let queued = trigger(&engine, "b", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("a");
    drop(engine);
    assert_eq!(bench.hypervisor.state("a"), GuestState::Running);
    let message = bench.catalog().job(&running).unwrap().unwrap().message;
    assert_eq!(message, "cancelled: memdeck was stopped while the dump was running");
    assert_eq!(bench.catalog().job(&queued).unwrap().unwrap().state, JobState::Queued);

    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    if !engine.status("b").unwrap().unwrap().exact_state().is_final() {
        end_of(&mut events, &queued);
    }
    assert_eq!(engine.status("b").unwrap().unwrap().exact_state(), JobState::Completed);
}

/// The state in which a process that was killed leaves the catalog: a job running.
fn job_of_a_dead_process(bench: &Bench, name: &str) -> DumpId {
    let catalog = bench.catalog();
    let dump_id = DumpId::from_uuid_bits(7);
    let at = Timestamp::from_unix_micros(1_000_000).unwrap();
    let job = NewJob {
        dump_id: dump_id.clone(),
        vm: vm(name),
        guest: None,
        options: DumpOptions::default(),
        requested_by: "a test".into(),
        queued_at: at,
    };
    assert!(matches!(catalog.enqueue(job).unwrap(), Enqueued::Accepted(_)));
    assert!(catalog.start_next(1, at).unwrap().is_some());
    dump_id
}

#[test]
fn what_ran_when_memdeck_died_has_failed_and_its_partial_file_is_gone() {
    let bench = Bench::with_guests(&["db-01"]);
    let dump_id = job_of_a_dead_process(&bench, "db-01");
    let partial = bench.store().create(&GuestName("db-01".into()), &dump_id).unwrap();
    std::mem::forget(partial);
    assert_eq!(bench.files().len(), 3);

    let engine = bench.engine(1);
    let status = engine.status("db-01").unwrap().unwrap();
    assert_eq!(status.exact_state(), JobState::Failed);
    assert!(status.message.starts_with("memdeck ended while this dump was running"), "{}", status.message);
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
            guest: None,
            options: DumpOptions::default(),
            requested_by: "a test".into(),
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

/// The file that `memdeck export` would write.
fn exported(status: &DumpStatus) -> Vec<u8> {
    let path = status.record.as_ref().unwrap().dump_path.clone().unwrap();
    let mut bytes = Vec::new();
    memdeck_image::export(Path::new(&path), &mut bytes).unwrap();
    bytes
}

/// The contents of every loadable segment, one after the other.
fn loadable(elf: &[u8]) -> Vec<u8> {
    let mut scanner = ElfScanner::new();
    scanner.push(elf).unwrap();
    let segments = scanner.into_core().unwrap().segments;
    let load = segments.iter().filter(|segment| segment.kind == SegmentKind::Load);
    load.flat_map(|segment| {
        let start = usize::try_from(segment.offset_bytes.0).unwrap();
        elf[start..start + usize::try_from(segment.file_bytes.0).unwrap()].to_vec()
    })
    .collect()
}

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
    assert_eq!(bench.files().len(), 5, "the spool has no name");
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
        assert!(record.fallback.as_ref().unwrap().contains(reason), "{fault:?}: {:?}", record.fallback);

        bench.hypervisor.next_dump("db-01", &[fault]);
        let status = dump_as(&bench, "db-01", Live);
        assert_eq!(status.exact_state(), JobState::Failed, "{fault:?}");
        assert!(status.message.starts_with("a live dump is not possible: "), "{}", status.message);
        assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
    }
}

#[test]
fn a_guest_that_an_operator_paused_is_dumped_frozen_and_stays_paused() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_state("db-01", GuestState::Paused);
    let record = dump_as(&bench, "db-01", Auto).record.unwrap();
    assert_eq!((record.mode, record.pause_ms), (Some(CaptureMode::Frozen), Some(Millis(0))));
    assert_eq!(record.fallback.unwrap(), "the guest is paused, so standing still costs it nothing");
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
    let reason = record.fallback.unwrap();
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
    assert!(engine.cancel(&dump_id, "ada").unwrap());
    assert_eq!(end_of(&mut events, &dump_id).message, "cancelled by ada");
    assert_eq!((bench.files(), bench.hypervisor.state("db-01")), (vec![], GuestState::Running));
    assert!(bench.hypervisor.calls().contains(&Call::Abort(GuestName("db-01".into()))));
    assert!(!engine.cancel(&DumpId::from_uuid_bits(1), "ada").unwrap(), "there is no such dump");
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
fn encrypted_memory_is_dumped_only_when_that_is_accepted() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_launch_security("db-01", "sev");
    let refused = dump_as(&bench, "db-01", Auto);
    assert!(refused.message.contains("encrypted (sev)"), "{}", refused.message);
    assert_eq!(bench.hypervisor.calls(), []);

    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let options = DumpOptions { accept_encrypted: true, ..DumpOptions::default() };
    let accepted = engine.trigger(&[vm("db-01")], &options, "a test").unwrap().remove("db-01").unwrap();
    assert!(end_of(&mut events, &accepted.dump_id).record.unwrap().encrypted);
}

#[test]
fn case_and_note_are_kept_with_the_dump() {
    let bench = Bench::with_guests(&["db-01"]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let options = DumpOptions {
        case: Some("IR-2026-17".parse().unwrap()),
        note: Some("before the reboot".parse().unwrap()),
        ..DumpOptions::default()
    };
    let accepted = engine.trigger(&[vm("db-01")], &options, "a test").unwrap().remove("db-01").unwrap();
    let record = end_of(&mut events, &accepted.dump_id).record.unwrap();
    assert_eq!((record.case, record.note), (options.case, options.note));
}

/// The state in which a process that was killed while a guest was stopped leaves everything.
fn guest_left_paused_by_a_dead_process(bench: &Bench, was_running: bool) {
    let dump_id = job_of_a_dead_process(bench, "db-01");
    let uuid = bench.hypervisor.resolve(&vm("db-01")).unwrap().uuid;
    bench.catalog().intend(&dump_id, &uuid, was_running).unwrap();
    bench.hypervisor.set_state("db-01", GuestState::Paused);
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
