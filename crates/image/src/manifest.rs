//! The manifest of a stored image: what it is, where it comes from, and what its bytes must hash to. JSON, versioned.
//!
//! A reader accepts fields it does not know; a change that old readers would misunderstand takes a new version.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memdeck_model::{
    Actor, ByteCount, CaptureMode, DumpId, GuestName, HostClock, Millis, PauseSource, Remark, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::frames::FRAME_BYTES;
use crate::{Captured, FrameDigestFacts, PageMapFacts, Segment};

/// The version this program writes, and the only one it reads.
pub const MANIFEST_VERSION: u32 = 1;
const FORMAT: &str = "elf";
const CODEC: &str = "zstd";
/// Far more than the segments of any machine take; bounds what is read of a hostile file.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

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
    /// What its kernel says that it is, as the image has it; a hint. Found while the image is stored.
    #[serde(default)]
    pub os_banner: Option<String>,
}

/// The hypervisor the guest ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorFacts {
    /// How it was reached.
    pub uri: String,
    /// Where known.
    pub libvirt_version: Option<String>,
    /// Where known.
    pub qemu_version: Option<String>,
}

/// A RAM block of the machine that the image leaves out, because it is not part of the guest's physical memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OmittedBlock {
    /// Its name in QEMU.
    pub name: String,
    /// Its length.
    pub bytes: ByteCount,
}

/// How the memory was taken, beyond the mode. Manifests from before a field existed read as its default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureFacts {
    /// The instant at which the guest's memory was as the image shows it.
    pub point_in_time: Option<Timestamp>,
    /// How the pause was measured; `None` where it was not, or where there was none to measure.
    pub pause_source: Option<PauseSource>,
    /// Why another mode than the first choice was taken.
    pub fallback: Option<String>,
    /// The pause as the hypervisor's own job statistics tell it.
    pub job_downtime_ms: Option<Millis>,
    /// How often a live dump went over the guest's memory.
    pub iterations: Option<u64>,
    /// How fast the guest changed its memory during a live dump, bytes per second.
    pub dirty_bytes_per_s: Option<ByteCount>,
    /// Whether the image is ciphertext, because the guest's memory is encrypted.
    pub encrypted: bool,
    /// RAM blocks that the image leaves out.
    pub omitted: Vec<OmittedBlock>,
    /// What a frozen dump would have and this image has not.
    pub missing: Vec<String>,
}

/// What the engine knows of a dump and the bytes do not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Whose memory it is.
    pub guest: GuestFacts,
    /// The host name of the hypervisor.
    pub host: String,
    /// The release of the host's kernel, where known.
    pub host_kernel: Option<String>,
    /// The host's clock when the dump began.
    pub host_clock: HostClock,
    /// The hypervisor.
    pub hypervisor: HypervisorFacts,
    /// The version of the program that took the dump.
    pub memdeck_version: String,
    /// Who asked for it.
    pub requested_by: Actor,
    /// How it was taken.
    pub mode: CaptureMode,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When the image was complete.
    pub finished_at: Timestamp,
    /// How long the guest was stopped, where that was measured.
    pub pause_ms: Option<Millis>,
    /// How it was taken, beyond the mode.
    pub capture: CaptureFacts,
    /// Case number.
    pub case: Option<Remark>,
    /// Note.
    pub note: Option<Remark>,
}

/// How many frames a stored image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFacts {
    /// All of them.
    pub total: u64,
    /// Those of zeroes only.
    pub zero: u64,
}

/// The manifest of a stored image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub manifest_version: u32,
    /// Which dump.
    pub dump_id: DumpId,
    /// Whose memory it is.
    pub guest: GuestFacts,
    /// The host name of the hypervisor.
    pub host: String,
    /// The release of the host's kernel, where known.
    #[serde(default)]
    pub host_kernel: Option<String>,
    /// The host's clock when the dump began.
    #[serde(default)]
    pub host_clock: HostClock,
    /// The hypervisor.
    pub hypervisor: HypervisorFacts,
    /// The version of the program that took the dump.
    pub memdeck_version: String,
    /// Who asked for it, for people.
    pub requested_by: String,
    /// The same as data; `None` where the version that took the dump did not keep it so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// How it was taken.
    pub mode: CaptureMode,
    /// When the dump began.
    pub started_at: Timestamp,
    /// When the image was complete.
    pub finished_at: Timestamp,
    /// How long the guest was stopped, where that was measured.
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
    /// The segments of the image, in the order of its program headers.
    pub segments: Vec<Segment>,
}

