//! Stored images by dump id: download, inspection, verification, deletion.
//!
//! An image is where its dump was taken: on this host, or on that of the dump service, which is then asked. Where it
//! lies is in the catalog; no request names a path. What is being read is not deleted, and what is being deleted is
//! not read.

mod deletion;
mod download;
mod downloads;
mod facts;
mod uses;
mod verification;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use memdeck_catalog::{Catalog, OwnedRecord};
use memdeck_engine::Clock;
use memdeck_image::ReadError;
use memdeck_model::{Actor, DumpId, Event, Problem, ProblemKind, Record};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::blocking;
use crate::commands::with_causes;
use crate::desk::catalog_problem;
use crate::remote::ServiceClient;

pub use download::{Download, Form, Opened, file_name_of};
pub use downloads::{DownloadPlace, Downloads, MAX_DOWNLOADS, MAX_DOWNLOADS_OF_ONE};
use uses::Uses;
use verification::Verifications;

/// Events kept for a slow subscriber.
const EVENT_BACKLOG: usize = 64;

/// The stored images of one memdeck.
pub struct Images {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    service: Option<ServiceClient>,
    downloads: Arc<Downloads>,
    uses: Uses,
    verifications: Verifications,
    changed: broadcast::Sender<Event>,
}

/// An image on this host.
#[derive(Clone, Debug)]
pub struct StoredImage {
    /// Which dump.
    pub dump_id: DumpId,
    /// Its record.
    pub record: Record,
    path: PathBuf,
}

/// Where an image is.
pub enum Place<'a> {
    /// On this host.
    Here(Box<StoredImage>),
    /// With the dump service.
    There(&'a ServiceClient, DumpId),
}

impl Images {
    /// The images of the records in `catalog`; of those that were imported, `service` is asked.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, clock: Arc<dyn Clock>, service: Option<ServiceClient>) -> Self {
        let changed = broadcast::channel(EVENT_BACKLOG).0;
        Self {
            catalog,
            clock,
            service,
            downloads: Arc::default(),
            uses: Uses::default(),
            verifications: Verifications::new(changed.clone()),
            changed,
        }
    }

    /// Records that changed because their image was deleted, and verifications.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.changed.subscribe()
    }

    /// The record of a dump.
    ///
    /// # Errors
    /// There is none, or the catalog failed.
    pub async fn record(&self, dump_id: &str) -> Result<Record, Problem> {
        let (id, owned) = self.find(dump_id).await?;
        owned.map(|owned| owned.record).ok_or_else(|| unknown(id.as_str()))
    }

    /// Where the image of a dump is.
    ///
    /// # Errors
    /// There is no such dump, its image was deleted, or it is kept by a service that this memdeck does not know.
    pub async fn locate(&self, dump_id: &str) -> Result<Place<'_>, Problem> {
        let (id, owned) = self.find(dump_id).await?;
        if let Some(OwnedRecord { record, .. }) = &owned
            && let Some(problem) = deleted(&id, record)
        {
            return Err(problem);
        }
        self.place(id, owned)
    }

    fn place(&self, id: DumpId, owned: Option<OwnedRecord>) -> Result<Place<'_>, Problem> {
        match (owned, &self.service) {
            (Some(OwnedRecord { record, origin: None }), _) => {
                let path = record.dump_path.clone().map(PathBuf::from);
                let path = path.ok_or_else(|| unknown(id.as_str()))?;
                Ok(Place::Here(Box::new(StoredImage { dump_id: id, record, path })))
            }
            // A dump that has just ended may not be imported yet.
            (_, Some(service)) => Ok(Place::There(service, id)),
            (Some(OwnedRecord { record, origin: Some(_) }), None) => {
                let host = record.host.as_deref().unwrap_or("another host");
                let detail = format!(
                    "the image of dump {id} is on {host}, with the dump service that took it; \
                     set MEMDUMP_SERVICE_URL to that service to reach it"
                );
                Err(Problem::new(ProblemKind::NotFound, detail))
            }
            (None, None) => Err(unknown(id.as_str())),
        }
    }

    async fn find(&self, dump_id: &str) -> Result<(DumpId, Option<OwnedRecord>), Problem> {
        let id = DumpId::try_from(dump_id.to_owned()).map_err(|_| unknown(dump_id))?;
        let catalog = Arc::clone(&self.catalog);
        let wanted = id.clone();
        let owned = blocking(move || catalog.owned_record_of(&wanted)).await;
        Ok((id, owned.map_err(|error| catalog_problem(&error))?))
    }

    /// A place among the downloads, for a caller at `address`.
    ///
    /// # Errors
    /// All are taken, or all that one caller may have.
    pub fn admit_download(&self, address: IpAddr) -> Result<DownloadPlace, Problem> {
        self.downloads.admit(address)
    }

    /// Opens an image on this host in a form.
    ///
    /// # Errors
    /// Its file is gone, is another one than was recorded, or cannot be read in that form.
    pub async fn open(&self, image: StoredImage, form: Form) -> Result<Opened, Problem> {
        blocking(move || download::open(&image, form)).await
    }

    /// Marks an image on this host as read, so that it is not deleted in the meantime, and makes the download of it.
    ///
    /// # Errors
    /// It is being deleted.
    pub fn download(&self, opened: Opened, permit: DownloadPlace) -> Result<Download, Problem> {
        let in_use = self.uses.download(opened.dump_id())?;
        Ok(Download::new(opened, permit, in_use))
    }

    /// The manifest of an image, as it is stored. It stays when the image is deleted.
    ///
    /// # Errors
    /// There is no such image, or no manifest beside it, or it is not the one that was recorded.
    pub async fn manifest(&self, dump_id: &str) -> Result<Value, Problem> {
        let (id, owned) = self.find(dump_id).await?;
        let gone = owned.as_ref().and_then(|owned| deleted(&id, &owned.record));
        let told = match self.place(id, owned)? {
            Place::There(service, id) => {
                service.image_call(reqwest::Method::GET, &id, Some("manifest"), None).await
            }
            Place::Here(image) => blocking(move || download::manifest(&image)).await,
        };
        match (told, gone) {
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
        match self.locate(dump_id).await? {
            Place::There(service, id) => {
                service.image_call(reqwest::Method::GET, &id, Some("inspect"), None).await
            }
            Place::Here(image) => {
                let seen = blocking(move || {
                    memdeck_image::inspect_recorded(&image.path, &image.record)
                        .map_err(|error| unreadable(&image, &error))
                });
                serde_json::to_value(seen.await?).map_err(|error| internal(&error))
            }
        }
    }
}

