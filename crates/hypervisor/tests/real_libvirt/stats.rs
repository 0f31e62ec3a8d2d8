//! The statistics of real guests: against `virsh domstats`, beside a dump, and while a guest hangs.

use std::collections::HashMap;

use memdeck_hypervisor::{GuestSample, GuestStats, LibvirtStats, StatsOptions};
use memdeck_model::telemetry::{BalloonStats, Metric};

use super::*;

fn stats(time_limit: Duration) -> LibvirtStats {
    let uri = std::env::var("LIBVIRT_URI").unwrap_or_else(|_| "qemu:///system".into());
    LibvirtStats::connect(
        &uri,
        StatsOptions {
            time_limit,
            device_cache_ttl: Duration::from_mins(5),
            balloon_period: Some(Duration::from_secs(2)),
        },
    )
}

fn sample(stats: &LibvirtStats, uuid: &str) -> GuestSample {
    let collection = stats.collect().unwrap_or_else(|error| panic!("{}", chain(&error)));
    collection.guests.into_iter().find(|guest| guest.uuid == uuid).expect("the guest is there")
}

/// What `virsh domstats` says of a guest, by its own names.
fn domstats(guest: &Guest) -> HashMap<String, u64> {
    let out = Command::new("virsh").args(["domstats", "--raw", &guest.uuid]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let values = text.lines().filter_map(|line| line.trim().split_once('='));
    values.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

/// The sum of `net.0.rx.bytes`, `net.1.rx.bytes`, ..., which is missing if no device has it.
fn sum(values: &HashMap<String, u64>, group: &str, what: &str) -> Option<u64> {
    (0..16).filter_map(|number| values.get(&format!("{group}.{number}.{what}"))).copied().reduce(|a, b| a + b)
}

#[test]
fn values_lie_between_those_that_virsh_tells_before_and_after() {
    let _alone = one_at_a_time();
    let guest = lab_guest(&hypervisor(), "db-01");
    let stats = stats(TIMEOUT);
    let before = domstats(&guest);
    let ours = sample(&stats, &guest.uuid);
    let after = domstats(&guest);
    assert!(!ours.partial, "{ours:?}");
    assert_eq!((ours.id, ours.name.clone()), (guest.id, guest.name.clone()));
    assert_eq!(ours.memory_max_kib, before.get("balloon.maximum").copied());
    let single = [
        (Metric::Cpus, "vcpu.current"),
        (Metric::CpuTime, "cpu.time"),
        (Metric::CpuUser, "cpu.user"),
        (Metric::CpuSystem, "cpu.system"),
        (Metric::MemActual, "balloon.current"),
        (Metric::MemSwapIn, "balloon.swap_in"),
        (Metric::MemSwapOut, "balloon.swap_out"),
        (Metric::MemMajorFault, "balloon.major_fault"),
        (Metric::MemMinorFault, "balloon.minor_fault"),
        (Metric::MemAvailable, "balloon.available"),
    ];
    let single = single.map(|(metric, name)| (metric, before.get(name).copied(), after.get(name).copied()));
    let summed = [
        (Metric::NetRxBytes, "net", "rx.bytes"),
        (Metric::NetRxPackets, "net", "rx.pkts"),
        (Metric::NetTxBytes, "net", "tx.bytes"),
        (Metric::NetTxDrops, "net", "tx.drop"),
        (Metric::DiskReadReqs, "block", "rd.reqs"),
        (Metric::DiskReadBytes, "block", "rd.bytes"),
        (Metric::DiskWriteReqs, "block", "wr.reqs"),
        (Metric::DiskWriteBytes, "block", "wr.bytes"),
    ];
    let summed =
        summed.map(|(metric, group, what)| (metric, sum(&before, group, what), sum(&after, group, what)));
    for (metric, before, after) in single.into_iter().chain(summed) {
        let ours = ours.totals.get(metric);
        assert!(before <= ours && ours <= after, "{metric}: {before:?} {ours:?} {after:?}");
    }
    assert!(ours.totals.cputime.is_some() && ours.totals.memrss.is_some() && ours.totals.cpus.is_some());
}

#[test]
fn each_guest_asked_by_itself_tells_what_one_call_for_all_tells() {
    let _alone = one_at_a_time();
    let guest = lab_guest(&hypervisor(), "db-01");
    let each = stats(TIMEOUT).asking_each();
    let [before, ours, after] =
        [&stats(TIMEOUT), &each, &stats(TIMEOUT)].map(|stats| sample(stats, &guest.uuid));
    let devices = |sample: &GuestSample| {
        let mut names: Vec<_> = sample.devices.iter().map(|it| it.device.clone()).collect();
        names.sort();
        names
    };
    assert_eq!((ours.id, devices(&ours)), (before.id, devices(&before)));
    for metric in [
        Metric::Cpus,
        Metric::MemActual,
        Metric::NetRxBytes,
        Metric::NetTxBytes,
        Metric::DiskReadReqs,
        Metric::DiskWriteBytes,
    ] {
        let [before, ours, after] = [&before, &ours, &after].map(|sample| sample.totals.get(metric));
        assert!(ours.is_some() && before <= ours && ours <= after, "{metric}: {before:?} {ours:?} {after:?}");
    }
}

#[test]
fn a_guest_that_a_dump_has_is_known_at_once_like_the_others() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let (guest, other) = (lab_guest(&hypervisor, "db-01"), lab_guest(&hypervisor, "web-01"));
    let stats = stats(TIMEOUT);
    stats.collect().unwrap();

    let FrozenDump { stream, call } = begin(&hypervisor, &guest);
    let asked = Instant::now();
    let during = sample(&stats, &guest.uuid);
    let waited = asked.elapsed();
    let beside = sample(&stats, &other.uuid);
    drop(stream);
    call.finish().unwrap_err();

    assert!(waited < Duration::from_secs(1), "{waited:?}");
    assert_eq!((during.state, during.totals.state), (GuestState::Paused, Some(0)));
    // libvirt answers questions beside a dump, as far as QEMU has time for them.
    assert!(
        during.totals.cputime.is_some() && during.partial == during.totals.memrss.is_none(),
        "{during:?}"
    );
    assert_eq!((beside.state, beside.partial), (GuestState::Running, false));
}

/// A process that stands still until this is dropped.
struct Stopped(String);

impl Stopped {
    fn new(guest: &Guest) -> Self {
        let file = format!("/run/libvirt/qemu/{}.pid", guest.name);
        let pid = std::fs::read_to_string(file).unwrap().trim().to_owned();
        assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-CONT", &self.0]).status();
    }
}

#[test]
fn a_guest_whose_process_hangs_stalls_no_other() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let (guest, other) = (lab_guest(&hypervisor, "db-01"), lab_guest(&hypervisor, "web-01"));
    let stats = stats(Duration::from_secs(1));
    stats.collect().unwrap();

    let hangs = Stopped::new(&guest);
    let collections: Vec<_> = (0..3)
        .map(|_| {
            let asked = Instant::now();
            (stats.collect(), asked.elapsed())
        })
        .collect();
    drop(hangs);

    for (number, (collection, took)) in collections.into_iter().enumerate() {
        let collection = collection.unwrap_or_else(|error| panic!("{number}: {}", chain(&error)));
        let of = |uuid: &str| collection.guests.iter().find(|guest| guest.uuid == *uuid).unwrap();
        assert!(of(&guest.uuid).partial && !of(&other.uuid).partial, "{number}");
        // The first time the hanging guest holds the call until its time is over.
        let limit = Duration::from_millis(if number == 0 { 2500 } else { 900 });
        assert!(took < limit, "{number}: {took:?}");
    }
    let again = Instant::now();
    while sample(&stats, &guest.uuid).partial {
        assert!(again.elapsed() < Duration::from_secs(10), "it is known again when it answers");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A guest that runs its firmware and nothing else.
struct Idle(Defined);

impl Idle {
    fn start(name: &str, number: u32) -> Self {
        let idle = Self(Defined::named(name, number));
        virsh(&["start", &idle.0.uuid]);
        idle
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        virsh(&["destroy", &self.0.uuid]);
    }
}

#[test]
fn guests_whose_processes_hang_hide_none_of_the_others() {
    let _alone = one_at_a_time();
    let hypervisor = hypervisor();
    let hanging = ["db-01", "web-01"].map(|name| lab_guest(&hypervisor, name));
    let idle = Idle::start("memdeck-beside", 4);
    let stats = stats(Duration::from_secs(1));
    stats.collect().unwrap();

    // The call for all guests meets one of them, and the next call the other.
    let stopped = hanging.each_ref().map(Stopped::new);
    let collections = [(); 2].map(|()| stats.collect());
    drop(stopped);

    for collection in collections {
        let collection = collection.unwrap_or_else(|error| panic!("{}", chain(&error)));
        let of = |uuid: &str| collection.guests.iter().find(|guest| guest.uuid == *uuid);
        assert!(of(&idle.0.uuid).is_some_and(|guest| !guest.partial), "{collection:?}");
        for guest in &hanging {
            let is_unanswered = collection.unanswered.contains(&guest.uuid);
            assert!(is_unanswered || of(&guest.uuid).is_some_and(|guest| guest.partial), "{collection:?}");
        }
    }
}

#[test]
fn a_guest_with_a_balloon_reports_its_memory_or_is_said_to_be_asked() {
    let _alone = one_at_a_time();
    let guest = lab_guest(&hypervisor(), "web-01");
    let sample = sample(&stats(TIMEOUT), &guest.uuid);
    let known = sample.totals.memavailable.is_some();
    assert_eq!(sample.balloon == BalloonStats::Reported, known, "{sample:?}");
}
