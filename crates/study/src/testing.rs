//! Stored images for tests.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memdeck_image::{CaptureFacts, FrozenCapture, GuestFacts, HypervisorFacts, ImageStore, Provenance};
use memdeck_model::{Actor, ByteCount, CaptureMode, DumpId, GuestName, HostClock, Timestamp};
use tempfile::TempDir;

use crate::synthetic::headers;

/// A directory of images.
pub(crate) struct Lab {
    /// Ends with the test.
    dir: Option<TempDir>,
    store: ImageStore,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let lab = Self::in_directory(&dir.path().join("dumps"));
        Self { dir: Some(dir), ..lab }
    }

    /// The directory stays.
    pub(crate) fn in_directory(dumps: &Path) -> Self {
        Self { dir: None, store: ImageStore::open(dumps).unwrap() }
    }

    pub(crate) fn dumps(&self) -> &Path {
        self.store.dir()
    }

    /// Makes an empty directory beside that of the images.
    pub(crate) fn empty_directory(&self, name: &str) -> PathBuf {
        let path = self.dir.as_ref().unwrap().path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// Stores a dump of a guest with memory of these (address, bytes).
    pub(crate) fn store(&self, guest: &str, taken: &str, memory: &[(u64, Vec<u8>)]) -> PathBuf {
        let segments: Vec<_> = memory.iter().map(|(address, bytes)| (*address, bytes.len() as u64)).collect();
        let image = headers(&segments);
        let mut image: Box<dyn Read> = Box::new(io::Cursor::new(image));
        for (_, bytes) in memory {
            image = Box::new(image.chain(bytes.as_slice()));
        }
        let number = std::fs::read_dir(self.dumps()).unwrap().count() as u128;
        let (guest, dump_id) = (GuestName(guest.to_owned()), DumpId::from_uuid_bits(number));
        let mut partial = self.store.create(&guest, &dump_id).unwrap();
        let received = FrozenCapture::prepare(&self.store).unwrap();
        let received = received.receive(image, &|| false, &mut |_| {}).unwrap();
        partial.capture(received, &|| false, &mut |_| {}).unwrap();
        partial.seal(provenance(guest, taken.parse().unwrap())).unwrap().image
    }
}

fn provenance(guest: GuestName, started_at: Timestamp) -> Provenance {
    Provenance {
        guest: GuestFacts {
            name: guest,
            uuid: "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22".to_owned(),
            vmid: "7".to_owned(),
            memory_bytes: ByteCount::from_mib(16),
            domain_xml_sha256: None,
            os_banner: None,
        },
        host: "kvm-a".to_owned(),
        host_kernel: None,
        host_clock: HostClock::default(),
        hypervisor: HypervisorFacts {
            uri: "qemu:///system".to_owned(),
            libvirt_version: None,
            qemu_version: None,
        },
        memdeck_version: "0.1.0".to_owned(),
        requested_by: Actor::named("operator"),
        mode: CaptureMode::Frozen,
        started_at,
        finished_at: started_at,
        pause_ms: None,
        capture: CaptureFacts::default(),
        case: None,
        note: None,
        audit: None,
    }
}
