//! After a crash: what was running ends, with its files gone or with its record.

use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_image::ImageStore;
use memdeck_model::{EndReason, JobState};

use crate::board::Board;
use crate::context::Context;
use crate::error::{EngineError, as_error, sentence};
use crate::record::{completed_message, record_of};
use crate::retry::Retry;
use memdeck_clock::Clock;

/// Ends every job that a dead engine left running. An image that was sealed before the death is complete evidence:
/// its record is written now. Of all others the partial files are removed and the job fails.
///
/// # Errors
/// The catalog failed, or the directory of images cannot be read.
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
pub fn recover_later(context: &Context, board: &Board) -> bool {
    until_recovered(&|interval| board.pause_unless_closing(interval), &mut || {
        recover(&context.catalog, &context.store, context.clock.as_ref())
    })
}

/// Waits before every attempt; false as soon as `pause` says that the engine closes.
fn until_recovered(
    pause: &dyn Fn(Duration) -> bool,
    attempt: &mut dyn FnMut() -> Result<(), EngineError>,
) -> bool {
    let mut retry = Retry::default();
    let mut interval = retry.interval(true);
    while pause(interval) {
        let is_full = match attempt() {
            Ok(()) => {
                tracing::info!("the ends of earlier dumps are recorded now");
                return true;
            }
            // That was reported when the engine started.
            Err(EngineError::Catalog(error)) if error.is_full() => true,
            Err(error) => {
                if retry.is_news() {
                    tracing::error!(
                        error = as_error(&error),
                        "the ends of earlier dumps cannot be recorded; trying again"
                    );
                }
                false
            }
        };
        interval = retry.interval(is_full);
    }
    false
}

/// Removes files that no job leads to: the catalog that knew of them was lost, or a removal was cut off.
fn sweep(catalog: &Catalog, store: &ImageStore) -> Result<(), EngineError> {
    let active = catalog.active_jobs()?;
    match store.sweep(&|dump_id| active.iter().any(|job| job.dump_id == *dump_id)) {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => {
            tracing::warn!(files = ?removed, "removed files of dumps that are in no catalog");
        }
        Err(error) => {
            tracing::error!(
                error = as_error(&error),
                "files of dumps that are in no catalog could not be removed"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use memdeck_catalog::CatalogError;

    use super::*;

    /// The seconds that are waited before each of so many attempts, which all fail.
    fn waits(attempts: usize, error: impl Fn() -> EngineError) -> Vec<String> {
        let waits = RefCell::new(Vec::new());
        let pause = |interval: Duration| {
            waits.borrow_mut().push(interval.as_secs_f64().to_string());
            waits.borrow().len() <= attempts
        };
        assert!(!until_recovered(&pause, &mut || Err(error())));
        waits.into_inner()
    }

    #[test]
    fn ends_that_cannot_be_recorded_are_tried_again_later_and_later_unless_only_room_is_missing() {
        let broken = || EngineError::Thread(std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(waits(4, broken), ["0.5", "0.5", "1", "2", "4"]);
        assert_eq!(waits(4, || CatalogError::NoRoom.into()), ["0.5"; 5]);
    }
}
