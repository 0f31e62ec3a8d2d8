//! The port behind which hosts are: machines whose guests are dumped, and which keep the images.
//!
//! What it takes to ask one (an engine in this process, HTTP to an agent, the three calls of an older dump service) is the
//! adapter's business. Use cases know hosts by this port alone.

mod study;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use memdeck_catalog::OwnedRecord;
use memdeck_model::audit::AuditObject;
use memdeck_model::{
    Actor, ByteCount, DeleteRequest, DumpId, DumpOptions, DumpStatus, Event, FrozenPause, Guest,
    HostCondition, InsideReading, Inspection, Manifest, Problem, ProblemKind, Record, RequestKey,
    ServiceHealth, SignatureCheck, Target, TimeStampCheck, Timestamp, Verification,
};
use tokio::sync::broadcast;

use crate::{Described, Form, Telemetry};

pub use study::{
    AskedPages, FiguredImage, HuntWatcher, PagesForm, ReadPages, Searched, SearchedImage, Study,
};

/// Why a host took no dump, or did not say how dumps are.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It cannot be reached or does not answer in time.
    #[error("the dump service {service} does not answer ({reason}); no dump can be requested until it does")]
    Unavailable {
        service: String,
        /// What the connection said.
        reason: String,
    },
    /// It answered with a refusal or with something that is no answer of a dump service.
    #[error("the dump service {service} refused: {reason}")]
    Refused {
        service: String,
        /// Its own words.
        reason: String,
    },
    /// It cannot do what the request asks for.
    #[error("the dump service {service} takes no {what}: it decides that itself; ask without")]
    Incapable {
        service: String,
        /// What it would have dropped without a word.
        what: String,
    },
    /// It takes no other dump now.
    #[error("{reason}")]
    Full {
        /// What there is too much of, and what to do.
        reason: String,
    },
    /// The engine of this process failed.
    #[error("the dump engine failed: {reason}")]
    Engine {
        /// What failed.
        reason: String,
    },
}