fn unknown(dump_id: &str) -> Problem {
    let shown: String = dump_id.chars().filter(|c| !c.is_control()).take(64).collect();
    Problem::new(ProblemKind::NotFound, format!("there is no finished dump {shown}"))
}

/// What is told about an image that was deleted.
fn deleted(dump_id: &DumpId, record: &Record) -> Option<Problem> {
    let at = record.deleted_at?;
    let by = record.deleted_by.as_ref().unwrap_or(&Actor::Unknown);
    let detail = format!("the image of dump {dump_id} of {} was deleted at {at} by {by}", record.dom);
    Some(Problem::new(ProblemKind::Gone, detail))
}

/// A stored image cannot be read. Callers are told what is wrong with the image, not where on the host it lies.
fn unreadable(image: &StoredImage, error: &ReadError) -> Problem {
    let (dump_id, guest) = (&image.dump_id, &image.record.dom);
    if let ReadError::Open { source, .. } = error
        && source.kind() == std::io::ErrorKind::NotFound
    {
        let detail = format!(
            "the image of dump {dump_id} of {guest} is no longer where it was stored; somebody moved or removed the file"
        );
        return Problem::new(ProblemKind::Gone, detail);
    }
    tracing::warn!(%dump_id, vm = %guest, error = error as &dyn std::error::Error, "a stored image cannot be read");
    if let ReadError::NotAsRecorded { findings, .. } = error {
        let first = findings.first().map(ToString::to_string).unwrap_or_default();
        let detail = format!(
            "the file of dump {dump_id} of {guest} is not the one that was recorded: it was changed or exchanged; \
             verify it ({first})"
        );
        return Problem::new(ProblemKind::Conflict, detail);
    }
    let detail = format!("the image of dump {dump_id} of {guest} cannot be read: {}", with_causes(error));
    Problem::new(ProblemKind::Conflict, detail.replace(&format!("{}", image.path.display()), "the file"))
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "an answer about an image cannot be made");
    Problem::new(ProblemKind::Internal, "memdeck failed; its log says why")
}
