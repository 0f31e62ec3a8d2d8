//! A stored image with its manifest and checksum: what is called intact exports as the very bytes that were captured.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use memdeck_fuzz::{damaged, scratch};
use memdeck_image::fuzzing::{elf_headers, noise};
use memdeck_image::{
    CaptureFacts, GuestFacts, HypervisorFacts, ImageStore, Provenance, Verdict, export, verify,
};
use memdeck_model::{ByteCount, CaptureMode, GuestName, HostClock, Millis};

struct Stored {
    /// Image, manifest, checksum: where they are, and what they held.
    files: [(PathBuf, Vec<u8>); 3],
    image: Vec<u8>,
}

static STORED: LazyLock<Stored> = LazyLock::new(|| {
    let store = ImageStore::open(&scratch().join("dumps")).expect("a directory for dumps");
    let memory = [noise(1, 3000), vec![0; 5000]].concat();
    let image = [elf_headers(&[(0, memory.len() as u64)]), memory].concat();
    let name = GuestName("web-01".to_owned());
    let dump_id = "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11".parse().expect("a dump id");
    let mut partial = store.create(&name, &dump_id).expect("a new image");
    partial.capture(image.as_slice(), &mut |_| {}).expect("a captured image");
    let at = |text: &str| text.parse().expect("an instant");
    let provenance = Provenance {
        guest: GuestFacts {
            name,
            uuid: "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22".to_owned(),
            vmid: "7".to_owned(),
            memory_bytes: ByteCount(8000),
            domain_xml_sha256: None,
        },
        host: "kvm-a".to_owned(),
        host_kernel: None,
        host_clock: HostClock::default(),
        hypervisor: HypervisorFacts {
            uri: "qemu:///system".to_owned(),
            libvirt_version: Some("9.0.0".to_owned()),
            qemu_version: None,
        },
        memdeck_version: "0.1.0".to_owned(),
        requested_by: "page".to_owned(),
        mode: CaptureMode::Frozen,
        started_at: at("2025-11-14T08:58:23.550273Z"),
        finished_at: at("2025-11-14T08:58:24.100000Z"),
        pause_ms: Some(Millis(412)),
        capture: CaptureFacts::default(),
        case: None,
        note: None,
    };
    let sealed = partial.seal(provenance).expect("a sealed image");
    let files = [sealed.image, sealed.manifest, sealed.checksum].map(|path| {
        let content = fs::read(&path).expect("a file of the image");
        (path, content)
    });
    Stored { files, image }
});

fuzz_target!(|data: &[u8]| {
    let mut data = Unstructured::new(data);
    let Stored { files, image } = &*STORED;
    let changed = data.arbitrary::<u8>().unwrap_or_default();
    for (index, (path, content)) in files.iter().enumerate() {
        let content =
            if changed & 1 << index == 0 { content.clone() } else { damaged(&mut data, &[content]) };
        fs::write(path, content).expect("a writable directory");
    }
    let path = &files[0].0;
    let report = verify(path, &mut |_| {}).expect("a file that can be read");
    let mut exported = Vec::new();
    let export = export(path, &mut exported);
    match report.verdict {
        Verdict::Intact => {
            let export = export.expect("an intact image exports");
            assert!(export.confirmed);
            assert_eq!(exported, *image);
        }
        Verdict::Unconfirmed => unreachable!("no file is missing"),
        Verdict::Damaged => {
            assert!(!report.findings.is_empty());
            // An export that is confirmed is of the image that the manifest names, whatever else is wrong.
            if export.is_ok_and(|export| export.confirmed) {
                assert_eq!(report.sha256, report.manifest.map(|manifest| manifest.sha256));
            }
        }
    }
});
