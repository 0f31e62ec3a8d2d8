//! A stored image is an ordinary zstd file to the tools that everybody has.

#[path = "../src/synthetic.rs"]
mod synthetic;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use memdeck_image::{
    CaptureFacts, FrozenCapture, GuestFacts, HypervisorFacts, ImageStore, Provenance, Sealed,
};
use memdeck_model::{Actor, ByteCount, CaptureMode, GuestName, HostClock, Timestamp};

fn tool(name: &str, arguments: &[&Path], input: &[u8]) -> Output {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs the tool {name} (Debian: zstd, coreutils): {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("the tool ends")
    })
}

fn stored(dir: &Path) -> (Vec<u8>, Sealed) {
    let mut memory = synthetic::noise(1, 3 << 20);
    memory.extend(vec![0; 2 << 20]);
    let mut image = synthetic::headers(&[(0, memory.len() as u64)]);
    image.extend(memory);
    let store = ImageStore::open(&dir.join("dumps")).unwrap();
    let name = GuestName("web-01".to_owned());
    let mut partial = store.create(&name, &"a1".parse().unwrap()).unwrap();
    let received =
        FrozenCapture::prepare(&store).unwrap().receive(image.as_slice(), &|| false, &mut |_| {}).unwrap();
    partial.capture(received, &|| false, &mut |_| {}).unwrap();
    let now = Timestamp::from_unix_micros(0).unwrap();
    let sealed = partial.seal(Provenance {
        guest: GuestFacts {
            name,
            uuid: String::new(),
            vmid: "7".to_owned(),
            memory_bytes: ByteCount::from_mib(5),
            domain_xml_sha256: None,
            os_banner: None,
        },
        host: "kvm-a".to_owned(),
        host_kernel: None,
        host_clock: HostClock::default(),
        hypervisor: HypervisorFacts { uri: String::new(), libvirt_version: None, qemu_version: None },
        memdeck_version: "0.1.0".to_owned(),
        requested_by: Actor::named("operator"),
        mode: CaptureMode::Frozen,
        started_at: now,
        finished_at: now,
        pause_ms: None,
        capture: CaptureFacts::default(),
        case: None,
        note: None,
        audit: None,
    });
    (image, sealed.unwrap())
}

#[test]
fn zstd_restores_the_exact_image_and_sha256sum_confirms_it() {
    let dir = tempfile::tempdir().unwrap();
    let (image, sealed) = stored(dir.path());
    let restored = tool("zstd", &["-dc".as_ref(), &sealed.image], b"");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert!(restored.stdout == image, "zstd restores other bytes");
    let confirmed = tool("sha256sum", &["-c".as_ref(), &sealed.checksum], &restored.stdout);
    assert_eq!(String::from_utf8_lossy(&confirmed.stdout), "-: OK\n");
    assert!(confirmed.status.success());
}

#[test]
fn zstd_tests_and_lists_a_stored_image() {
    let dir = tempfile::tempdir().unwrap();
    let (_, sealed) = stored(dir.path());
    for action in ["-t", "-l"] {
        let output = tool("zstd", &[action.as_ref(), &sealed.image], b"");
        assert!(output.status.success(), "zstd {action}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
