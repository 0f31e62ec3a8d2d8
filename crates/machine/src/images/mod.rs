//! The images that this machine keeps. Where one lies is in the catalog. What is being read is not deleted, and what is
//! being deleted is not read.

mod care;
mod deletion;
mod download;
mod hunt;
mod inside;
mod pace;
mod study;
mod timeline;
mod uses;
mod verification;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_image::ReadError;
use memdeck_model::{
    Actor, DeleteRequest, DumpId, Event, InsideReading, Inspection, Manifest, Problem, ProblemKind, Record,
    Verification, with_causes,
};
use memdeck_operations::{
    Described, Form, ImageHost, ImageRef, OpenImage, Study, Verifications, Vouchers, blocking,
    catalog_problem, unknown_image,
};
use memdeck_signing::{Authorities, KeyFiles};
use tokio::sync::broadcast;

use inside::Readings;
use pace::Background;
use timeline::KnownFigures;
use uses::Uses;

pub use care::ImageCare;

/// This very program, also where its file was replaced or removed since.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Events kept for a slow subscriber.
const EVENT_BACKLOG: usize = 64;

/// The images of the records in the catalog that were taken here.
pub struct StoredImages {
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    uses: Uses,
    verifications: Verifications,
    background: Background,
    readings: Arc<Readings>,
    figures: KnownFigures,
    /// Whose signatures are believed; `None` to look at none.
    keys: Option<KeyFiles>,
    /// Whose time stamps are believed.
    authorities: Arc<Authorities>,
    changed: broadcast::Sender<Event>,
}

/// One of them.
#[derive(Clone, Debug)]
struct StoredImage {
    dump_id: DumpId,
    record: Record,
    path: PathBuf,
}

impl StoredImages {
    /// The images of the records in `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, clock: Arc<dyn Clock>) -> Self {
        Self::with_reader(catalog, clock, PathBuf::from(THIS_PROGRAM))
    }

    /// The same, where another program than the present one reads what is inside of guests: see [`memdeck_study::inside::run`].
    #[must_use]
    pub fn with_reader(catalog: Arc<Catalog>, clock: Arc<dyn Clock>, reader: PathBuf) -> Self {
        let changed = broadcast::channel(EVENT_BACKLOG).0;
        let verifications = Verifications::new(changed.clone());
        let uses = Uses::default();
        let readings = Readings::new(reader, Arc::clone(&catalog), Arc::clone(&clock), uses.clone());
        Self {
            catalog,
            clock,
            uses,
            verifications,
            background: Background::default(),
            readings: Arc::new(readings),
            figures: KnownFigures::default(),
            keys: None,
            authorities: Arc::default(),
            changed,
        }
    }

    /// The same, which checks signatures with the keys that are believed there.
    #[must_use]
    pub fn with_keys(self, keys: KeyFiles) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// The same, which believes the time stamps of these authorities.
    #[must_use]
    pub fn with_authorities(self, authorities: Arc<Authorities>) -> Self {
        Self { authorities, ..self }
    }
}

impl StoredImage {
    fn of(image: ImageRef) -> Result<Self, Problem> {
        let ImageRef { dump_id, owned } = image;
        let stored =
            owned.and_then(|owned| Self::recorded(Record { dump_id: Some(dump_id.clone()), ..owned.record }));
        stored.ok_or_else(|| unknown_image(dump_id.as_str()))
    }

    /// The image that a record names.
    fn recorded(record: Record) -> Option<Self> {
        let (dump_id, path) = (record.dump_id.clone()?, PathBuf::from(record.dump_path.clone()?));
        Some(Self { dump_id, record, path })
    }
}

#[async_trait]
impl ImageHost for StoredImages {
    async fn open(&self, image: ImageRef, form: Form) -> Result<OpenImage, Problem> {
        let (image, uses) = (StoredImage::of(image)?, self.uses.clone());
        blocking(move || download::open(image, form, uses)).await
    }

