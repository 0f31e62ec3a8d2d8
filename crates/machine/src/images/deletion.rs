//! Deletes images: first the record says so, then the files but for the manifest go, then the deletion is settled.

use std::path::Path;
use std::sync::Arc;

use memdeck_catalog::CatalogError;
use memdeck_image::StoreError;
use memdeck_model::{Actor, Deletion, Event, Problem, ProblemKind, Record, with_causes};
use memdeck_operations::{blocking, catalog_problem};

use super::{StoredImage, StoredImages};

impl StoredImages {
    pub(super) async fn delete_files(&self, image: StoredImage, by: Actor) -> Result<Record, Problem> {
        let StoredImage { dump_id, record: before, path } = image;
        let (catalog, changed) = (Arc::clone(&self.catalog), self.changed.clone());
        let deletion = Deletion { dump_id, deleted_at: self.clock.now(), deleted_by: by };
        blocking(move || {
            // A record that says so of an image that stays would be wrong for as long as its directory is read-only.
            if before.deleted_at.is_none() {
                memdeck_image::check_removable(&path).map_err(|error| {
                    let detail = format!(
                        "the image of {} cannot be deleted now ({}); it is kept",
                        before.dom,
                        with_causes(&error)
                    );
                    Problem::new(ProblemKind::Unavailable, detail)
                })?;
            }
            let record = catalog.mark_deleted(&deletion).map_err(refused)?;
            tracing::info!(dump_id = %deletion.dump_id, vm = %record.dom, by = %deletion.deleted_by, "image deleted");
            // Whatever becomes of the files: this is what the record says from now on.
            let _ = changed.send(Event::Record(Box::new(record.clone())));
            remove_files(&record).map_err(|error| {
                tracing::error!(dump_id = %deletion.dump_id, error = &error as &dyn std::error::Error, "files of a deleted image are left");
                let detail = format!(
                    "the image of {} is marked as deleted, but not all of its files can be removed ({}); \
                     delete it again when that is mended, or memdeck does at its next start",
                    record.dom,
                    with_causes(&error)
                );
                Problem::new(ProblemKind::Internal, detail)
            })?;
            // The image is gone and its record says so. A note that is missing only lets the next start look again.
            if let Err(error) = catalog.settle_deletion(&deletion.dump_id) {
                catalog_problem(&error);
            }
            Ok(record)
        })
        .await
    }

    /// Removes the files of images that were marked as deleted when memdeck ended. Blocks; called at the start.
    pub fn finish_deletions(&self) {
        let unsettled = match self.catalog.unsettled_deletions() {
            Ok(unsettled) => unsettled,
            Err(error) => {
                catalog_problem(&error);
                return;
            }
        };
        for record in unsettled {
            let Some(dump_id) = &record.dump_id else { continue };
            match remove_files(&record) {
                Ok(()) => {
                    tracing::info!(%dump_id, vm = %record.dom, "finished a deletion that was cut off");
                    if let Err(error) = self.catalog.settle_deletion(dump_id) {
                        catalog_problem(&error);
                    }
                }
                Err(error) => tracing::error!(
                    %dump_id,
                    vm = %record.dom,
                    error = &error as &dyn std::error::Error,
                    "files of a deleted image are left"
                ),
            }
        }
    }
}

/// Why an image is not deleted: the catalog failed, or other images need it.
fn refused(error: CatalogError) -> Problem {
    match error {
        CatalogError::ImageNeeded { ref needed_by, .. } => {
            let needed_by = needed_by.clone();
            Problem { needed_by, ..Problem::new(ProblemKind::Conflict, error.to_string()) }
        }
        error => catalog_problem(&error),
    }
}

fn remove_files(record: &Record) -> Result<(), StoreError> {
    match (&record.dump_path, &record.dump_id) {
        (Some(path), Some(dump_id)) => memdeck_image::remove_stored(Path::new(path), dump_id).map(drop),
        _ => Ok(()),
    }
}
