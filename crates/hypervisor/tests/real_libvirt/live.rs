//! Live dumps.

use std::sync::mpsc::channel;
use std::thread;

use memdeck_hypervisor::{DumpStream, LiveDump, LiveOptions};

use super::*;

const BUDGET: Option<Duration> = Some(Duration::from_millis(60));

/// How soon a guest must run after a dump of it was given up.
const SOON: Duration = Duration::from_secs(1);

pub(crate) fn begin(hypervisor: &Libvirt, guest: &Guest, pause_budget: Option<Duration>) -> LiveDump {
    hypervisor
        .begin_live_dump(&guest.uuid, LiveOptions { pause_budget })
        .unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// Reads a dump to its end: its magic, its length, and what libvirt said.
pub(crate) fn read(dump: LiveDump) -> ([u8; 4], u64, DumpOutcome) {
    let mut stream = dump.stream;
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let rest = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    let outcome = dump.call.finish().unwrap_or_else(|error| panic!("{}", chain(&error)));
    (head, rest + 4, outcome)
}

fn state(hypervisor: &Libvirt, guest: &Guest) -> GuestState {
    hypervisor.guest(&guest.uuid).unwrap().state
}

/// Throws away `bytes` of the stream.
fn skip(stream: &mut DumpStream, bytes: u64) {
    let skipped = std::io::copy(&mut stream.take(bytes), &mut std::io::sink()).unwrap();
    assert_eq!(skipped, bytes, "the stream is longer");
}

/// How many bytes a dump of the guest has, about.
fn stream_bytes(hypervisor: &Libvirt, guest: &Guest) -> u64 {
    read(begin(hypervisor, guest, None)).1
}

/// Begins a dump and reads until the guest is seen stopped for the last pass, and then no more.
fn begin_and_skip_to_last_pass(hypervisor: &Libvirt, guest: &Guest) -> LiveDump {
    caught(|| {
        let expected_bytes = stream_bytes(hypervisor, guest);
        let mut dump = begin(hypervisor, guest, None);
        dump.stream.valve().lockstep();
        let stream = &mut dump.stream;
        skip(stream, expected_bytes / 4 * 3);
        let mut buffer = vec![0; 128 << 10];
        while state(hypervisor, guest) != GuestState::Paused {
            if stream.read(&mut buffer).unwrap() == 0 {
                return None;
            }
        }
        Some(dump)
    })
}

/// Begins a dump and reads until QEMU has written all and libvirt has not returned: the rest lies in pipes and buffers.
/// A dump that is broken off here leaves the guest paused, because neither of the two resumes it.
fn begin_and_skip_to_dangerous_end(hypervisor: &Libvirt, guest: &Guest) -> LiveDump {
    caught(|| {
        let mut dump = begin_and_skip_to_last_pass(hypervisor, guest);
        let stream = &mut dump.stream;
        // QEMU answers no question in the last pass, and libvirt waits for it.
        let (control, (answer, answers)) = (dump.call.control(), channel());
        thread::spawn(move || answer.send(control.stats()));
        let mut buffer = vec![0; 64 << 10];
        while answers.recv_timeout(Duration::from_millis(5)).is_err() {
            if stream.read(&mut buffer).unwrap() == 0 {
                return None;
            }
        }
        (state(hypervisor, guest) == GuestState::Paused).then_some(dump)
    })
}

/// A moment of milliseconds may be missed; not again and again.
fn caught(attempt: impl Fn() -> Option<LiveDump>) -> LiveDump {
    (0..5).find_map(|_| attempt()).expect("the moment was missed five times")
}

/// The guest's limit for the pause at the end of a migration, in milliseconds.
fn max_downtime_ms(guest: &Guest) -> u64 {
    let uri = hypervisor().uri().to_owned();
    let output = Command::new("virsh")
        .args(["-q", "-c", &uri, "migrate-getmaxdowntime", &guest.name.0])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// Gives a guest an own limit, as an operator might have, until dropped.
struct OwnDowntime<'a>(&'a Guest);

impl<'a> OwnDowntime<'a> {
    const MS: u64 = 251;

    fn set(guest: &'a Guest) -> Self {
        virsh(&["migrate-setmaxdowntime", &guest.name.0, &Self::MS.to_string()]);
        Self(guest)
    }
}

impl Drop for OwnDowntime<'_> {
    fn drop(&mut self) {
        virsh(&["migrate-setmaxdowntime", &self.0.name.0, "300"]);
    }
}

#[test]
fn a_guest_runs_while_it_is_dumped_live() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let _own = OwnDowntime::set(&guest);

    let start = Instant::now();
    let dump = begin(&hypervisor, &guest, BUDGET);
    let control = dump.call.control();
    assert_eq!(state(&hypervisor, &guest), GuestState::Running, "while nobody reads");
    assert_eq!(max_downtime_ms(&guest), 60);
    let stats = control.stats().unwrap().expect("the dump is under way");
    assert!(stats.iteration >= 1 && stats.data_remaining.0 > 0, "{stats:?}");
    let (head, bytes, outcome) = read(dump);
    let wall = start.elapsed();

    assert_eq!(&head, b"QEVM");
    assert!((10 << 20..2 * guest.memory_max.0).contains(&bytes), "{bytes}");
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    assert_eq!(max_downtime_ms(&guest), OwnDowntime::MS, "as before");
    assert_eq!(control.stats().unwrap(), None, "it has ended");
    let pause = outcome.pause.expect("the guest was seen to stop and to run");
    // Milliseconds on a machine at rest; the tests' machine is not.
    assert!(Duration::ZERO < pause && pause < Duration::from_millis(500), "{pause:?} of {wall:?}");
    let live = outcome.live.expect("libvirt has statistics of a live dump");
    let told = (live.iterations, live.data_processed);
    assert!(matches!(told, (Some(2..), Some(processed)) if processed.0 <= bytes), "{live:?}");
    assert!(live.downtime.is_some_and(|downtime| downtime < Duration::from_millis(500)), "{live:?}");
    println!("{bytes} bytes in {wall:?}, paused {pause:?}, {live:?}");
}

