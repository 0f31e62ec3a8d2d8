//! The manifest of a stored image: what it is, where it comes from, and what its bytes must hash to.
//!
//! The field names are those of the JSON file beside the image (`docs/image-format.md`). A reader accepts fields it does
//! not know; a change that old readers would misunderstand takes a new [`MANIFEST_VERSION`].

use serde::{Deserialize, Serialize};

use crate::audit::{AuditHead, Witness};
use crate::{
    Actor, ByteCount, CaptureMode, DumpId, GuestName, HostChainPlace, HostClock, KeyId, Message, Millis,
    PauseSource, Remark, Segment, Timestamp,
};

/// The version this program writes of an image that is stored whole.
pub const MANIFEST_VERSION: u32 = 1;
/// The version it writes of an image that is stored as a difference, which older programs would take for a damaged one.
pub const DIFFERENCE_MANIFEST_VERSION: u32 = 2;

/// The guest an image was taken of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestFacts {
    /// Its name at that time.
    pub name: GuestName,
    /// Its UUID in the hyphenated form.
    pub uuid: String,
    /// libvirt's id of it at that time.
    pub vmid: String,
    /// The memory it had.
    pub memory_bytes: ByteCount,
    /// SHA-256 of its domain XML when the dump began, 64 hexadecimal digits.
    #[serde(default)]
    pub domain_xml_sha256: Option<String>,
    /// How its kernel identifies itself in the image; a hint. Found while the image is stored.
    #[serde(default)]
    pub os_banner: Option<String>,
}

/// The hypervisor the guest ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorFacts {
    /// The URI it was reached by.
    pub uri: String,
    /// `None` if libvirt did not report it.
    pub libvirt_version: Option<String>,
    /// `None` if libvirt did not report it.
    pub qemu_version: Option<String>,
}

/// A RAM block of the machine that the image leaves out, because it is not part of the guest's physical memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmittedBlock {
    /// Its name in QEMU.
    pub name: String,
    pub bytes: ByteCount,
}

/// How the memory was taken, beyond the mode. Manifests from before a field existed read as its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureFacts {
    /// The instant at which the guest's memory was as the image shows it.
    pub point_in_time: Option<Timestamp>,
    /// How the pause was measured; `None` if it was not, or if there was none to measure.
    pub pause_source: Option<PauseSource>,
    /// Why another mode than the first choice was taken.
    pub fallback: Option<Message>,
    /// The pause according to the hypervisor's own job statistics.
    pub job_downtime_ms: Option<Millis>,
    /// How often a live dump went over the guest's memory.
    pub iterations: Option<u64>,
    /// How fast the guest changed its memory during a live dump, bytes per second.
    pub dirty_bytes_per_s: Option<ByteCount>,
    /// Whether the image is ciphertext, because the guest's memory is encrypted.
    pub encrypted: bool,
    /// RAM blocks that the image leaves out.
    pub omitted: Vec<OmittedBlock>,
    /// What a frozen dump would contain and this image does not.
    pub missing: Vec<String>,
}

/// How many frames a stored image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFacts {
    /// All of them.
    pub total: u64,
    /// Those of zeroes only.
    pub zero: u64,
}

/// The digests of an image's frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameDigestFacts {
    /// BLAKE3 hash over the digests of all frames, 64 hexadecimal digits.
    pub root: String,
}

/// How many pages there are of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageTotals {
    /// All of them.
    pub total: u64,
    /// Zeroes only.
    pub zero: u64,
    /// One byte other than zero, repeated.
    pub uniform: u64,
    /// Mostly printable text.
    pub text: u64,
    /// Mostly zeroes.
    pub sparse: u64,
    /// Compressed, encrypted or random.
    pub high_entropy: u64,
    /// Everything else.
    pub binary: u64,
}