    async fn manifest(&self, image: ImageRef) -> Result<Described<Manifest>, Problem> {
        let image = StoredImage::of(image)?;
        blocking(move || {
            let manifest = memdeck_image::read_recorded_manifest(&image.path, &image.record)
                .map_err(|error| unreadable(&image, &error))?;
            let missing = || {
                let detail = format!("the image of dump {} has no manifest beside it", image.dump_id);
                Problem::new(ProblemKind::NotFound, detail)
            };
            Described::new(&manifest.ok_or_else(missing)?).map_err(|error| internal(&error))
        })
        .await
    }

    async fn vouchers(&self, image: ImageRef) -> Result<Vouchers, Problem> {
        let (keys, authorities) = (self.keys.clone(), Arc::clone(&self.authorities));
        let image = StoredImage::of(image)?;
        blocking(move || {
            let known = keys.map(|keys| keys.known()).transpose().map_err(|error| internal(&error))?;
            let signature = known.and_then(|known| memdeck_image::signature_beside(&image.path, &known));
            let time_stamp = memdeck_image::time_stamp_beside(&image.path, &authorities);
            Ok(Vouchers {
                signature: signature.unwrap_or_default(),
                time_stamp: time_stamp.unwrap_or_default(),
            })
        })
        .await
    }

    async fn inspect(&self, image: ImageRef) -> Result<Described<Inspection>, Problem> {
        let image = StoredImage::of(image)?;
        let seen = blocking(move || {
            memdeck_image::inspect_recorded(&image.path, &image.record)
                .map_err(|error| unreadable(&image, &error))
        });
        Described::new(&seen.await?).map_err(|error| internal(&error))
    }

    async fn verify(&self, image: ImageRef, by: &Actor) -> Result<Verification, Problem> {
        self.begin_verification(StoredImage::of(image)?, by)
    }

    async fn verification(&self, image: ImageRef) -> Result<Verification, Problem> {
        self.newest_verification(image.dump_id).await
    }

    fn verifications(&self) -> Vec<Verification> {
        self.verifications.all()
    }

    async fn inside(&self, image: ImageRef) -> Result<InsideReading, Problem> {
        let (image, readings) = (StoredImage::of(image)?, Arc::clone(&self.readings));
        Ok(blocking(move || readings.of(&image)).await)
    }

    async fn read_inside(&self, image: ImageRef, by: &Actor) -> Result<InsideReading, Problem> {
        let (image, by, readings) = (StoredImage::of(image)?, by.clone(), Arc::clone(&self.readings));
        blocking(move || readings.begin(image, &by)).await
    }

    async fn may_be_unsettled(&self, dump_id: &DumpId) -> Result<bool, Problem> {
        let (catalog, dump_id) = (Arc::clone(&self.catalog), Some(dump_id.clone()));
        let unsettled = blocking(move || catalog.unsettled_deletions()).await;
        let unsettled = unsettled.map_err(|error| catalog_problem(&error))?;
        Ok(unsettled.iter().any(|record| record.dump_id == dump_id))
    }

    async fn delete(&self, image: ImageRef, _: DeleteRequest, by: &Actor) -> Result<Record, Problem> {
        let image = StoredImage::of(image)?;
        let dump_id = image.dump_id.clone();
        let (background, of) = (self.background.clone(), dump_id.clone());
        // Nobody waits for a verification in the background.
        blocking(move || background.end(&of)).await;
        let _in_use = self.uses.delete(&dump_id)?;
        let record = self.delete_files(image, by.clone()).await?;
        self.verifications.forget(&dump_id);
        self.readings.forget(&dump_id);
        Ok(record)
    }

    fn study(&self) -> Option<Arc<dyn Study>> {
        Some(Arc::new(study::StoredStudy { uses: self.uses.clone(), figures: self.figures.clone() }))
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.changed.subscribe()
    }
}

/// A stored image cannot be read. Callers learn what is wrong with the image, not where on the host it lies.
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
