//! After a crash: what was running ends, with its files gone or with its record.

use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_image::{ImageStore, Manifest, Sealed};
use memdeck_model::{EndReason, JobState, Record, Timestamp};

use crate::engine::Shared;
use crate::error::{as_error, sentence};
use crate::{Clock, EngineError, status};

/// Before a catalog that was full is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Ends every job that a dead engine left running. An image that was sealed before the death is complete evidence:
/// its record is written now. Of all others the partial files are removed and the job fails.
pub fn recover(catalog: &Catalog, store: &ImageStore, clock: &dyn Clock) -> Result<(), EngineError> {
    for job in catalog.active_jobs()? {
        if job.state != JobState::Running {
            continue;
        }
        if let Some((manifest, sealed)) = store.find_sealed(&job.dump_id)? {
            // When it was sealed nobody noted.
            let record = record_of(&manifest, &sealed, manifest.finished_at);
            catalog.complete(&job.dump_id, manifest.finished_at, &completed_message(&manifest), &record)?;
            tracing::warn!(dump_id = %job.dump_id, vm = %job.vm, "found a sealed image without its record; recorded it");
        }
    }
    // The files first: a job that is no longer running would not lead to them again.
    for job in catalog.active_jobs()?.into_iter().filter(|job| job.state == JobState::Running) {
        match store.remove_partials(&job.dump_id) {
            Ok(removed) => {
                tracing::warn!(dump_id = %job.dump_id, vm = %job.vm, removed = removed.len(), "a dump was cut off by the end of memdeck");
            }
            // A later start sweeps them. Nothing of this keeps the start from going on.
            Err(error) => {
                tracing::error!(dump_id = %job.dump_id, vm = %job.vm, error = as_error(&error), "files of a dump that was cut off are left");
                let detail = format!(
                    "memdeck ended while this dump was running, and what is left of it cannot be removed ({}); a later \
                     start removes it",
                    sentence(&error)
                );
                catalog.end(
                    &job.dump_id,
                    &EndReason::StorageFailed { detail: detail.into() },
                    clock.now(),
                )?;
            }
        }
    }
    catalog.recover(clock.now(), &EndReason::LostInRestart)?;
    sweep(catalog, store)
}

/// Does what [`recover`] could not do because the catalog's volume was full, as soon as there is room. False when the
/// engine closes before.
pub fn recover_later(shared: &Shared) -> bool {
    while shared.pause_unless_closing(RETRY_INTERVAL) {
        match recover(&shared.catalog, &shared.store, shared.clock.as_ref()) {
            Ok(()) => {
                tracing::info!("the ends of earlier dumps are recorded now");
                return true;
            }
            Err(EngineError::Catalog(error)) if error.is_full() => {}
            Err(error) => {
                tracing::error!(error = as_error(&error), "the ends of earlier dumps cannot be recorded");
            }
        }
    }
    false
}

/// Removes files that no job leads to: the catalog that knew of them was lost, or a removal was cut off.
fn sweep(catalog: &Catalog, store: &ImageStore) -> Result<(), EngineError> {
    let active = catalog.active_jobs()?;
    match store.sweep(&|dump_id| active.iter().any(|job| job.dump_id == *dump_id)) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => {
            tracing::warn!(files = ?removed, "removed files of dumps that nobody knows of any more");
        }
        Err(error) => {
            tracing::error!(
                error = as_error(&error),
                "files of dumps that nobody knows of any more are left"
            );
        }
    }
    Ok(())
}

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
        mode: Some(manifest.mode),
        pause_ms: manifest.pause_ms,
        raw_size_bytes: Some(manifest.raw_size_bytes),
        format: Some(manifest.format.clone()),
        codec: Some(manifest.codec.clone()),
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
        deleted_at: None,
        deleted_by: None,
    }
}

/// One sentence about a finished dump.
pub fn completed_message(manifest: &Manifest) -> String {
    let pause =
        manifest.pause_ms.map_or_else(String::new, |pause| format!("; the guest was stopped for {pause}"));
    format!("Dump completed: {} stored as {}{pause}", manifest.raw_size_bytes, manifest.stored_size_bytes)
}
