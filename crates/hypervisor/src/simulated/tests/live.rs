//! Live dumps.

use std::io::Read;

use super::*;
use crate::{DumpOutcome, LiveOutcome};

fn begin(hypervisor: &Simulated, guest: &Guest) -> LiveDump {
    hypervisor.begin_live_dump(&guest.uuid, LiveOptions::default()).unwrap()
}

/// Dumps the guest to the end of its stream.
fn dump(hypervisor: &Simulated, guest: &Guest) -> (Vec<u8>, Result<DumpOutcome, HypervisorError>) {
    let LiveDump { stream, call } = begin(hypervisor, guest);
    (read(stream), call.finish())
}

fn read(mut stream: crate::DumpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_guest_runs_until_the_last_pass_and_then_again() {
    let (hypervisor, guest) = with_guest("db-01");
    let last_pass_at = hypervisor.last_pass_at("db-01");
    hypervisor.next_dump("db-01", &[Fault::StallsAt(last_pass_at)]);
    hypervisor.next_dump("db-01", &[Fault::StallsAt(last_pass_at + 1)]);
    for state in [GuestState::Running, GuestState::Paused] {
        let LiveDump { stream, call } = begin(&hypervisor, &guest);
        std::thread::scope(|scope| {
            let bytes = scope.spawn(|| read(stream));
            hypervisor.wait_until_stalled("db-01");
            assert_eq!(hypervisor.state("db-01"), state);
            hypervisor.release("db-01");
            assert!(bytes.join().unwrap() == hypervisor.live_stream("db-01"));
        });
        let outcome = call.finish().unwrap();
        assert_eq!(outcome.pause, Some(PAUSE));
        assert!(matches!(outcome.live, Some(LiveOutcome { downtime: Some(PAUSE), iterations: Some(2), .. })));
        assert_eq!(hypervisor.state("db-01"), GuestState::Running);
    }
}

#[test]
fn the_options_are_noted() {
    let (hypervisor, guest) = with_guest("db-01");
    let options = LiveOptions { pause_budget: Some(Duration::from_millis(60)) };
    let LiveDump { stream, call } = hypervisor.begin_live_dump(&guest.uuid, options).unwrap();
    read(stream);
    call.finish().unwrap();
    let name = name("db-01");
    assert_eq!(hypervisor.calls(), [Call::BeginLiveDump(name.clone(), options), Call::DumpEnded(name)]);
}

#[test]
fn a_guest_that_cannot_migrate_is_refused_and_can_be_dumped_frozen() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::CannotMigrate]);
    let refused = hypervisor.begin_live_dump(&guest.uuid, LiveOptions::default()).unwrap_err();
    assert!(matches!(refused, HypervisorError::CannotMigrate { .. }), "{refused}");
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
    assert!(super::dump(&hypervisor, &guest).1.is_ok());
}

