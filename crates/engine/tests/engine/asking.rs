//! What is asked for: who is dumped, in which order, who is refused, who cancels.

use memdeck_hypervisor::simulated::{Call, Fault};
use memdeck_model::ModeChoice::{Auto, Frozen};
use memdeck_model::{
    Actor, ByteCount, DumpId, DumpOptions, EndReason, Event, GuestName, GuestState, JobState, Message,
    RecordQuery, WaitsFor,
};

use crate::support::*;

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
                assert_eq!(bench.catalog().records(&RecordQuery::newest(9, 0)).unwrap().total, 1);
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

    assert_eq!(
        names.map(|name| states[name].waits_for),
        [None, None, Some(WaitsFor::Turn), Some(WaitsFor::Turn)]
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
    let again =
        engine.trigger(&[vm("1"), vm("db-01")], &DumpOptions::default(), &Actor::named("a test")).unwrap();
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
    let reason =
        EndReason::UnknownGuest { vm: "web-09".to_owned(), hypervisor: "simulated:///host".to_owned() };
    assert_eq!((status.message, status.end_reason), (Message::new(&reason), Some(reason)));
}

#[test]
fn a_guest_that_was_made_anew_under_its_name_while_its_dump_waited_is_not_taken_for_it() {
    let bench = Bench::with_guests(&["a", "b"]);
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(1 << 20)]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    trigger(&engine, "a", Frozen);
    bench.hypervisor.wait_until_stalled("a");
    let waiting = trigger(&engine, "b", Frozen);
    bench.hypervisor.remove_guest("b");
    let another = bench.hypervisor.add_guest("b", ByteCount::from_mib(3));
    assert_ne!(waiting.guest_uuid.as_ref(), Some(&another.uuid));
    bench.hypervisor.release("a");
    let end = end_of(&mut events, &waiting.dump_id);
    assert!(matches!(end.end_reason, Some(EndReason::UnknownGuest { .. })), "{end:?}");
    let is_of_b = |call: &Call| matches!(call, Call::BeginDump(name) if name.0 == "b");
    assert!(!bench.hypervisor.calls().iter().any(is_of_b), "the other guest was not touched");
}

#[test]
fn a_guest_without_memory_is_refused_untouched() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_state("db-01", GuestState::Shutoff);
    let status = dump(&bench, "db-01");
    let reason = EndReason::NoMemory { guest: "db-01".to_owned(), state: GuestState::Shutoff };
    assert_eq!((status.message, status.end_reason), (Message::new(&reason), Some(reason)));
    assert_eq!(bench.hypervisor.calls(), []);
}

#[test]
fn encrypted_memory_is_dumped_only_when_that_is_accepted() {
    let bench = Bench::with_guests(&["db-01"]);
    bench.hypervisor.set_launch_security("db-01", "sev");
    let refused = dump_as(&bench, "db-01", Auto);
    let reason = EndReason::Encrypted { guest: "db-01".to_owned(), encryption: "sev".to_owned() };
    assert_eq!(refused.end_reason, Some(reason));
    assert_eq!(bench.hypervisor.calls(), []);

    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let options = DumpOptions { accept_encrypted: true, ..DumpOptions::default() };
    let accepted =
        engine.trigger(&[vm("db-01")], &options, &Actor::named("a test")).unwrap().remove("db-01").unwrap();
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
    let accepted =
        engine.trigger(&[vm("db-01")], &options, &Actor::named("a test")).unwrap().remove("db-01").unwrap();
    let record = end_of(&mut events, &accepted.dump_id).record.unwrap();
    assert_eq!((record.case, record.note), (options.case, options.note));
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

    engine.cancel(&queued, &Actor::named("ada")).unwrap();
    assert_eq!(end_of(&mut events, &queued).end_reason, Some(cancelled_by_ada(true)));
    engine.cancel(&running, &Actor::named("ada")).unwrap();
    assert_eq!(end_of(&mut events, &running).end_reason, Some(cancelled_by_ada(false)));
    assert_eq!((bench.files(), bench.hypervisor.state("a")), (vec![], GuestState::Running));
    engine.cancel(&running, &Actor::named("bob")).unwrap();
    assert_eq!(engine.status("a").unwrap().unwrap().end_reason, Some(cancelled_by_ada(false)));
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
    let stopped = bench.catalog().job(&running).unwrap().unwrap();
    assert_eq!(stopped.end_reason, Some(EndReason::Shutdown));
    assert_eq!(bench.catalog().job(&queued).unwrap().unwrap().state, JobState::Queued);

    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    if !engine.status("b").unwrap().unwrap().exact_state().is_final() {
        end_of(&mut events, &queued);
    }
    assert_eq!(engine.status("b").unwrap().unwrap().exact_state(), JobState::Completed);
}

#[test]
fn whom_a_request_means_is_asked_once_for_all_and_not_where_dumps_ask() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let (mut bench, asked) = (Bench::with_guests(&names), Bench::with_guests(&names).hypervisor);
    bench.lookup = Some(asked.clone());
    bench.hypervisor.set_available(false);
    let engine = bench.engine(1);
    let unknown = [vm("i")];
    let targets: Vec<_> = names.map(vm).into_iter().chain(unknown).collect();
    let statuses = engine.trigger(&targets, &DumpOptions::default(), &Actor::named("a test")).unwrap();
    assert_eq!(asked.lookups(), 1, "one call for nine guests");
    for name in names {
        assert_eq!(statuses[name].guest, Some(GuestName(name.to_owned())), "where dumps ask, nobody answers");
    }
    assert_eq!(statuses["i"].guest, None);
}

#[test]
fn a_dump_and_the_resume_after_it_go_through_while_nobody_who_looks_something_up_is_answered() {
    let mut bench = Bench::with_guests(&["db-01"]);
    let asked = Bench::with_guests(&["db-01"]).hypervisor;
    asked.set_available(false);
    bench.lookup = Some(asked);
    bench.hypervisor.next_dump("db-01", &[Fault::StaysPaused]);
    let engine = bench.engine(1);
    let mut events = engine.subscribe();
    let dump_id = trigger(&engine, "db-01", Frozen).dump_id;
    assert_eq!(end_of(&mut events, &dump_id).exact_state(), JobState::Completed);
    drop(engine);
    assert_eq!(bench.hypervisor.calls().last(), Some(&Call::Resume(GuestName("db-01".into()))));
    assert_eq!(bench.hypervisor.state("db-01"), GuestState::Running);
}
