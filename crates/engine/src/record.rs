//! The record of a sealed image, and the sentence about it.

use memdeck_image::{Manifest, Sealed};
use memdeck_model::{Record, Timestamp};

use crate::status;

/// The record of an image that was on disk, with all that belongs to it, at `sealed_at`.
pub fn record_of(manifest: &Manifest, sealed: &Sealed, sealed_at: Timestamp) -> Record {
    let facts = &manifest.capture;
    Record {
        timestamp: manifest.started_at,
        time: manifest.started_at,
        dom: manifest.guest.name.clone(),
        vmid: manifest.guest.vmid.clone(),
        sha256: Some(manifest.sha256.clone()),
        duration_sec: Some(status::seconds(sealed_at.since(manifest.started_at))),
        gzip_size_bytes: Some(sealed.stored_size),
        ctime: Some(sealed.ctime),
        mtime: Some(sealed.mtime),
        atime: Some(sealed.atime),
        dump_path: Some(sealed.image.display().to_string()),
        dump_id: Some(manifest.dump_id.clone()),
        host: Some(manifest.host.clone()),
        guest_uuid: Some(manifest.guest.uuid.clone()),
        mode: Some(manifest.mode),
        pause_ms: manifest.pause_ms,
        raw_size_bytes: Some(manifest.raw_size_bytes),
        format: Some(manifest.format.clone()),
        codec: Some(manifest.codec.clone()),
        difference_of: manifest.difference.as_ref().map(|facts| facts.base.clone()),
        ok: true,
        point_in_time: facts.point_in_time,
        fallback: facts.fallback.clone(),
        job_downtime_ms: facts.job_downtime_ms,
        iterations: facts.iterations,
        dirty_bytes_per_s: facts.dirty_bytes_per_s,
        encrypted: facts.encrypted,
        requested_by: Some(manifest.asked_by()),
        case: manifest.case.clone(),
        note: manifest.note.clone(),
        manifest_sha256: Some(sealed.manifest_sha256.clone()),
        digests_root: manifest.frame_digests.as_ref().map(|digests| digests.root.clone()),
        rebuilt_at: None,
        altered: false,
        foreign: None,
        deleted_at: None,
        deleted_by: None,
    }
}

/// One sentence about a finished dump.
pub fn completed_message(manifest: &Manifest) -> String {
    let pause =
        manifest.pause_ms.map_or_else(String::new, |pause| format!("; the guest was stopped for {pause}"));
    let unsigned = manifest.unsigned_because.as_ref().map_or_else(String::new, |why| format!("; {why}"));
    format!(
        "Dump completed: {} stored as {}{pause}{unsigned}",
        manifest.raw_size_bytes, manifest.stored_size_bytes
    )
}
