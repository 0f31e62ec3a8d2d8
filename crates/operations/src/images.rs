//! Stored images by dump id: download, inspection, verification, deletion.
//!
//! An image is where its dump was taken: on this machine, or on the host of the dump service, which is then asked. The
//! catalog knows; no request names a path.

use std::ops::Range;
use std::sync::Arc;

use memdeck_catalog::{Catalog, OwnedRecord};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, SentPart};
use memdeck_model::{
    Actor, DeleteRequest, DumpId, Event, Inspection, Manifest, Permission, Problem, ProblemKind, Record,
    Verification,
};
use tokio::sync::broadcast;

use crate::asked::with_agent;
use crate::audit::{Audit, Deed, noting, result_of};
use crate::{
    Caller, Described, Form, Held, Hosts, ImageBytes, ImageHost, ImageRef, Member, OpenImage, Vouchers,
    blocking, catalog_problem,
};

/// The stored images of one memdeck.
pub struct Images {
    catalog: Arc<Catalog>,
    audit: Audit,
    here: Arc<dyn ImageHost>,
    hosts: Option<Arc<Hosts>>,
}

impl Images {
    /// The images of the records in `catalog`: those that were taken here are `here`, those that were imported with the
    /// host of `hosts` that they came from. What is done with them is noted in `audit`.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        audit: Audit,
        here: Arc<dyn ImageHost>,
        hosts: Option<Arc<Hosts>>,
    ) -> Self {
        Self { catalog, audit, here, hosts }
    }

    /// Where it is noted.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// What happens to records and verifications on this machine.
    pub(crate) fn subscribe_here(&self) -> broadcast::Receiver<Event> {
        self.here.subscribe()
    }

    /// Everybody who keeps images.
    fn keepers(&self) -> impl Iterator<Item = Arc<dyn ImageHost>> {
        let services = self.hosts.iter().flat_map(|hosts| hosts.service_images());
        std::iter::once(Arc::clone(&self.here)).chain(services)
    }

    /// The record of a dump.
    ///
    /// # Errors
    /// There is none that the caller may see, it was archived, or the catalog failed.
    pub async fn record(&self, dump_id: &str, caller: &Caller) -> Result<Record, Problem> {
        let image = self.find(dump_id, caller).await?;
        match image.owned {
            Some(owned) => Ok(owned.record),
            None => Err(self.archived(&image.dump_id).await?.unwrap_or_else(|| unknown(dump_id))),
        }
    }

    /// The problem of a dump whose record was archived.
    async fn archived(&self, dump_id: &DumpId) -> Result<Option<Problem>, Problem> {
        let (catalog, wanted) = (Arc::clone(&self.catalog), dump_id.clone());
        let archive = blocking(move || catalog.archive_of(&wanted)).await;
        let archive = archive.map_err(|error| catalog_problem(&error))?;
        Ok(archive.map(|name| {
            let detail = format!(
                "the record of dump {dump_id} was archived: `memdeck records --archive {name}.jsonl` has it"
            );
            Problem::new(ProblemKind::Gone, detail)
        }))
    }

    /// Opens the image of a dump in a form.
    ///
    /// # Errors
    /// There is no such dump, its image was deleted or cannot be read in that form, or its host does not answer.
    pub async fn open(&self, dump_id: &str, form: Form, caller: &Caller) -> Result<OpenImage, Problem> {
        let image = self.present(dump_id, caller).await?;
        let about = about(&image);
        let opened = self.host_of(&image)?.open(image, form).await?;
        Ok(OpenImage { about, ..opened })
    }

    /// The bytes of an image that was opened, or a part of them, half-open, for `caller`. That they are asked for is noted
    /// before the first one is read, how many were sent behind the last one. `held` is kept until then.
    ///
    /// # Errors
    /// As of [`ReadImage::read`]; or it cannot be noted.
    ///
    /// [`ReadImage::read`]: crate::ReadImage::read
    pub async fn read(
        &self,
        opened: OpenImage,
        part: Option<Range<u64>>,
        held: Held,
        caller: &Caller,
    ) -> Result<ImageBytes, Problem> {
        let details = AuditDetails {
            format: Some(opened.form.as_str().to_owned()),
            part: part.as_ref().map(|part| SentPart { start: part.start, end: part.end }),
            ..AuditDetails::default()
        };
        let deed = Deed::new(AuditAction::ImageDownloaded, opened.about).with(details);
        let begun = self.audit.begin(caller, deed).await?;
        let expected = part.as_ref().map(|part| part.end.saturating_sub(part.start)).or(opened.length);
        let (read, agent) = with_agent(opened.reader.read(part, held)).await;
        match read {
            Ok(bytes) => Ok(noting(bytes, expected, begun, agent)),
            Err(problem) => {
                let details = AuditDetails { agent, ..AuditDetails::because(&problem.detail) };
                begun.end(result_of(&problem), details).await;
                Err(problem)
            }
        }
    }

    /// The manifest of an image, as it is stored. It stays when the image is deleted.
    ///
    /// # Errors
    /// There is no such image, or no manifest beside it, or it is not the one that was recorded.
    pub async fn manifest(&self, dump_id: &str, caller: &Caller) -> Result<Described<Manifest>, Problem> {
        let image = self.find(dump_id, caller).await?;
        let gone = deleted(&image);
        match (self.host_of(&image)?.manifest(image).await, gone) {
            // Earlier versions deleted it with its image.
            (Err(problem), Some(gone)) if problem.kind == ProblemKind::NotFound => Err(gone),
            (told, _) => told,
        }
    }

    /// Who vouches for an image's manifest.
    ///
    /// # Errors
    /// There is no such image, or its host does not answer.
    pub(crate) async fn vouchers(&self, dump_id: &str, caller: &Caller) -> Result<Vouchers, Problem> {
        let image = self.find(dump_id, caller).await?;
        self.host_of(&image)?.vouchers(image).await
    }

    /// What an image is.
    ///
    /// # Errors
    /// There is no such image, or it cannot be read.
    pub async fn inspect(&self, dump_id: &str, caller: &Caller) -> Result<Described<Inspection>, Problem> {
        let image = self.present(dump_id, caller).await?;
        self.host_of(&image)?.inspect(image).await
    }

    /// Begins to verify the image of a dump, unless that goes on already. The present state of it.
    ///
    /// # Errors
    /// There is no such image, it is being deleted, or others are being verified.
    pub async fn verify(&self, dump_id: &str, caller: &Caller) -> Result<Verification, Problem> {
        caller.must(Permission::Verify)?;
        let image = self.present(dump_id, caller).await?;
        let deed = Deed::new(AuditAction::VerificationRequested, about(&image));
        let host = self.host_of(&image)?;
        self.audit.around(caller, deed, host.verify(image, &caller.actor)).await
    }

    /// How far the newest verification of a dump's image is, or what it found.
    ///
    /// # Errors
    /// There is no such image.
    pub async fn verification(&self, dump_id: &str, caller: &Caller) -> Result<Verification, Problem> {
        let image = self.present(dump_id, caller).await?;
        self.host_of(&image)?.verification(image).await
    }

    /// The newest verification of every image of which one is known, without the whole reports.
    #[must_use]
    pub fn verifications(&self) -> Vec<Verification> {
        self.keepers().flat_map(|keeper| keeper.verifications()).collect()
    }

    /// Deletes the image of a dump and the files beside it on behalf of `caller`; the record stays and is returned as it is
    /// afterwards.
    ///
    /// # Errors
    /// There is no such image, it is under legal hold, the request does not name its guest, it is being downloaded or verified, or its files
    /// cannot be removed.
    pub async fn delete(
        &self,
        dump_id: &str,
        request: DeleteRequest,
        caller: &Caller,
    ) -> Result<Record, Problem> {
        caller.must(Permission::Delete)?;
        let image = self.find(dump_id, caller).await?;
        let deed = Deed::new(AuditAction::ImageDeleted, about(&image));
        // The catalog notes a deletion here with the mark on its record.
        let is_here = image.owned.as_ref().is_some_and(|owned| owned.origin.is_none());
        if !is_here {
            return self.audit.around(caller, deed, self.delete_found(image, request, caller)).await;
        }
        let deleted = self.delete_found(image, request, caller).await;
        if let Err(problem) = &deleted {
            let deed = deed.with(AuditDetails::because(&problem.detail));
            self.audit.note_done(caller, deed, result_of(problem)).await;
        }
        deleted
    }

    async fn delete_found(
        &self,
        image: ImageRef,
        request: DeleteRequest,
        caller: &Caller,
    ) -> Result<Record, Problem> {
        self.check_hold(&image.dump_id).await?;
        if let Some(owned) = &image.owned {
            confirm(&owned.record, &request)?;
            // The host knows whether files are left; if there is none any more, nobody does.
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

    /// Refuses what nobody may delete.
    async fn check_hold(&self, dump_id: &DumpId) -> Result<(), Problem> {
        let (catalog, held) = (Arc::clone(&self.catalog), dump_id.clone());
        let reason =
            blocking(move || catalog.hold_of(&held)).await.map_err(|error| catalog_problem(&error))?;
        let Some(reason) = reason else { return Ok(()) };
        let detail = format!(
            "the image of dump {dump_id} is under legal hold: {}; lift the hold first",
            reason.as_str()
        );
        Err(Problem::new(ProblemKind::Conflict, detail))
    }

    /// An image that was not deleted, and that the caller may see.
    pub(crate) async fn present(&self, dump_id: &str, caller: &Caller) -> Result<ImageRef, Problem> {
        let image = self.find(dump_id, caller).await?;
        deleted(&image).map_or(Ok(image), Err)
    }

    /// Who keeps an image: the host that its record came from. Of a dump that has just ended and is not imported yet, the host
    /// that told of it. A single service is asked for whatever is not here: it may have moved to another address.
    pub(crate) fn host_of(&self, image: &ImageRef) -> Result<Arc<dyn ImageHost>, Problem> {
        let keeper = match &image.owned {
            Some(OwnedRecord { origin: None, .. }) => return Ok(Arc::clone(&self.here)),
            Some(OwnedRecord { origin: Some(origin), .. }) => {
                self.hosts.as_ref().and_then(|hosts| hosts.of_origin(origin).or_else(|| only_service(hosts)))
            }
            None => self
                .hosts
                .as_ref()
                .and_then(|hosts| hosts.owner(&image.dump_id).or_else(|| only_service(hosts))),
        };
        if let Some(member) = keeper {
            return Ok(member.host().images());
        }
        let Some(OwnedRecord { record, .. }) = &image.owned else {
            return Err(unknown(image.dump_id.as_str()));
        };
        let host = record.host.as_deref().unwrap_or("another host");
        let remedy = if self.hosts.as_ref().is_some_and(|hosts| hosts.are_many()) {
            "add that service to the hosts of the configuration to reach it"
        } else {
            "set MEMDUMP_SERVICE_URL to that service to reach it"
        };
        let detail = format!(
            "the image of dump {} is on {host}, with the dump service that took it; {remedy}",
            image.dump_id
        );
        Err(Problem::new(ProblemKind::NotFound, detail))
    }

    /// An image that the caller may see. To who does not see all, one without a record in the catalog is unknown: nobody here knows
    /// whose it is.
    async fn find(&self, dump_id: &str, caller: &Caller) -> Result<ImageRef, Problem> {
        let id = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown(dump_id))?;
        let catalog = Arc::clone(&self.catalog);
        let wanted = id.clone();
        let owned = blocking(move || catalog.owned_record_of(&wanted)).await;
        let owned = owned.map_err(|error| catalog_problem(&error))?;
        let is_seen = owned.as_ref().is_some_and(|owned| caller.sees_record(&owned.record));
        if caller.reach.is_limited() && !is_seen {
            return Err(unknown(dump_id));
        }
        Ok(ImageRef { dump_id: id, owned })
    }
}

/// An image as the audit names it.
pub(crate) fn about(image: &ImageRef) -> AuditObject {
    let record = image.owned.as_ref().map(|owned| &owned.record);
    AuditObject::Dump {
        dump_id: image.dump_id.clone(),
        guest: record.map(|record| record.dom.0.clone()),
        uuid: None,
        host: record.and_then(|record| record.host.clone()),
    }
}

/// The service of the hosts, if there is exactly one.
fn only_service(hosts: &Hosts) -> Option<Arc<Member>> {
    let mut services = hosts.services();
    services.next().filter(|_| services.next().is_none())
}

/// There is no such image.
#[must_use]
pub fn unknown(dump_id: &str) -> Problem {
    let shown: String = dump_id.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::new(ProblemKind::NotFound, format!("there is no finished dump {shown}"))
}

/// The problem of an image that was deleted.
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
