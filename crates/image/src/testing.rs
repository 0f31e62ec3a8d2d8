//! Stored images for tests.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, GuestName, HostClock, Millis, Progress, Record, Timestamp,
};
use memdeck_signing::{HostSigner, KeyFiles};
use tempfile::TempDir;

use crate::synthetic::{headers, noise};
use crate::{
    BaseImage, CaptureError, CaptureFacts, Captured, FrozenCapture, GuestFacts, HypervisorFacts, ImageStore,
    ManifestFile, PartialImage, Provenance, Sealed, SeekTable,
};

/// A core that holds this memory in one segment.
pub(crate) fn core(memory: &[u8]) -> Vec<u8> {
    let mut image = headers(&[(0, memory.len() as u64)]);
    image.extend(memory);
    image
}

/// Memory like that of a guest: noise, zeroes and text in turn, at odd places; they begin with another one for another
/// seed.
pub(crate) fn memory(seed: u64, length: usize) -> Vec<u8> {
    let mut memory = Vec::with_capacity(length);
    for part in 0.. {
        if memory.len() >= length {
            break;
        }
        match (seed + part) % 3 {
            0 => memory.extend(noise(seed + part, 200_000)),
            1 => memory.extend(vec![0; 2_500_000]),
            _ => memory.extend(b"page ".repeat(30_000)),
        }
    }
    memory.truncate(length);
    memory
}

pub(crate) fn guest() -> GuestName {
    GuestName("web-01".to_owned())
}

pub(crate) fn dump_id() -> DumpId {
    "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11".parse().unwrap()
}

