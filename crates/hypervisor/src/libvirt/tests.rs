//! Against libvirt's own `test:///default` driver, which needs no daemon and has one running guest, `test`.

use std::error::Error as _;
use std::os::unix::net::UnixListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(30);
const UUID: &str = "6695eb01-f6a4-8304-79aa-97f2502e193f";

fn default() -> Libvirt {
    Libvirt::connect("test:///default", LIMIT)
}

fn vm(text: &str) -> VmRef {
    VmRef::new(text).unwrap()
}

/// The sentence and its reasons, as an operator gets them.
fn sentence(error: &HypervisorError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[test]
fn guests_are_listed_with_what_an_operator_needs() {
    let guests = default().guests().unwrap();
    let [guest] = guests.as_slice() else { panic!("{guests:?}") };
    assert_eq!((guest.id, guest.name.0.as_str(), guest.uuid.as_str()), (Some(1), "test", UUID));
    assert_eq!((guest.state, guest.vcpus), (GuestState::Running, 2));
    assert_eq!((guest.memory_max.0, guest.memory.0), (8 << 30, 2 << 30));
}

#[test]
fn a_guest_is_found_by_id_name_and_uuid() {
    let hypervisor = default();
    for found in [hypervisor.resolve(&vm("1")), hypervisor.resolve(&vm("test")), hypervisor.guest(UUID)] {
        assert_eq!(found.unwrap().uuid, UUID);
    }
}

#[test]
fn digits_that_are_no_id_are_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let hypervisor = two_guests(dir.path());
    assert_eq!(hypervisor.resolve(&vm("42")).unwrap().name.0, "42");
    assert_eq!(hypervisor.resolve(&vm("1")).unwrap().name.0, "42", "its id");
    assert_eq!(hypervisor.resolve(&vm("4294967295")).unwrap_err().to_string(), {
        format!("no VM '4294967295' on {}", hypervisor.uri())
    });
}

#[test]
fn guests_are_ordered_by_name_and_a_stopped_one_has_no_id() {
    let dir = tempfile::tempdir().unwrap();
    let guests = two_guests(dir.path()).guests().unwrap();
    let seen: Vec<_> = guests.iter().map(|guest| (guest.name.0.as_str(), guest.id, guest.state)).collect();
    assert_eq!(seen, [("42", Some(1), GuestState::Running), ("stopped", None, GuestState::Shutoff)]);
}

#[test]
fn a_guest_that_does_not_exist_is_named_with_its_hypervisor() {
    let hypervisor = default();
    assert_eq!(
        hypervisor.resolve(&vm("web-09")).unwrap_err().to_string(),
        "no VM 'web-09' on test:///default"
    );
    for unknown in ["00000000-0000-4000-8000-000000000000", "not-a-uuid", "a\0b"] {
        assert!(matches!(hypervisor.guest(unknown), Err(HypervisorError::NotFound { .. })), "{unknown:?}");
    }
}

#[test]
fn the_host_tells_its_versions() {
    let host = default().host().unwrap();
    assert_eq!(host.hypervisor, "TEST 0.0.2");
    assert_eq!(host.libvirt.split('.').count(), 3);
    assert!(!host.name.is_empty());
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(host.kernel.as_deref(), Some(release.trim_end()));
}

#[test]
fn a_definition_is_libvirts_xml() {
    assert!(default().domain_xml(UUID).unwrap().contains("<name>test</name>"));
}

#[test]
fn resuming_a_guest_that_runs_changes_nothing() {
    let hypervisor = default();
    hypervisor.resume(UUID).unwrap();
    assert_eq!(hypervisor.guest(UUID).unwrap().state, GuestState::Running);
}

#[test]
fn a_hypervisor_that_is_not_there_is_named_with_the_reason() {
    let hypervisor = Libvirt::connect("qemu+unix:///system?socket=/nonexistent/libvirt-sock", LIMIT);
    let error = sentence(&hypervisor.guests().unwrap_err());
    assert!(
        error.starts_with("cannot connect to qemu+unix:///system?socket=/nonexistent/libvirt-sock: "),
        "{error}"
    );
    assert!(
        error.ends_with("Failed to connect socket to '/nonexistent/libvirt-sock': No such file or directory"),
        "{error}"
    );
}

