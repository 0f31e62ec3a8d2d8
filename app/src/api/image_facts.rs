//! What is known of a stored image beyond its record. The fields are those of the inspection and of the manifest, whose
//! meaning `docs/image-format.md` tells; what another version does not tell is missing.

use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, GuestName, GuestPhysAddr, HostClock, Millis, PauseSource, Problem,
    Remark, Timestamp,
};
use serde::{Deserialize, Serialize};

/// An image as its headers and its manifest describe it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageFacts {
    /// Size of the stored file, as it is.
    pub stored_size_bytes: Option<ByteCount>,
    /// Size of the image under the codec.
    pub raw_size_bytes: Option<ByteCount>,
    /// Bytes of guest memory in the image.
    pub memory_bytes: Option<ByteCount>,
    /// CPUs of which the image has the registers.
    pub cpus: Option<u64>,
    /// How long the image is in each format, and what the format leaves out.
    pub exports: Vec<ExportFacts>,
    /// The manifest beside the image.
    pub manifest: Option<ManifestFacts>,
    /// Why there is none, or why it is not to be believed.
    pub manifest_problem: Option<String>,
    /// Why the image cannot be read, though its manifest can.
    pub problem: Option<Problem>,
}

/// A format in which an image can be downloaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExportFacts {
    /// Its word: `elf`.
    pub format: String,
    /// Its length; `None` where that is not known before it is made, or where it cannot be made.
    pub size_bytes: Option<ByteCount>,
    /// Memory that it leaves out.
    #[serde(default)]
    pub omitted: Vec<SegmentFacts>,
    /// Why it cannot be made.
    pub problem: Option<String>,
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentKind {
    /// Guest memory.
    Load,
    /// Notes: CPU registers and the like.
    Note,
    /// Another type of program header.
    Other(u32),
}

/// A segment of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// What it holds.
    pub kind: SegmentKind,
    /// Where its memory begins in the guest.
    pub address: GuestPhysAddr,
    /// Where its bytes begin in the image.
    pub offset_bytes: ByteCount,
    /// How many bytes the image holds of it.
    pub file_bytes: ByteCount,
    /// How many bytes it has in the guest.
    pub memory_bytes: ByteCount,
}

impl ManifestFacts {
    /// Who asked for the dump.
    #[must_use]
    pub fn asked_by(&self) -> Actor {
        self.actor.clone().unwrap_or_else(|| Actor::from_kept(&self.requested_by))
    }
}

/// The manifest of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the manifest's fields are described with its format")]
pub struct ManifestFacts {
    pub manifest_version: u32,
    pub dump_id: DumpId,
    pub guest: GuestFacts,
    pub host: String,
    #[serde(default)]
    pub host_kernel: Option<String>,
    #[serde(default)]
    pub host_clock: HostClock,
    pub hypervisor: HypervisorFacts,
    pub memdeck_version: String,
    pub requested_by: String,
    /// The same as data, where the version that took the dump kept it.
    #[serde(default)]
    pub actor: Option<Actor>,
    pub mode: CaptureMode,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    pub pause_ms: Option<Millis>,
    #[serde(default)]
    pub capture: CaptureFacts,
    pub case: Option<Remark>,
    pub note: Option<Remark>,
    pub format: String,
    pub codec: String,
    pub frame_bytes: ByteCount,
    pub raw_size_bytes: ByteCount,
    pub stored_size_bytes: ByteCount,
    pub sha256: String,
    pub file_sha256: String,
    pub frames: FrameFacts,
    #[serde(default)]
    pub frame_digests: Option<FrameDigestFacts>,
    #[serde(default)]
    pub page_map: Option<PageMapFacts>,
    #[serde(default)]
    pub segments: Vec<SegmentFacts>,
}

/// The guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestFacts {
    pub name: GuestName,
    pub uuid: String,
    pub vmid: String,
    pub memory_bytes: ByteCount,
    #[serde(default)]
    pub domain_xml_sha256: Option<String>,
    #[serde(default)]
    pub os_banner: Option<String>,
}

/// The hypervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HypervisorFacts {
    pub uri: String,
    pub libvirt_version: Option<String>,
    pub qemu_version: Option<String>,
}

/// How the memory was taken, beyond the mode.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureFacts {
    pub point_in_time: Option<Timestamp>,
    pub fallback: Option<String>,
    pub pause_source: Option<PauseSource>,
    pub job_downtime_ms: Option<Millis>,
    pub iterations: Option<u64>,
    pub dirty_bytes_per_s: Option<ByteCount>,
    pub encrypted: bool,
    pub omitted: Vec<OmittedBlock>,
    pub missing: Vec<String>,
}

/// A RAM block that the image leaves out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OmittedBlock {
    pub name: String,
    pub bytes: ByteCount,
}

/// How many frames the stored file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFacts {
    pub total: u64,
    pub zero: u64,
}

/// The digests of the frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrameDigestFacts {
    pub root: String,
}

/// The page map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the manifest's fields are described with its format")]
pub struct PageMapFacts {
    pub file_blake3: String,
    pub stored_size_bytes: ByteCount,
    pub page_bytes: ByteCount,
    pub pages: PageTotals,
    pub mean_entropy_millibits: u64,
}

/// Pages of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the manifest's fields are described with its format")]
pub struct PageTotals {
    pub total: u64,
    pub zero: u64,
    pub uniform: u64,
    pub text: u64,
    pub sparse: u64,
    pub high_entropy: u64,
    pub binary: u64,
}
