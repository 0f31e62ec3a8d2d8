//! Against a real libvirt with real guests: `web-01` (256 MiB) and `db-01` (512 MiB) of `scripts/lab up`.
//!
//! These tests stop guests, so two of them must not run at the same time. Within this binary a lock sees to that; where
//! every test is a process of its own, the test runner must.

mod live;
mod pause;
mod stats;

use std::error::Error;
use std::io::Read;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memdeck_hypervisor::{DumpOutcome, FrozenDump, Hypervisor, HypervisorError, Libvirt};
use memdeck_model::{ByteCount, Guest, GuestState, VmRef};

const TIMEOUT: Duration = Duration::from_secs(30);

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hypervisor() -> Libvirt {
    let uri = std::env::var("LIBVIRT_URI").unwrap_or_else(|_| "qemu:///system".into());
    Libvirt::connect(&uri, TIMEOUT)
}

/// A guest of the lab, which must be running.
fn lab_guest(hypervisor: &Libvirt, name: &str) -> Guest {
    let guest = hypervisor.resolve(&VmRef::new(name).unwrap()).unwrap_or_else(|error| {
        panic!("this test needs the lab's guests, run scripts/lab up: {}", chain(&error))
    });
    assert_eq!(guest.state, GuestState::Running, "{name} is not running: run scripts/lab up");
    guest
}

fn chain(error: &HypervisorError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn begin(hypervisor: &Libvirt, guest: &Guest) -> FrozenDump {
    hypervisor.begin_frozen_dump(&guest.uuid).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

/// Reads a dump to its end: its first bytes, its length, and what libvirt said.
fn read(dump: FrozenDump) -> ([u8; 7], u64, DumpOutcome) {
    let mut stream = dump.stream;
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let rest = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    let outcome = dump.call.finish().unwrap_or_else(|error| panic!("{}", chain(&error)));
    (head, rest + 7, outcome)
}

fn assert_is_core_of(guest: &Guest, head: [u8; 7], bytes: u64) {
    assert_eq!(&head, b"\x7fELF\x02\x01\x01");
    // Besides RAM there are headers, notes and firmware: less than a MiB.
    let ram = guest.memory_max.0;
    assert!((ram..ram + (1 << 20)).contains(&bytes), "{bytes} bytes for {ram} bytes of RAM");
}

#[test]
fn the_labs_guests_are_listed_as_they_were_made() {
    let hypervisor = hypervisor();
    let guests = hypervisor.guests().unwrap_or_else(|error| panic!("run scripts/lab up: {}", chain(&error)));
    for (name, memory) in [("web-01", ByteCount::from_mib(256)), ("db-01", ByteCount::from_mib(512))] {
        let guest = guests.iter().find(|guest| guest.name.0 == name);
        let guest = guest.unwrap_or_else(|| panic!("there is no {name}: run scripts/lab up"));
        assert_eq!(guest.memory_max, memory);
        assert!(guest.id.is_some() && guest.vcpus >= 1 && guest.cpu_time_ns > 0, "{guest:?}");
        assert_eq!(hypervisor.guest(&guest.uuid).unwrap().name, guest.name);
        let id = VmRef::new(&guest.id.unwrap().to_string()).unwrap();
        assert_eq!(hypervisor.resolve(&id).unwrap().uuid, guest.uuid);
        assert!(hypervisor.domain_xml(&guest.uuid).unwrap().contains(&guest.uuid));
    }
    assert!(guests.is_sorted_by_key(|guest| &guest.name));
}

#[test]
fn the_host_is_described_at_once_also_where_libvirt_must_probe_for_the_version() {
    let start = Instant::now();
    let host = hypervisor().host().unwrap_or_else(|error| panic!("run scripts/lab up: {}", chain(&error)));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert!(host.hypervisor.starts_with("QEMU") && !host.name.is_empty(), "{host:?}");
    assert!(host.libvirt.split('.').all(|number| number.parse::<u32>().is_ok()), "{host:?}");
}

#[test]
fn a_guest_is_dumped_while_it_is_stopped_and_runs_afterwards() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");

    let start = Instant::now();
    let dump = begin(&hypervisor, &guest);
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Paused, "while nobody reads");
    let (head, bytes, outcome) = read(dump);
    let wall = start.elapsed();

    assert_is_core_of(&guest, head, bytes);
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Running);
    let pause = outcome.pause.expect("the guest was seen to stop and to run");
    assert!(Duration::ZERO < pause && pause <= wall, "paused {pause:?} of {wall:?}");
    println!("{bytes} bytes in {wall:?}, paused {pause:?}");
}

#[test]
fn a_stream_closed_early_fails_the_dump_and_the_guest_runs_within_a_second() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "db-01");

    let FrozenDump { mut stream, call } = begin(&hypervisor, &guest);
    std::io::copy(&mut Read::by_ref(&mut stream).take(100 << 20), &mut std::io::sink()).unwrap();
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Paused);
    let closed = Instant::now();
    drop(stream);
    let error = call.finish().unwrap_err();
    let ended = closed.elapsed();

    assert!(matches!(error, HypervisorError::Dump { .. }), "{}", chain(&error));
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Running);
    assert!(ended < Duration::from_secs(1), "{ended:?}");
    println!("ended {ended:?} after the stream was closed: {}", chain(&error));
}