#[test]
fn a_daemon_that_accepts_and_never_answers_ends_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("libvirt-sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let hypervisor = Libvirt::connect(&uri, Duration::from_millis(50));
    let timeout =
        format!("{uri} did not answer within 0.05 s (asked to list the VMs): check libvirtd on that host");
    // The second call waits behind the first, which still opens the connection.
    for _ in 0..2 {
        assert_eq!(hypervisor.guests().unwrap_err().to_string(), timeout);
    }
}

#[test]
fn a_remote_hypervisor_is_refused_before_it_is_called() {
    let hypervisor = Libvirt::connect("qemu+ssh://root@kvm-02/system", LIMIT);
    assert_eq!(
        hypervisor.begin_frozen_dump(UUID).unwrap_err().to_string(),
        "qemu+ssh://kvm-02/system is on another host, and memory can only be dumped on the host itself: \
         run 'memdeck agent' there and set MEMDUMP_SERVICE_URL to its address"
    );
}

#[test]
fn a_stopped_guest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let hypervisor = two_guests(dir.path());
    let stopped = hypervisor.resolve(&vm("stopped")).unwrap();
    assert_eq!(
        hypervisor.begin_frozen_dump(&stopped.uuid).unwrap_err().to_string(),
        "VM 'stopped' is shutoff: only a VM that has memory can be dumped, start it first"
    );
}

#[test]
fn without_a_daemon_in_sight_a_directory_is_asked_for() {
    // The test driver has no daemon, so nothing shows that it shares our PID namespace.
    let hypervisor = Libvirt::connect("test+unix:///default?socket=/nonexistent", LIMIT);
    let uri = Uri { text: "test:///default".into(), ..hypervisor.control.uri().clone() };
    let hypervisor = Libvirt { control: Arc::new(Control::new(uri, LIMIT)), ..hypervisor };
    let error = hypervisor.begin_frozen_dump(UUID).unwrap_err();
    assert!(matches!(error, HypervisorError::NoSharedDirectory { .. }), "{error}");
}

#[test]
fn a_dump_that_libvirt_refuses_is_an_error_with_its_reason_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hypervisor = default().with_fifo_dir(dir.path());
    let error = sentence(&hypervisor.begin_frozen_dump(UUID).unwrap_err());
    assert!(error.starts_with("the memory of VM 'test' could not be dumped: "), "{error}");
    assert!(error.contains("unsupported flags"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the FIFO is removed");
}

#[test]
fn a_guest_that_its_driver_cannot_dump_live_is_told_from_a_failed_dump() {
    let dir = tempfile::tempdir().unwrap();
    let hypervisor = default().with_fifo_dir(dir.path());
    let budget = Some(Duration::from_millis(60));
    for pause_budget in [None, budget] {
        let error = hypervisor.begin_live_dump(UUID, LiveOptions { pause_budget }).unwrap_err();
        assert!(matches!(error, HypervisorError::CannotMigrate { .. }), "{}", sentence(&error));
        let start = "VM 'test' cannot be dumped while it runs: only a frozen dump is possible: ";
        assert!(sentence(&error).starts_with(start), "{}", sentence(&error));
    }
    assert_eq!(hypervisor.guest(UUID).unwrap().state, GuestState::Running);
}

#[test]
fn a_guest_without_launch_security_is_not_encrypted() {
    assert_eq!(default().launch_security(UUID).unwrap(), None);
    let unknown = default().launch_security("00000000-0000-4000-8000-000000000000");
    assert!(matches!(unknown, Err(HypervisorError::NotFound { .. })), "{unknown:?}");
}

/// A test driver whose guests are `42`, running, and `stopped`.
fn two_guests(dir: &std::path::Path) -> Libvirt {
    let guest = |name: &str, state: &str| {
        format!(
            "<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>\
             <test:runstate>{state}</test:runstate>\
             <name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>"
        )
    };
    let node = format!("<node>{}{}</node>", guest("stopped", "5"), guest("42", "1"));
    let file = dir.join("node.xml");
    std::fs::write(&file, node).unwrap();
    Libvirt::connect(&format!("test://{}", file.display()), LIMIT)
}