#[test]
fn an_aborted_dump_leaves_the_guest_running() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let _own = OwnDowntime::set(&guest);

    let LiveDump { mut stream, call } = begin(&hypervisor, &guest, BUDGET);
    skip(&mut stream, 20 << 20);
    let aborted = Instant::now();
    call.control().abort().unwrap();
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    let error = call.finish().unwrap_err();
    let ended = aborted.elapsed();

    assert!(matches!(error, HypervisorError::Aborted { .. }), "{}", chain(&error));
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    assert_eq!(max_downtime_ms(&guest), OwnDowntime::MS, "as before");
    assert!(ended < SOON, "{ended:?}");
    println!("ended {ended:?} after the abort");
}

#[test]
fn an_abort_in_the_last_pass_does_not_wait_for_him_who_reads() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");

    let LiveDump { mut stream, call } = begin_and_skip_to_last_pass(&hypervisor, &guest);
    let aborted = Instant::now();
    call.control().abort().unwrap();
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    let outcome = call.finish();
    let ended = aborted.elapsed();

    // QEMU may have finished before it heard of the abort.
    assert!(matches!(outcome, Ok(_) | Err(HypervisorError::Aborted { .. })), "{outcome:?}");
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    assert!(ended < SOON, "{ended:?}");
    println!("ended {ended:?} after the abort: {outcome:?}");
}

#[test]
fn a_dump_that_is_dropped_in_the_middle_leaves_the_guest_running() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let _own = OwnDowntime::set(&guest);

    let mut dump = begin(&hypervisor, &guest, BUDGET);
    skip(&mut dump.stream, 20 << 20);
    let dropped = Instant::now();
    drop(dump);
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
    assert_eq!(max_downtime_ms(&guest), OwnDowntime::MS, "as before");
    let (head, ..) = read(begin(&hypervisor, &guest, None));
    assert_eq!(&head, b"QEVM", "the next dump works");
}

#[test]
fn a_dump_that_is_dropped_at_its_end_leaves_the_guest_running() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");

    for attempt in 0..3 {
        let dump = begin_and_skip_to_dangerous_end(&hypervisor, &guest);
        let dropped = Instant::now();
        drop(dump);
        assert_eq!(state(&hypervisor, &guest), GuestState::Running);
        assert!(dropped.elapsed() < SOON, "{:?}", dropped.elapsed());
        println!("attempt {attempt}: runs {:?} after the drop", dropped.elapsed());
    }
}

#[test]
fn a_stream_closed_at_its_end_does_no_harm() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let LiveDump { stream, call } = begin_and_skip_to_dangerous_end(&hypervisor, &guest);
    let closed = Instant::now();
    drop(stream);
    call.finish().unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
    assert!(closed.elapsed() < SOON, "{:?}", closed.elapsed());
}

#[test]
fn a_guest_that_an_operator_paused_is_dumped_live_once_and_stays_paused() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    virsh(&["suspend", "web-01"]);
    let resume = Resume(&guest.uuid);

    let (head, _, outcome) = read(begin(&hypervisor, &guest, None));
    assert_eq!((&head, outcome.pause), (b"QEVM", Some(Duration::ZERO)));
    assert_eq!(state(&hypervisor, &guest), GuestState::Paused);

    let again = hypervisor.begin_live_dump(&guest.uuid, LiveOptions::default()).unwrap_err();
    assert!(matches!(again, HypervisorError::CannotMigrate { .. }), "{}", chain(&again));
    assert_eq!(state(&hypervisor, &guest), GuestState::Paused);
    println!("{}", chain(&again));

    drop(resume);
    assert_eq!(state(&hypervisor, &guest), GuestState::Running);
}

#[test]
fn a_paused_guest_stays_paused_when_its_dump_is_given_up() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    virsh(&["suspend", "web-01"]);
    let resume = Resume(&guest.uuid);
    drop(begin(&hypervisor, &guest, None));
    assert_eq!(state(&hypervisor, &guest), GuestState::Paused);
    drop(resume);
}

#[test]
fn an_operator_who_pauses_the_guest_during_its_dump_finds_it_paused_afterwards() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");
    let dump = begin(&hypervisor, &guest, None);
    let resume = Resume(&guest.uuid);
    thread::scope(|scope| {
        // libvirt lets the operator wait for the end of the dump.
        let operator = scope.spawn(|| virsh(&["suspend", "db-01"]));
        let (head, ..) = read(dump);
        assert_eq!(&head, b"QEVM");
        operator.join().unwrap();
    });
    assert_eq!(state(&hypervisor, &guest), GuestState::Paused);
    drop(resume);
}

#[test]
fn the_labs_guests_are_not_encrypted() {
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    assert_eq!(hypervisor.launch_security(&guest.uuid).unwrap(), None);
}

/// The oracles are libvirt's own words for the guest and QEMU's for its version.
#[test]
fn passes_over_an_emulated_guest_are_limited_where_qemu_is_old() {
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    let is_emulated =
        output("virsh", &["-c", hypervisor.uri(), "dumpxml", "web-01"]).starts_with("<domain type='qemu'");
    let version = output("qemu-system-x86_64", &["--version"]);
    let major: u32 = version.split_once("version ").unwrap().1.split('.').next().unwrap().parse().unwrap();
    let expected = (is_emulated && major < 9).then_some(3);
    assert_eq!(hypervisor.exact_iterations(&guest.uuid).unwrap(), expected, "{version}");
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}