/// The page map of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageMapFacts {
    /// BLAKE3 hash of the page map's file, 64 hexadecimal digits.
    pub file_blake3: String,
    /// Size of that file.
    pub stored_size_bytes: ByteCount,
    /// Bytes of a page.
    pub page_bytes: ByteCount,
    /// Pages per class.
    pub pages: PageTotals,
    /// Mean Shannon entropy of the pages that are not zero, in thousandths of a bit per byte; 0 if there are none.
    pub mean_entropy_millibits: u64,
}

/// Which image another one is a difference to, and how many of its frames are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceFacts {
    /// The dump of the other image, which is stored whole.
    pub base: DumpId,
    /// The name of that image's file, in the same directory.
    pub base_file: String,
    /// SHA-256 of that image uncompressed, 64 hexadecimal digits.
    pub base_sha256: String,
    /// BLAKE3 hash over the digests of all its frames, 64 hexadecimal digits.
    pub base_digests_root: String,
    /// Frames that are as in the other image; nothing of them is stored.
    pub same_frames: u64,
    /// Frames of which only what changed is stored.
    pub changed_frames: u64,
}

/// The manifest of a stored image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`] or [`DIFFERENCE_MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// Which dump.
    pub dump_id: DumpId,
    /// Whose memory it is.
    pub guest: GuestFacts,
    /// The host name of the hypervisor.
    pub host: String,
    /// The release of the host's kernel, if known.
    #[serde(default)]
    pub host_kernel: Option<String>,
    /// The host's clock when the dump began.
    #[serde(default)]
    pub host_clock: HostClock,
    pub hypervisor: HypervisorFacts,
    /// The version of the program that took the dump.
    pub memdeck_version: String,
    /// Who asked for it, for people.
    pub requested_by: String,
    /// The same as data; `None` if the version that took the dump did not keep it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// How it was taken.
    pub mode: CaptureMode,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When the image was complete.
    pub finished_at: Timestamp,
    /// How long the guest was stopped, if that was measured.
    pub pause_ms: Option<Millis>,
    /// How it was taken, beyond the mode.
    #[serde(default)]
    pub capture: CaptureFacts,
    /// Case number.
    pub case: Option<Remark>,
    /// Note.
    pub note: Option<Remark>,
    /// Format of the image under the codec: `elf`.
    pub format: String,
    /// Codec of the stored file: `zstd`.
    pub codec: String,
    /// Bytes of the image in every frame but the last.
    pub frame_bytes: ByteCount,
    /// Size of the uncompressed image.
    pub raw_size_bytes: ByteCount,
    /// Size of the stored file.
    pub stored_size_bytes: ByteCount,
    /// SHA-256 of the uncompressed image.
    pub sha256: String,
    /// SHA-256 of the stored file.
    pub file_sha256: String,
    /// How many frames the stored file has.
    pub frames: FrameFacts,
    /// The digests of the frames; older images have none.
    #[serde(default)]
    pub frame_digests: Option<FrameDigestFacts>,
    /// The page map; older images have none.
    #[serde(default)]
    pub page_map: Option<PageMapFacts>,
    /// The image that this one is stored as a difference to; `None` if it is stored whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<DifferenceFacts>,
    /// The end of memdeck's audit when the image was sealed; older images have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditHead>,
    /// The key that signed this manifest; the signature is the file beside it. Older images have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<KeyId>,
    /// Which of its host's dumps it is; older images have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_chain: Option<HostChainPlace>,
    /// Why one of both is missing although this version would have written it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned_because: Option<Message>,
    /// The segments of the image, in the order of its program headers.
    pub segments: Vec<Segment>,
}

impl Manifest {
    /// What it knows of the audit.
    #[must_use]
    pub fn witness(&self) -> Option<Witness> {
        let head = self.audit.clone()?;
        Some(Witness { dump_id: self.dump_id.clone(), head })
    }

    /// Who asked for the dump.
    #[must_use]
    pub fn asked_by(&self) -> Actor {
        self.actor.clone().unwrap_or_else(|| Actor::from_kept(&self.requested_by))
    }
}
