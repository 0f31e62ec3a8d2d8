use std::io::Read;

use super::*;

const MEMORY: ByteCount = ByteCount::from_mib(1);

fn with_guest(name: &str) -> (Simulated, Guest) {
    let hypervisor = Simulated::new();
    let guest = hypervisor.add_guest(name, MEMORY);
    (hypervisor, guest)
}

fn name(text: &str) -> GuestName {
    GuestName(text.to_owned())
}

/// Dumps the guest to the end of its stream.
fn dump(hypervisor: &Simulated, guest: &Guest) -> (Vec<u8>, Result<crate::DumpOutcome, HypervisorError>) {
    let FrozenDump { mut stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    (bytes, call.finish())
}

#[test]
fn a_dump_streams_the_image_while_the_guest_is_paused() {
    let (hypervisor, guest) = with_guest("db-01");
    // The stream takes what the dump writes ahead of its reader: without this the dump may have ended already.
    hypervisor.next_dump("db-01", &[Fault::StallsAt(4096)]);
    let FrozenDump { mut stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    hypervisor.wait_until_stalled("db-01");
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
    hypervisor.release("db-01");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert_eq!(call.finish().unwrap().pause, Some(PAUSE));
    assert!(bytes == hypervisor.image("db-01"));
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
    assert_eq!(hypervisor.calls(), [Call::BeginDump(name("db-01")), Call::DumpEnded(name("db-01"))]);
}

#[test]
fn a_paused_guest_stays_paused_and_has_no_added_pause() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.set_state("db-01", GuestState::Paused);
    assert_eq!(dump(&hypervisor, &guest).1.unwrap().pause, Some(Duration::ZERO));
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);
}

#[test]
fn a_closed_stream_ends_the_dump_and_the_guest_runs() {
    let (hypervisor, guest) = with_guest("db-01");
    let FrozenDump { stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    drop(stream);
    assert!(matches!(call.finish(), Err(HypervisorError::Dump { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
}

#[test]
fn a_stalled_dump_ends_when_its_stream_is_closed() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::StallsAt(100)]);
    let FrozenDump { stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    hypervisor.wait_until_stalled("db-01");
    drop(stream);
    assert!(call.finish().is_err());
    hypervisor.wait_for_state("db-01", GuestState::Running);
}

#[test]
fn a_stalled_dump_goes_on_when_it_is_released() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::StallsAt(100)]);
    let FrozenDump { mut stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    hypervisor.wait_until_stalled("db-01");
    let mut bytes = vec![0; 100];
    stream.read_exact(&mut bytes).unwrap();
    hypervisor.release("db-01");
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes == hypervisor.image("db-01"));
    assert!(call.finish().is_ok());
}

#[test]
fn a_stall_that_is_released_early_is_none() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::StallsAt(1 << 20)]);
    let FrozenDump { mut stream, call } = hypervisor.begin_frozen_dump(&guest.uuid).unwrap();
    hypervisor.release("db-01");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes == hypervisor.image("db-01"));
    assert!(call.finish().is_ok());
}

#[test]
fn faults_are_of_one_dump_and_act_together() {
    let (hypervisor, guest) = with_guest("db-01");
    let whole = hypervisor.image("db-01");
    hypervisor.next_dump("db-01", &[Fault::EndsAt(1000), Fault::PauseMissed]);
    hypervisor.next_dump("db-01", &[Fault::ExtraBytes(5)]);
    hypervisor.next_dump("db-01", &[Fault::Fails, Fault::StaysPaused]);

    let (short, outcome) = dump(&hypervisor, &guest);
    assert!(short == whole[..1000]);
    assert_eq!(outcome.unwrap().pause, None);

    let (long, outcome) = dump(&hypervisor, &guest);
    assert!(outcome.is_ok() && long.len() == whole.len() + 5 && long.starts_with(&whole));

    let (bytes, outcome) = dump(&hypervisor, &guest);
    assert!(outcome.is_err() && bytes == whole);
    assert_eq!(hypervisor.state("db-01"), GuestState::Paused);

    hypervisor.resume(&guest.uuid).unwrap();
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
    assert_eq!(hypervisor.calls().last(), Some(&Call::Resume(name("db-01"))));
    assert!(dump(&hypervisor, &guest).1.is_ok());
}

#[test]
fn a_refused_dump_does_not_stop_the_guest() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.next_dump("db-01", &[Fault::Refused]);
    assert!(matches!(hypervisor.begin_frozen_dump(&guest.uuid), Err(HypervisorError::Dump { .. })));
    assert_eq!(hypervisor.state("db-01"), GuestState::Running);
}

#[test]
fn a_stopped_guest_has_no_id_and_no_memory() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.set_state("db-01", GuestState::Shutoff);
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().id, None);
    assert!(matches!(hypervisor.begin_frozen_dump(&guest.uuid), Err(HypervisorError::NotRunning { .. })));
}

#[test]
fn dumps_of_two_guests_are_counted_together() {
    let (hypervisor, first) = with_guest("db-01");
    let second = hypervisor.add_guest("web-01", MEMORY);
    for name in ["db-01", "web-01"] {
        hypervisor.next_dump(name, &[Fault::StallsAt(100)]);
    }
    let dumps = [&first, &second].map(|guest| hypervisor.begin_frozen_dump(&guest.uuid).unwrap());
    assert!(hypervisor.begin_frozen_dump(&first.uuid).is_err(), "one per guest");
    for FrozenDump { stream, call } in dumps {
        drop(stream);
        assert!(call.finish().is_err());
    }
    assert!(dump(&hypervisor, &first).1.is_ok());
    assert_eq!(hypervisor.most_dumps_at_once(), 2);
}

#[test]
fn guests_are_found_as_at_a_real_hypervisor() {
    let (hypervisor, first) = with_guest("web-01");
    let digits = hypervisor.add_guest("7", MEMORY);
    let resolve = |vm: &str| hypervisor.resolve(&VmRef::new(vm).unwrap());
    assert_eq!(resolve("1").unwrap(), first);
    assert_eq!(resolve("7").unwrap(), digits);
    assert_eq!(resolve("web-09").unwrap_err().to_string(), "no VM 'web-09' on simulated:///host");
    let names: Vec<_> = hypervisor.guests().unwrap().into_iter().map(|guest| guest.name.0).collect();
    assert_eq!(names, ["7", "web-01"]);
}

#[test]
fn an_unreachable_hypervisor_answers_nothing() {
    let (hypervisor, guest) = with_guest("db-01");
    hypervisor.set_available(false);
    assert!(matches!(hypervisor.guests(), Err(HypervisorError::Connect { .. })));
    assert!(hypervisor.begin_frozen_dump(&guest.uuid).is_err() && hypervisor.resume(&guest.uuid).is_err());
    hypervisor.set_available(true);
    assert_eq!(hypervisor.guests().unwrap(), [guest]);
}

mod live;