/// Why a file is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no such file, or it cannot be read.
    #[error("the manifest cannot be read")]
    Io(#[source] io::Error),
    /// It is larger than any manifest.
    #[error("the manifest is larger than {}", ByteCount(MAX_MANIFEST_BYTES))]
    TooLarge,
    /// It is not JSON, or a field is missing or of another type.
    #[error("the manifest is damaged")]
    Json(#[source] serde_json::Error),
    /// Another version of the format.
    #[error("the manifest has version {0}; this program reads version {MANIFEST_VERSION}")]
    Version(u32),
}

impl Manifest {
    /// Joins what the engine knows with what the bytes told.
    #[must_use]
    pub fn new(dump_id: DumpId, provenance: Provenance, captured: Captured) -> Self {
        let Provenance {
            guest,
            host,
            host_kernel,
            host_clock,
            hypervisor,
            memdeck_version,
            requested_by,
            mode,
            started_at,
            finished_at,
            pause_ms,
            capture,
            case,
            note,
        } = provenance;
        Self {
            manifest_version: MANIFEST_VERSION,
            dump_id,
            guest: GuestFacts { os_banner: captured.os_banner, ..guest },
            host,
            host_kernel,
            host_clock,
            hypervisor,
            memdeck_version,
            requested_by: requested_by.to_string(),
            actor: Some(requested_by),
            mode,
            started_at,
            finished_at,
            pause_ms,
            capture,
            case,
            note,
            format: FORMAT.to_owned(),
            codec: CODEC.to_owned(),
            frame_bytes: ByteCount(u64::try_from(FRAME_BYTES).unwrap_or(u64::MAX)),
            raw_size_bytes: captured.raw_size,
            stored_size_bytes: captured.stored_size,
            sha256: captured.sha256,
            file_sha256: captured.file_sha256,
            frames: FrameFacts { total: captured.frames, zero: captured.zero_frames },
            frame_digests: Some(captured.frame_digests),
            page_map: captured.page_map,
            segments: captured.segments,
        }
    }

    /// Who asked for the dump.
    #[must_use]
    pub fn asked_by(&self) -> Actor {
        self.actor.clone().unwrap_or_else(|| Actor::from_kept(&self.requested_by))
    }

    /// The manifest as it is stored: indented JSON that ends with a newline.
    ///
    /// # Errors
    /// None of the fields can fail to serialise today; the signature is serde's.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a manifest from its JSON.
    ///
    /// # Errors
    /// It is not JSON, lacks a field, or has another version.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Versioned {
            manifest_version: u32,
        }
        // The version first: another version's fields may well not fit.
        let Versioned { manifest_version } = serde_json::from_slice(json).map_err(ManifestError::Json)?;
        if manifest_version != MANIFEST_VERSION {
            return Err(ManifestError::Version(manifest_version));
        }
        serde_json::from_slice(json).map_err(ManifestError::Json)
    }

    /// Reads the manifest in that file.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold a manifest of this version.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        ManifestFile::read(path).map(|file| file.manifest)
    }
}

/// A manifest, and what the file it was read from hashes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// What the file says.
    pub manifest: Manifest,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

impl ManifestFile {
    /// Reads the manifest in that file; both are of the same bytes.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold a manifest of this version.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let mut json = Vec::new();
        let file = File::open(path).map_err(ManifestError::Io)?;
        file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut json).map_err(ManifestError::Io)?;
        if crate::hash::byte_len(&json) > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge);
        }
        let manifest = Manifest::from_json(&json)?;
        Ok(Self { manifest, sha256: crate::hash::sha256_hex(&json) })
    }
}

#[cfg(test)]
mod tests;
