//! Stored images by dump id: download, inspection, verification, deletion.
//!
//! An image is where its dump was taken: on this machine, or on the host of the dump service, which is then asked. The
//! catalog knows; no request names a path.

use std::sync::Arc;

use memdeck_catalog::{Catalog, OwnedRecord};
use memdeck_model::{Actor, DeleteRequest, DumpId, Event, Problem, ProblemKind, Record, Verification};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::{Caller, Form, ImageHost, ImageRef, OpenImage, blocking, catalog_problem};

/// The stored images of one memdeck.
pub struct Images {
    catalog: Arc<Catalog>,
    here: Arc<dyn ImageHost>,
    service: Option<Arc<dyn ImageHost>>,
}

impl Images {
    /// The images of the records in `catalog`: those that were taken here are `here`, those that were imported with
    /// `service`.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, here: Arc<dyn ImageHost>, service: Option<Arc<dyn ImageHost>>) -> Self {
        Self { catalog, here, service }
    }

    /// What happens to records and verifications, everywhere.
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = broadcast::Receiver<Event>> {
        self.hosts().map(|host| host.subscribe())
    }

    fn hosts(&self) -> impl Iterator<Item = &Arc<dyn ImageHost>> {
        std::iter::once(&self.here).chain(&self.service)
    }

    /// The record of a dump.
    ///
    /// # Errors
    /// There is none, or the catalog failed.
    pub async fn record(&self, dump_id: &str) -> Result<Record, Problem> {
        let image = self.find(dump_id).await?;
        image.owned.map(|owned| owned.record).ok_or_else(|| unknown(image.dump_id.as_str()))
    }

    /// Opens the image of a dump in a form.
    ///
    /// # Errors
    /// There is no such dump, its image was deleted or cannot be read in that form, or its host does not answer.
    pub async fn open(&self, dump_id: &str, form: Form) -> Result<OpenImage, Problem> {
        let image = self.present(dump_id).await?;
        self.host_of(&image)?.open(image, form).await
    }

    /// The manifest of an image, as it is stored. It stays when the image is deleted.
    ///
    /// # Errors
    /// There is no such image, or no manifest beside it, or it is not the one that was recorded.
    pub async fn manifest(&self, dump_id: &str) -> Result<Value, Problem> {
        let image = self.find(dump_id).await?;
        let gone = deleted(&image);
        match (self.host_of(&image)?.manifest(image).await, gone) {
            // Earlier versions deleted it with its image.
            (Err(problem), Some(gone)) if problem.kind == ProblemKind::NotFound => Err(gone),
            (told, _) => told,
        }
    }

    /// What an image is.
    ///
    /// # Errors
    /// There is no such image, or it cannot be read.
    pub async fn inspect(&self, dump_id: &str) -> Result<Value, Problem> {
        let image = self.present(dump_id).await?;
        self.host_of(&image)?.inspect(image).await
    }

    /// Begins to verify the image of a dump, unless that goes on already. The present state of it.
    ///
    /// # Errors
    /// There is no such image, it is being deleted, or others are being verified.
    pub async fn verify(&self, dump_id: &str, caller: &Caller) -> Result<Verification, Problem> {
        let image = self.present(dump_id).await?;
        self.host_of(&image)?.verify(image, &caller.actor).await
    }

    /// How far the newest verification of a dump's image is, or what it found.
    ///
    /// # Errors
    /// There is no such image.
    pub async fn verification(&self, dump_id: &str) -> Result<Verification, Problem> {
        let image = self.present(dump_id).await?;
        self.host_of(&image)?.verification(image).await
    }

    /// The newest verification of every image of which one is known, without the whole reports.
    #[must_use]
    pub fn verifications(&self) -> Vec<Verification> {
        self.hosts().flat_map(|host| host.verifications()).collect()
    }

    /// Deletes the image of a dump and the files beside it on behalf of `caller`; the record stays and is returned as it is
    /// afterwards.
    ///
    /// # Errors
    /// There is no such image, the request does not name its guest, it is being downloaded or verified, or its files
    /// cannot be removed.
    pub async fn delete(
        &self,
        dump_id: &str,
        request: DeleteRequest,
        caller: &Caller,
    ) -> Result<Record, Problem> {
        let image = self.find(dump_id).await?;
        if let Some(owned) = &image.owned {
            confirm(&owned.record, &request)?;
            // The host knows whether files are left; where there is none any more, nobody does.
            let unsettled = match self.host_of(&image) {
                Ok(host) => host.may_be_unsettled(&image.dump_id).await?,
                Err(_) => false,
            };
            if let Some(problem) = deleted(&image).filter(|_| !unsettled) {
                return Err(problem);
            }
        }
        self.host_of(&image)?.delete(image, request, &caller.actor).await
    }

    /// An image that was not deleted.
    async fn present(&self, dump_id: &str) -> Result<ImageRef, Problem> {
        let image = self.find(dump_id).await?;
        deleted(&image).map_or(Ok(image), Err)
    }

    fn host_of(&self, image: &ImageRef) -> Result<&dyn ImageHost, Problem> {
        match (&image.owned, &self.service) {
            (Some(OwnedRecord { origin: None, .. }), _) => Ok(self.here.as_ref()),
            // A dump that has just ended may not be imported yet.
            (_, Some(service)) => Ok(service.as_ref()),
            (Some(OwnedRecord { record, origin: Some(_) }), None) => {
                let host = record.host.as_deref().unwrap_or("another host");
                let detail = format!(
                    "the image of dump {} is on {host}, with the dump service that took it; \
                     set MEMDUMP_SERVICE_URL to that service to reach it",
                    image.dump_id
                );
                Err(Problem::new(ProblemKind::NotFound, detail))
            }
            (None, None) => Err(unknown(image.dump_id.as_str())),
        }
    }

    async fn find(&self, dump_id: &str) -> Result<ImageRef, Problem> {
        let id = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown(dump_id))?;
        let catalog = Arc::clone(&self.catalog);
        let wanted = id.clone();
        let owned = blocking(move || catalog.owned_record_of(&wanted)).await;
        Ok(ImageRef { dump_id: id, owned: owned.map_err(|error| catalog_problem(&error))? })
    }
}

/// There is no such image.
#[must_use]
pub fn unknown(dump_id: &str) -> Problem {
    let shown: String = dump_id.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::new(ProblemKind::NotFound, format!("there is no finished dump {shown}"))
}

/// What is told about an image that was deleted.
fn deleted(image: &ImageRef) -> Option<Problem> {
    let record = &image.owned.as_ref()?.record;
    let at = record.deleted_at?;
    let by = record.deleted_by.as_ref().unwrap_or(&Actor::Unknown);
    let detail = format!("the image of dump {} of {} was deleted at {at} by {by}", image.dump_id, record.dom);
    Some(Problem::new(ProblemKind::Gone, detail))
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