pub(crate) fn provenance() -> Provenance {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    Provenance {
        guest: GuestFacts {
            name: guest(),
            uuid: "7a1f0c3e-0d8e-4d0b-8a61-1c0f5a4b9d22".to_owned(),
            vmid: "7".to_owned(),
            memory_bytes: ByteCount::from_mib(256),
            domain_xml_sha256: None,
            os_banner: None,
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
        requested_by: Actor::named("operator"),
        mode: CaptureMode::Frozen,
        started_at: at("2025-11-14T08:58:23.550273Z"),
        finished_at: at("2025-11-14T08:58:24.100000Z"),
        pause_ms: Some(Millis(412)),
        capture: CaptureFacts::default(),
        case: None,
        note: None,
        audit: None,
    }
}

/// A directory for dumps that ends with the test.
pub(crate) struct Lab {
    dir: TempDir,
    pub(crate) store: ImageStore,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = ImageStore::open(&dir.path().join("dumps")).unwrap();
        Self { dir, store }
    }

    pub(crate) fn outside(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn partial(&self) -> PartialImage {
        self.store.create(&guest(), &dump_id()).unwrap()
    }

    pub(crate) fn store(&self, image: &[u8]) -> Sealed {
        let mut partial = self.partial();
        partial.capture_core(image).unwrap();
        partial.seal(provenance()).unwrap()
    }

    /// Where the keys of this host are.
    pub(crate) fn keys(&self) -> KeyFiles {
        KeyFiles::of(self.outside())
    }

    /// Who signs on this host.
    pub(crate) fn signer(&self) -> HostSigner {
        self.keys().read_or_make(provenance().started_at).unwrap();
        HostSigner::of(self.outside())
    }

    /// Stores an image that is signed and has a place in the chain of this host.
    pub(crate) fn store_signed(&self, image: &[u8]) -> Sealed {
        let mut partial = self.partial();
        partial.capture_core(image).unwrap();
        partial.seal_signed(provenance(), &self.signer()).unwrap().1
    }

    /// Stores another dump of the same guest, as a difference to that one.
    pub(crate) fn store_difference(&self, base: &Sealed, image: &[u8]) -> Sealed {
        let dump_id = "9c7e3a51-2b1d-4c8e-b6f0-3d5a7e9f1b24".parse().unwrap();
        let mut partial = self.store.create(&guest(), &dump_id).unwrap();
        let received = FrozenCapture::prepare(&self.store).unwrap();
        let received = received.receive(image, &|| false, &mut silent).unwrap();
        let base = BaseImage::open(&base.image, &record_of(base)).unwrap();
        partial.capture_against(received, Some(base), &|| false, &mut silent).unwrap();
        partial.seal_signed(provenance(), &self.signer()).unwrap().1
    }

    /// Stores another dump, of another guest.
    pub(crate) fn store_other(&self, image: &[u8]) -> Sealed {
        let other = GuestName("db-01".to_owned());
        let dump_id = "5b1f7a52-93c4-4b5e-8a01-6d2f5d1f9c40".parse().unwrap();
        let mut partial = self.store.create(&other, &dump_id).unwrap();
        partial.capture_core(image).unwrap();
        let provenance = provenance();
        let provenance = Provenance { guest: GuestFacts { name: other, ..provenance.guest }, ..provenance };
        partial.seal_signed(provenance, &self.signer()).unwrap().1
    }

    /// The names of all files, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let names = fs::read_dir(self.store.dir()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A stored image that was not captured: these frames, as they are, and a table that fits them.
    pub(crate) fn store_frames(&self, frames: &[&[u8]]) -> PathBuf {
        let mut file = Vec::new();
        let mut table = SeekTable::new();
        for frame in frames {
            let stored = zstd::bulk::compress(frame, 1).unwrap();
            table.push(stored.len().try_into().unwrap(), frame.len().try_into().unwrap()).unwrap();
            file.extend(stored);
        }
        table.write_to(&mut file).unwrap();
        let path = self.store.dir().join("made_x.elf.zst");
        fs::write(&path, file).unwrap();
        path
    }
}

/// What the catalog keeps of a dump that was just sealed.
pub(crate) fn record_of(sealed: &Sealed) -> Record {
    let file = ManifestFile::read(&sealed.manifest).unwrap();
    let manifest = file.manifest;
    Record {
        sha256: Some(manifest.sha256),
        gzip_size_bytes: Some(sealed.stored_size),
        dump_path: Some(sealed.image.display().to_string()),
        dump_id: Some(manifest.dump_id),
        host: Some(manifest.host),
        mode: Some(manifest.mode),
        pause_ms: manifest.pause_ms,
        raw_size_bytes: Some(manifest.raw_size_bytes),
        format: Some(manifest.format),
        codec: Some(manifest.codec),
        difference_of: manifest.difference.map(|facts| facts.base),
        case: manifest.case,
        note: manifest.note,
        manifest_sha256: Some(file.sha256),
        digests_root: manifest.frame_digests.map(|digests| digests.root),
        ..Record::unknown(manifest.guest.name, manifest.guest.vmid, manifest.started_at)
    }
}

/// An image as memdeck stores it, without the files beside it.
pub(crate) fn packed(image: &[u8]) -> Vec<u8> {
    let mut compressor = crate::format::frame::compressor().unwrap();
    let (mut file, mut table) = (Vec::new(), SeekTable::new());
    for frame in image.chunks(crate::FRAME_BYTES) {
        let stored = compressor.compress(frame).unwrap();
        table.push(stored.len().try_into().unwrap(), frame.len().try_into().unwrap()).unwrap();
        file.extend(stored);
    }
    table.write_to(&mut file).unwrap();
    file
}

/// The digests of an image's frames as memdeck stores them, and the root over them.
pub(crate) fn digests_of(image: &[u8]) -> (Vec<u8>, String) {
    let digests: Vec<u8> =
        image.chunks(crate::FRAME_BYTES).flat_map(|frame| *blake3::hash(frame).as_bytes()).collect();
    let root = blake3::hash(&digests).to_hex().to_string();
    (digests, root)
}

pub(crate) fn silent(_: Progress) {}

impl PartialImage {
    /// Receives a core and stores it, as a frozen dump does.
    pub(crate) fn capture_core(&mut self, stream: impl Read) -> Result<Captured, CaptureError> {
        let store = ImageStore::open(self.path().parent().unwrap()).unwrap();
        let image = FrozenCapture::prepare(&store)?.receive(stream, &|| false, &mut silent)?;
        self.capture(image, &|| false, &mut silent)
    }
}