impl From<HostError> for Problem {
    fn from(error: HostError) -> Self {
        let kind = match error {
            HostError::Unavailable { .. } | HostError::Refused { .. } | HostError::Full { .. } => {
                ProblemKind::Unavailable
            }
            HostError::Incapable { .. } => ProblemKind::Conflict,
            HostError::Engine { .. } => ProblemKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

/// What a host says of itself, and what following it has shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFacts {
    /// Whether it answers.
    pub condition: HostCondition,
    /// The version of memdeck there.
    pub version: Option<String>,
    /// When it answered last.
    pub last_contact: Option<Timestamp>,
    /// How far its clock is ahead of this one, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// Its dumps that wait or run.
    pub active_dumps: u32,
    /// Bytes that are free for images.
    pub free_bytes: Option<ByteCount>,
}

/// The guests of one hypervisor.
#[async_trait]
pub trait GuestList: Send + Sync {
    /// Its libvirt URI.
    fn uri(&self) -> String;

    /// The name of the host they run on; `None` while it is not known.
    fn host(&self) -> Option<String>;

    /// Every guest, running or not, by name.
    ///
    /// # Errors
    /// The hypervisor is away.
    async fn list(&self) -> Result<Vec<Guest>, Problem>;
}

/// A host whose guests can be dumped.
#[async_trait]
pub trait Host: Send + Sync {
    /// The URL of the service, or `local`.
    fn address(&self) -> &str;

    /// The libvirt URI of its hypervisor, or the URL of the service that lists its guests.
    fn guests_of(&self) -> String;

    /// Its name; `None` while that is not known.
    fn name(&self) -> Option<String>;

    /// Every guest, running or not, by name.
    ///
    /// # Errors
    /// The hypervisor is away.
    async fn guests(&self) -> Result<Vec<Guest>, Problem>;

    /// Queues a dump of every guest named, and answers with their states, keyed by [`Target::vm`]. A guest that is
    /// already queued or running is not started again, nor one that was asked for under the same `key` before. A host that
    /// does not know keys is asked once.
    ///
    /// # Errors
    /// The host does not answer or refuses. Unknown guests are no error: their dumps end `failed`.
    async fn trigger(
        &self,
        targets: Vec<Target>,
        options: DumpOptions,
        requested_by: &Actor,
        key: &RequestKey,
    ) -> Result<BTreeMap<String, DumpStatus>, HostError>;

    /// Ends a dump that is queued or running, as cancelled by `by`. Returns at once; the end comes as an event. A dump
    /// that has ended stays as it ended. False if the host knows no such dump, or cannot cancel.
    ///
    /// # Errors
    /// The host does not answer.
    async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, HostError>;

    /// The newest dump of every guest that had one, by the guest's name and by the texts by which it was asked for
    /// lately.
    ///
    /// # Errors
    /// The host does not answer.
    async fn statuses(&self) -> Result<BTreeMap<String, DumpStatus>, HostError>;

    /// The newest dump of one guest, by any way in which it can be named; `None` if it had none.
    ///
    /// # Errors
    /// The host does not answer.
    async fn status(&self, vm: &str) -> Result<Option<DumpStatus>, HostError>;

    /// How long a guest may stand still for a frozen dump, and how fast one is read there, as measured. `None` if that is
    /// not known.
    ///
    /// # Errors
    /// The catalog failed.
    async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError>;

    /// Whether it answers as far as that is known, and what it can do.
    fn health(&self) -> ServiceHealth {
        ServiceHealth::of(self.address(), None)
    }

    /// How it stands, as far as that is known without asking a host that is away.
    async fn facts(&self) -> HostFacts;

    /// Asks it now whether it answers, instead of when its turn comes.
    async fn probe(&self) {}

    /// What happens to dumps and guests from now on.
    fn subscribe(&self) -> broadcast::Receiver<Event>;

    /// The images of the dumps that it took.
    fn images(&self) -> Arc<dyn ImageHost>;

    /// What measures its guests, where that is done there. This machine's guests are measured beside it.
    fn telemetry(&self) -> Option<Arc<dyn Telemetry>> {
        None
    }
}

/// An image as a request names it: by its dump, with the record if there is one already.
#[derive(Clone, Debug)]
pub struct ImageRef {
    /// Which dump.
    pub dump_id: DumpId,
    /// Its record, and where that came from. A dump that has just ended elsewhere may not be imported yet.
    pub owned: Option<OwnedRecord>,
}

/// Who vouches for a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vouchers {
    /// The key of its host.
    pub signature: SignatureCheck,
    /// An authority that says when it was there.
    pub time_stamp: TimeStampCheck,
}

/// Where images are kept.
#[async_trait]
pub trait ImageHost: Send + Sync {
    /// Opens an image in a form.
    ///
    /// # Errors
    /// It is gone, is another one than was recorded, or cannot be read in that form; or the host does not answer.
    async fn open(&self, image: ImageRef, form: Form) -> Result<OpenImage, Problem>;

    /// The manifest of an image, as it is stored. It stays when the image is deleted.
    ///
    /// # Errors
    /// There is none beside it, or it is not the one that was recorded; or the host does not answer.
    async fn manifest(&self, image: ImageRef) -> Result<Described<Manifest>, Problem>;

    /// Who vouches for the manifest of an image, which may have been deleted; from a host that is reached over a network, what its
    /// newest verification found.
    ///
    /// # Errors
    /// The host does not answer.
    async fn vouchers(&self, image: ImageRef) -> Result<Vouchers, Problem>;

    /// Segments, notes and sizes of an image.
    ///
    /// # Errors
    /// It cannot be read, or the host does not answer.
    async fn inspect(&self, image: ImageRef) -> Result<Described<Inspection>, Problem>;

