//! Room on the volume: asked for before a guest is touched, for all dumps together.

use memdeck_hypervisor::simulated::{Call, Fault};
use memdeck_model::ModeChoice::{Auto, Frozen};
use memdeck_model::{Actor, ByteCount, EndReason, JobState, WaitsFor};

use crate::support::*;

/// A guest of 3 MiB may need twice as much, and 64 MiB stay free.
const ONE: u64 = 6 + 64;
const TWO: u64 = 12 + 64;

fn begun(bench: &Bench) -> usize {
    bench.hypervisor.calls().iter().filter(|call| matches!(call, Call::BeginDump(_))).count()
}

#[test]
fn dumps_for_which_together_there_is_no_room_run_one_after_the_other() {
    let bench = Bench::with_guests(&["a", "b"]).on_volume_with(TWO - 1);
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(4096)]);
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let first = trigger(&engine, "a", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("a");
    let second = trigger(&engine, "b", Frozen).dump_id;
    let waiting = wait_until_it_waits_for(&mut events, &second, WaitsFor::Room);
    assert_eq!((waiting.exact_state(), waiting.progress), (JobState::Running, 0.0));
    assert_eq!(begun(&bench), 1, "its guest is not touched");

    bench.hypervisor.release("a");
    let told = statuses_until_the_end(&mut events, &second);
    assert_eq!(told.last().unwrap().exact_state(), JobState::Completed);
    assert!(told.iter().any(|status| status.waits_for.is_none()), "{told:?}");
    assert_eq!(engine.status("a").unwrap().unwrap().dump_id, first);
    assert_eq!(bench.hypervisor.most_dumps_at_once(), 1);
}

#[test]
fn dumps_for_which_together_there_is_room_run_at_the_same_time() {
    let bench = Bench::with_guests(&["a", "b"]).on_volume_with(TWO);
    for name in ["a", "b"] {
        bench.hypervisor.next_dump(name, &[Fault::StallsAt(4096)]);
    }
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let ids = ["a", "b"].map(|name| trigger(&engine, name, Frozen).dump_id);
    for name in ["a", "b"] {
        bench.hypervisor.wait_until_stalled(name);
    }
    bench.hypervisor.release("a");
    assert_eq!(end_of(&mut events, &ids[0]).exact_state(), JobState::Completed);
    bench.hypervisor.release("b");
    assert_eq!(end_of(&mut events, &ids[1]).exact_state(), JobState::Completed);
}

#[test]
fn a_dump_that_fails_gives_its_room_back() {
    let bench = Bench::with_guests(&["a"]).on_volume_with(ONE);
    bench.hypervisor.next_dump("a", &[Fault::Fails]);
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    for expected in [JobState::Failed, JobState::Completed] {
        let dump_id = trigger(&engine, "a", Auto).dump_id;
        assert_eq!(end_of(&mut events, &dump_id).exact_state(), expected);
    }
}

#[test]
fn a_dump_that_waits_for_room_can_be_cancelled_and_its_guest_was_not_touched() {
    let bench = Bench::with_guests(&["a", "b"]).on_volume_with(ONE);
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(4096)]);
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let first = trigger(&engine, "a", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("a");
    let second = trigger(&engine, "b", Frozen).dump_id;
    wait_until_it_waits_for(&mut events, &second, WaitsFor::Room);
    engine.cancel(&second, &Actor::named("ada")).unwrap();
    let cancelled = end_of(&mut events, &second);
    assert_eq!(
        (cancelled.exact_state(), cancelled.end_reason),
        (JobState::Cancelled, Some(cancelled_by_ada(false)))
    );
    bench.hypervisor.release("a");
    assert_eq!(end_of(&mut events, &first).exact_state(), JobState::Completed);
    assert_eq!(begun(&bench), 1);
}

#[test]
fn a_guest_that_the_volume_cannot_hold_is_refused_untouched_whoever_else_is_dumped() {
    let bench = Bench::with_guests(&["a"]).on_volume_with(ONE);
    drop(bench.hypervisor.add_guest("huge", ByteCount::from_mib(70)));
    bench.hypervisor.next_dump("a", &[Fault::StallsAt(4096)]);
    let engine = bench.engine(2);
    let mut events = engine.subscribe();
    let first = trigger(&engine, "a", Frozen).dump_id;
    bench.hypervisor.wait_until_stalled("a");
    let refused = trigger(&engine, "huge", Frozen).dump_id;
    let reason = end_of(&mut events, &refused).end_reason;
    let Some(EndReason::NoSpace { needed_bytes, free_bytes, .. }) = reason else { panic!("{reason:?}") };
    assert_eq!((needed_bytes, free_bytes), (ByteCount::from_mib(204), ByteCount::from_mib(70)));
    bench.hypervisor.release("a");
    assert_eq!(end_of(&mut events, &first).exact_state(), JobState::Completed);
    assert_eq!(begun(&bench), 1);
}