#[test]
fn a_paused_guest_is_dumped_live_once_until_it_has_run() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.set_state("db-01", GuestState::Paused);
    assert_eq!(dump(&hypervisor, &guest).1.unwrap().pause, Some(Duration::ZERO));
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);

    let again = hypervisor.begin_live_dump(&guest.uuid, LiveOptions::default());
    assert!(matches!(again, Err(HypervisorError::CannotMigrate { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
    assert!(super::dump(&hypervisor, &guest).1.is_ok(), "frozen");

    hypervisor.resume(&guest.uuid).unwrap();
    assert!(dump(&hypervisor, &guest).1.is_ok());
}

#[test]
fn a_dump_that_does_not_converge_says_so_until_it_is_aborted() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::DoesNotConverge]);
    let LiveDump { stream, call } = begin(&hypervisor, &guest);
    let control = call.control();
    let bytes = std::thread::scope(|scope| {
        let bytes = scope.spawn(|| read(stream));
        hypervisor.wait_until_stalled("db-01");
        let [first, second] = [(); 2].map(|()| control.stats().unwrap().unwrap());
        assert!(first.dirty_rate_per_s > first.rate_per_s, "{first:?}");
        assert!(first.expected_downtime > Some(Duration::from_secs(1)), "{first:?}");
        assert!(second.iteration > first.iteration, "it goes on and on");
        assert_eq!(hypervisor.state("db-01"), GuestState::Running);
        control.abort().unwrap();
        bytes.join().unwrap()
    });
    assert!(hypervisor.live_stream("db-01").starts_with(&bytes));
    assert!(matches!(call.finish(), Err(HypervisorError::Aborted { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
    assert_eq!(control.stats().unwrap(), None, "it has ended");
    assert!(hypervisor.calls().contains(&Call::Abort(name("db-01"))));
}

#[test]
fn an_operators_pause_during_a_dump_stays() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::StallsAt(100)]);
    let LiveDump { stream, call } = begin(&hypervisor, &guest);
    hypervisor.wait_until_stalled("db-01");
    hypervisor.set_state("db-01", GuestState::Paused);
    hypervisor.release("db-01");
    read(stream);
    call.finish().unwrap();
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn a_dropped_dump_is_aborted_wherever_it_is() {
    let (hypervisor, guest) = with_guest("db-01");
    let size = hypervisor.live_stream("db-01").len() as u64;
    for stall in [Fault::StallsAt(100), Fault::StallsAt(size - 1)] {
        hypervisor.next_dump("db-01", &[stall]);
        drop(begin(&hypervisor, &guest));
        assert_eq!(hypervisor.state("db-01"), GuestState::Running);
        assert_eq!(hypervisor.calls().last(), Some(&Call::DumpEnded(name("db-01"))));
    }
    assert!(dump(&hypervisor, &guest).1.is_ok());
}

#[test]
fn a_closed_stream_does_not_end_the_dump() {
    let (hypervisor, guest) = with_guest("db-01");
    let LiveDump { stream, call } = begin(&hypervisor, &guest);
    drop(stream);
    assert!(call.finish().is_ok(), "the rest is thrown away");
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
}

#[test]
fn faults_of_live_dumps() {
    let (hypervisor, guest) = with_guest("db-01");
    let whole = hypervisor.live_stream("db-01");
    let last_pass_at = usize::try_from(hypervisor.last_pass_at("db-01")).unwrap();

    hypervisor.next_dump("db-01", &[Fault::EndsAt(1000), Fault::PauseMissed]);
    let (short, outcome) = dump(&hypervisor, &guest);
    assert!(short == whole[..1000] && outcome.unwrap().pause.is_none());

    hypervisor.next_dump("db-01", &[Fault::ExtraBytes(5)]);
    let (long, outcome) = dump(&hypervisor, &guest);
    assert!(long.starts_with(&whole) && long.len() == whole.len() + 5 && outcome.is_ok());

    hypervisor.next_dump("db-01", &[Fault::Compressed]);
    let (compressed, outcome) = dump(&hypervisor, &guest);
    assert!(compressed.starts_with(b"\x28\xb5\x2f\xfd") && outcome.is_ok());

    hypervisor.next_dump("db-01", &[Fault::Aborted]);
    let (half, outcome) = dump(&hypervisor, &guest);
    assert!(half == whole[..last_pass_at] && matches!(outcome, Err(HypervisorError::Aborted { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);

    hypervisor.next_dump("db-01", &[Fault::Fails, Fault::StaysPaused]);
    let (bytes, outcome) = dump(&hypervisor, &guest);
    assert!(bytes == whole && matches!(outcome, Err(HypervisorError::Dump { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn an_encrypted_guest_says_so() {
    let (hypervisor, guest) = with_guest("db-01");
    assert_eq!(hypervisor.launch_security(&guest.uuid).unwrap(), None);
    hypervisor.set_launch_security("db-01", "sev");
    assert_eq!(hypervisor.launch_security(&guest.uuid).unwrap().unwrap(), "sev");
    assert!(hypervisor.domain_xml(&guest.uuid).unwrap().contains("<launchSecurity type='sev'/>"));
}
