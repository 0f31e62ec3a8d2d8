//! Against libvirt's own `test:///default` driver, which has the call for all guests only in part.

use memdeck_model::telemetry::DeviceKind;
use memdeck_model::{GuestState, telemetry::BalloonStats};

use super::*;

fn options() -> StatsOptions {
    StatsOptions {
        time_limit: Duration::from_secs(30),
        device_cache_ttl: Duration::from_mins(5),
        balloon_period: Some(Duration::from_secs(2)),
    }
}

#[test]
fn a_driver_without_the_call_for_all_guests_is_asked_for_each() {
    let stats = LibvirtStats::connect("test:///default", options());
    let collection = stats.collect().unwrap();
    assert!(stats.lacks_bulk());
    let [guest] = collection.guests.as_slice() else { panic!("{collection:?}") };
    assert_eq!((guest.name.0.as_str(), guest.id, guest.state), ("test", Some(1), GuestState::Running));
    assert_eq!((guest.totals.cpus, guest.totals.state), (Some(2), Some(1)));
    assert_eq!((guest.memory_max_kib, guest.totals.memactual), (Some(8 << 20), Some(2 << 20)));
    assert_eq!((guest.totals.memrss, guest.totals.memdisk_cache), (Some(1 << 20), Some(256 << 10)));
    assert_eq!(guest.balloon, BalloonStats::Reported);
    assert!(!guest.partial);
    let names: Vec<_> = guest.devices.iter().map(|it| (it.kind(), it.device.as_str())).collect();
    assert_eq!(names, [(DeviceKind::Nic, "testnet0"), (DeviceKind::Disk, "vda")]);
    // The driver makes its counters from the clock.
    for metric in [guest.totals.net_rxbytes, guest.totals.disk_rd_req, guest.totals.cputime] {
        assert!(metric.is_some_and(|value| value > 0), "{guest:?}");
    }
}

#[test]
fn counters_go_on_from_one_collection_to_the_next() {
    let stats = LibvirtStats::connect("test:///default", options());
    let [first, second] = [(); 2].map(|()| stats.collect().unwrap().guests.remove(0));
    assert!(second.taken > first.taken);
    assert!(second.totals.net_rxbytes >= first.totals.net_rxbytes);
}

#[test]
fn a_hypervisor_that_is_not_there_is_an_error() {
    let stats = LibvirtStats::connect("qemu+unix:///system?socket=/nonexistent/libvirt-sock", options());
    assert!(matches!(stats.collect(), Err(HypervisorError::Connect { .. })));
}

#[test]
fn a_daemon_that_never_answers_costs_no_more_than_three_time_limits() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("libvirt-sock");
    let _silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let stats =
        LibvirtStats::connect(&uri, StatsOptions { time_limit: Duration::from_millis(50), ..options() });
    let begun = Instant::now();
    assert!(matches!(stats.collect(), Err(HypervisorError::Timeout { .. })));
    assert!(begun.elapsed() < Duration::from_secs(5));
}
