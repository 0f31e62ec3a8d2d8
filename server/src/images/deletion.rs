//! Deletes images: first the record says so, then the files go. What a crash leaves in between is done at the next start.

use std::path::Path;
use std::sync::Arc;

use memdeck_image::StoreError;
use memdeck_model::{Actor, DeleteRequest, Deletion, DumpId, Event, Problem, ProblemKind, Record};

use super::{Images, Place, StoredImage, deleted, internal};
use crate::blocking;
use crate::commands::with_causes;
use crate::desk::catalog_problem;
use crate::remote::passed_on;

impl Images {
    /// Deletes the image of a dump and the files beside it on behalf of `by`; the record stays and is returned as it is
    /// afterwards.
    ///
    /// # Errors
    /// There is no such image, the request does not name its guest, it is being downloaded or verified, or its files
    /// cannot be removed.
    pub async fn delete(&self, dump_id: &str, request: DeleteRequest, by: Actor) -> Result<Record, Problem> {
        let (id, owned) = self.find(dump_id).await?;
        if let Some(owned) = &owned {
            confirm(&owned.record, &request)?;
            let unsettled = match (&owned.origin, &self.service) {
                (None, _) => self.is_unsettled(&id).await?,
                // The service knows whether files are left.
                (Some(_), service) => service.is_some(),
            };
            if let Some(problem) = deleted(&id, &owned.record).filter(|_| !unsettled) {
                return Err(problem);
            }
        }
        let record = match self.place(id.clone(), owned)? {
            Place::Here(image) => {
                let _in_use = self.uses.delete(&image.dump_id)?;
                self.delete_here(*image, by).await?
            }
            Place::There(service, id) => {
                let capabilities = service.capabilities().await.map_err(|error| service.problem(&error))?;
                let by = capabilities.actors.then(|| passed_on(&by));
                let request = DeleteRequest { by, ..request };
                let body = serde_json::to_value(&request).map_err(|error| internal(&error))?;
                let answer = service.image_call(reqwest::Method::DELETE, &id, None, Some(&body)).await?;
                let record: Record = serde_json::from_value(answer).map_err(|error| internal(&error))?;
                self.note_deleted_there(service.url(), &id, &record).await?;
                let _ = self.changed.send(Event::Record(Box::new(record.clone())));
                record
            }
        };
        self.verifications.forget(&id);
        Ok(record)
    }

    async fn is_unsettled(&self, dump_id: &DumpId) -> Result<bool, Problem> {
        let (catalog, dump_id) = (Arc::clone(&self.catalog), Some(dump_id.clone()));
        let unsettled = blocking(move || catalog.unsettled_deletions()).await;
        let unsettled = unsettled.map_err(|error| catalog_problem(&error))?;
        Ok(unsettled.iter().any(|record| record.dump_id == dump_id))
    }

    async fn delete_here(&self, image: StoredImage, by: Actor) -> Result<Record, Problem> {
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
            let record = catalog.mark_deleted(&deletion).map_err(|error| catalog_problem(&error))?;
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

    /// The service tells its deletions to whoever asks later; the record here says so at once.
    async fn note_deleted_there(
        &self,
        service: &str,
        dump_id: &DumpId,
        record: &Record,
    ) -> Result<(), Problem> {
        let (Some(deleted_at), Some(deleted_by)) = (record.deleted_at, record.deleted_by.clone()) else {
            let detail =
                format!("the dump service {service} answered, but does not say that the image is deleted");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        };
        let catalog = Arc::clone(&self.catalog);
        let deletion = Deletion { dump_id: dump_id.clone(), deleted_at, deleted_by };
        let service = service.to_owned();
        let cursor = format!("deletions asked of {service}");
        let noted = blocking(move || catalog.import_deletions(&service, &cursor, &[(0, deletion)])).await;
        noted.map(drop).map_err(|error| catalog_problem(&error))
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

fn confirm(record: &Record, request: &DeleteRequest) -> Result<(), Problem> {
    if request.confirm == record.dom.0 {
        return Ok(());
    }
    let detail = format!(
        "to delete this image, confirm it with the name of its guest: {{\"confirm\": \"{}\"}}",
        record.dom
    );
    Err(Problem::new(ProblemKind::Invalid, detail))
}

fn remove_files(record: &Record) -> Result<(), StoreError> {
    match (&record.dump_path, &record.dump_id) {
        (Some(path), Some(dump_id)) => memdeck_image::remove_stored(Path::new(path), dump_id).map(drop),
        _ => Ok(()),
    }
}