    /// Begins to verify an image, unless that goes on already. The present state of it; its end comes as an event.
    ///
    /// # Errors
    /// It is being deleted, or others are being verified; or the host does not answer.
    async fn verify(&self, image: ImageRef, by: &Actor) -> Result<Verification, Problem>;

    /// How far the newest verification of an image is, or what it found.
    ///
    /// # Errors
    /// The host does not answer.
    async fn verification(&self, image: ImageRef) -> Result<Verification, Problem>;

    /// The newest verification of every image of which one is known, without the whole reports.
    fn verifications(&self) -> Vec<Verification>;

    /// What was read out of an image of its guest's own view, or how far that is.
    ///
    /// # Errors
    /// The host does not answer.
    async fn inside(&self, image: ImageRef) -> Result<InsideReading, Problem>;

    /// Begins to read that, unless it was read before or is being read. The present state of it.
    ///
    /// # Errors
    /// Too many images wait to be read, or the host cannot read them; or it does not answer.
    async fn read_inside(&self, image: ImageRef, by: &Actor) -> Result<InsideReading, Problem>;

    /// Whether a deletion of the image was begun and has not come to its end, as far as can be said without asking.
    ///
    /// # Errors
    /// The catalog failed.
    async fn may_be_unsettled(&self, dump_id: &DumpId) -> Result<bool, Problem>;

    /// Deletes an image and the files beside it but for the manifest on behalf of `by`. The record as it is afterwards.
    ///
    /// # Errors
    /// It is being downloaded or verified, or its files cannot be removed; or the host does not answer.
    async fn delete(&self, image: ImageRef, request: DeleteRequest, by: &Actor) -> Result<Record, Problem>;

    /// What reads them for study; `None` where that cannot be done from here.
    fn study(&self) -> Option<Arc<dyn Study>> {
        None
    }

    /// Whether records that were imported from `origin` are of this host.
    fn origin(&self, origin: &str) -> Origin {
        let _ = origin;
        Origin::Elsewhere
    }

    /// What happens to records and verifications from now on.
    fn subscribe(&self) -> broadcast::Receiver<Event>;
}

/// What a record that was imported has to do with a host, the surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// It came from another one.
    Elsewhere,
    /// It came from the catalog that the host has, at another address. A restored copy of a catalog has the same identity,
    /// so the address counts for more.
    SameCatalog,
    /// It came from the host's address.
    SameService,
}

/// First and last address of a stretch of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// Its first byte.
    pub first: u64,
    /// Its last byte.
    pub last: u64,
}

/// An image that can be read in a form.
pub struct OpenImage {
    /// Which image it is.
    pub about: AuditObject,
    /// The form of its bytes.
    pub form: Form,
    /// How many bytes there are, if that is known beforehand.
    pub length: Option<u64>,
    /// A strong entity tag, quotes included; `None` if the image's hash is not known.
    pub entity_tag: Option<String>,
    /// A name for the file, made of letters that are safe everywhere.
    pub file_name: String,
    /// Memory that the form leaves out.
    pub omitted: Vec<AddressRange>,
    /// Whether each part is checked before it is sent; if not, the image was stored without digests and can only be checked
    /// as a whole.
    pub is_checked: bool,
    /// Reads it.
    pub reader: Box<dyn ReadImage>,
}

/// The bytes of an image, as they come. An error ends them: nobody takes a part for the whole.
pub type ImageBytes = BoxStream<'static, std::io::Result<Bytes>>;

/// Something to keep for as long as the bytes flow: the caller's place among the downloads.
pub type Held = Box<dyn Send + Sync>;

/// An image that was opened.
#[async_trait]
pub trait ReadImage: Send + Sync {
    /// Its bytes, or a part of them, half-open. `held` is dropped when the last one is on its way, or nobody wants them any
    /// more.
    ///
    /// # Errors
    /// It is being deleted, or is not the one any more that was opened; or the host does not answer.
    async fn read(self: Box<Self>, part: Option<Range<u64>>, held: Held) -> Result<ImageBytes, Problem>;
}
