//! Where an image comes from, and the manifest that says so.

use memdeck_model::audit::AuditHead;
use memdeck_model::{
    Actor, ByteCount, CaptureFacts, CaptureMode, DIFFERENCE_MANIFEST_VERSION, DumpId, FrameFacts, GuestFacts,
    HostClock, HypervisorFacts, MANIFEST_VERSION, Manifest, Millis, Remark, Timestamp,
};

use super::capture::Captured;
use crate::format::frame::FRAME_BYTES;

const FORMAT: &str = "elf";
const CODEC: &str = "zstd";

/// What the engine knows of a dump, beyond its bytes.
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
    /// How long the guest was stopped, if that was measured.
    pub pause_ms: Option<Millis>,
    /// How it was taken, beyond the mode.
    pub capture: CaptureFacts,
    /// Case number.
    pub case: Option<Remark>,
    /// Note.
    pub note: Option<Remark>,
    /// The end of the audit of the memdeck that took it.
    pub audit: Option<AuditHead>,
}

impl Provenance {
    /// The manifest of a dump that came from there, with these bytes.
    #[must_use]
    pub fn into_manifest(self, dump_id: DumpId, captured: Captured) -> Manifest {
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
            audit,
        } = self;
        let is_difference = captured.difference.is_some();
        Manifest {
            manifest_version: if is_difference { DIFFERENCE_MANIFEST_VERSION } else { MANIFEST_VERSION },
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
            difference: captured.difference,
            audit,
            signed_by: None,
            host_chain: None,
            unsigned_because: None,
            segments: captured.segments,
        }
    }
}