#[test]
fn a_dump_that_is_dropped_ends_by_itself() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    drop(begin(&hypervisor, &guest));
    let dropped = Instant::now();
    while hypervisor.guest(&guest.uuid).unwrap().state != GuestState::Running {
        assert!(dropped.elapsed() < Duration::from_secs(5), "the guest is still stopped");
    }
    // The next dump waits until libvirt has ended the first.
    let (head, bytes, _) = read(begin(&hypervisor, &guest));
    assert_is_core_of(&guest, head, bytes);
}

#[test]
fn a_guest_that_an_operator_paused_stays_paused_and_gets_no_pause_of_ours() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guest = lab_guest(&hypervisor, "web-01");
    virsh(&["suspend", "web-01"]);
    let resume = Resume(&guest.uuid);

    let (head, bytes, outcome) = read(begin(&hypervisor, &guest));
    assert_is_core_of(&guest, head, bytes);
    assert_eq!(outcome.pause, Some(Duration::ZERO));
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Paused);

    drop(resume);
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Running);
}

#[test]
fn two_guests_are_dumped_at_the_same_time() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let guests = ["web-01", "db-01"].map(|name| lab_guest(&hypervisor, name));
    // Both have begun before either is read.
    let [first, second] = [&guests[0], &guests[1]].map(|guest| begin(&hypervisor, guest));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| read(first));
        let (head, bytes, _) = read(second);
        assert_is_core_of(&guests[1], head, bytes);
        let (head, bytes, _) = first.join().unwrap();
        assert_is_core_of(&guests[0], head, bytes);
    });
}

/// Started by the next test, in a PID namespace that libvirtd is not in.
#[test]
#[ignore = "started in another PID namespace by another test"]
fn inside_another_pid_namespace() {
    let dir = tempfile::tempdir().unwrap();
    let without_directory = hypervisor();
    let guest = lab_guest(&without_directory, "web-01");
    let refused = without_directory.begin_frozen_dump(&guest.uuid).unwrap_err();
    assert!(matches!(refused, HypervisorError::NoSharedDirectory { .. }), "{}", chain(&refused));

    let hypervisor = hypervisor().with_fifo_dir(dir.path());
    let (head, bytes, outcome) = read(begin(&hypervisor, &guest));
    assert_is_core_of(&guest, head, bytes);
    assert!(outcome.pause.is_some_and(|pause| pause > Duration::ZERO), "{outcome:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the FIFO is removed");

    let FrozenDump { stream, call } = begin(&hypervisor, &guest);
    drop(stream);
    assert!(call.finish().is_err());
    assert_eq!(hypervisor.guest(&guest.uuid).unwrap().state, GuestState::Running);

    let (head, _, outcome) = live::read(live::begin(&hypervisor, &guest, None));
    assert_eq!(&head, b"QEVM");
    assert!(outcome.pause.is_some_and(|pause| pause > Duration::ZERO), "{outcome:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the FIFO is removed");
}

#[test]
fn from_another_pid_namespace_a_dump_passes_through_a_fifo() {
    let _alone = one_at_a_time();
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let output = unshare
        .args(["--pid", "--fork", "--mount-proc", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "inside_another_pid_namespace"])
        .output()
        .expect("unshare (util-linux) starts a process in another PID namespace");
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
}

/// Lets a guest run again, also when a test fails.
struct Resume<'a>(&'a str);

impl Drop for Resume<'_> {
    fn drop(&mut self) {
        hypervisor().resume(self.0).unwrap();
    }
}

fn virsh(arguments: &[&str]) {
    let uri = hypervisor().uri().to_owned();
    let status = Command::new("virsh").args(["-q", "-c", &uri]).args(arguments).status().unwrap();
    assert!(status.success(), "virsh {arguments:?}");
}

/// A guest that is defined and never runs; gone when dropped.
struct Defined {
    uuid: String,
}

impl Defined {
    fn named(name: &str, number: u32) -> Self {
        let uuid = format!("0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a{number:04x}");
        let file = std::env::temp_dir().join(format!("memdeck-identity-{number}.xml"));
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory>\
             <os><type arch='x86_64'>hvm</type></os></domain>"
        );
        std::fs::write(&file, xml).unwrap();
        // The guest of a run that was killed.
        let uri = std::env::var("LIBVIRT_URI").unwrap_or_else(|_| "qemu:///system".into());
        let _ = Command::new("virsh").args(["-q", "-c", &uri, "undefine", &uuid]).output();
        virsh(&["define", file.to_str().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        Self { uuid }
    }
}

impl Drop for Defined {
    fn drop(&mut self) {
        virsh(&["undefine", &self.uuid]);
    }
}

#[test]
fn a_blank_at_the_end_of_a_name_and_a_name_like_an_id_lead_to_no_other_guest() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let web = lab_guest(&hypervisor, "web-01");
    let id = web.id.unwrap().to_string();
    let guests = [Defined::named("twin", 1), Defined::named("twin ", 2), Defined::named(&id, 3)];
    let uuid = |text: &str| hypervisor.resolve(&VmRef::new(text).unwrap()).ok().map(|guest| guest.uuid);
    assert_eq!(uuid("twin").as_ref(), Some(&guests[0].uuid));
    assert_eq!(uuid("twin ").as_ref(), Some(&guests[1].uuid));
    assert_eq!(uuid(" twin"), None);
    assert_eq!(uuid(&id), Some(web.uuid), "digits are an id first");
    assert_eq!(uuid(&guests[2].uuid).as_ref(), Some(&guests[2].uuid));
    let listed = hypervisor.guests().unwrap();
    let found = listed.iter().find(|guest| guest.uuid == guests[1].uuid).unwrap();
    assert_eq!(found.name.0, "twin ", "the list has the name as it is");
}
