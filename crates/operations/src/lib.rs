//! What operators can ask for: every use case once, for the page, REST, agents and the command line alike.
//!
//! Use cases know hosts by the port [`Host`] and durable state by the catalog. They know no HTTP, no subcommand and no
//! adapter. Whoever asks is a [`Caller`]; what is told to people are sentences, what is decided by are types.

mod activity;
mod caller;
pub mod catalog_notice;
mod dumps;
mod feed;
mod form;
mod guests;
mod host;
mod image_facts;
mod images;
mod overview;
mod readiness;
mod records;
mod shared_guests;
mod storage;
mod telemetry;
mod verifications;

use std::sync::Arc;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_clock::Clock;
use memdeck_model::{Event, Millis, Problem, ProblemKind, Timestamp};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

pub use caller::Caller;
pub use dumps::{Accepted, Everyone, cancel};
pub use feed::{Feed, Heard, Listener, Position};
pub use form::Form;
pub use host::{
    AddressRange, GuestList, Held, Host, HostError, ImageBytes, ImageHost, ImageRef, OpenImage, ReadImage,
};
pub use images::{Images, unknown as unknown_image};
pub use readiness::{Readiness, ReadinessParts, TryDirectory};
pub use shared_guests::SharedGuests;
pub use telemetry::{Samples, Telemetry};
pub use verifications::Verifications;

use dumps::TriggerFollower;

/// The use cases of one memdeck.
pub struct Operations {
    catalog: Arc<Catalog>,
    host: Arc<dyn Host>,
    images: Arc<Images>,
    readiness: Arc<Readiness>,
    telemetry: Option<Arc<dyn Telemetry>>,
    clock: Arc<dyn Clock>,
    feed: Arc<Feed>,
    follower: Arc<Mutex<TriggerFollower>>,
}

/// What they work with.
pub struct Parts {
    /// Records.
    pub catalog: Arc<Catalog>,
    /// Dumps and guests.
    pub host: Arc<dyn Host>,
    /// Stored images.
    pub images: Arc<Images>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<Readiness>,
    /// What is measured of the guests, where that is done here.
    pub telemetry: Option<Arc<dyn Telemetry>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The longest a dump may take.
    pub dump_timeout: Millis,
}

impl Operations {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { catalog, host, images, readiness, telemetry, clock, dump_timeout } = parts;
        Self {
            catalog,
            host,
            images,
            readiness,
            telemetry,
            clock,
            feed: Arc::new(Feed::new()),
            follower: Arc::new(Mutex::new(TriggerFollower::new(dump_timeout))),
        }
    }

    /// What open pages are told.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The stored images.
    #[must_use]
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// Whether dumps can be taken and kept.
    #[must_use]
    pub fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// The present, by the clock that dates dumps.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Passes the events of the host and of all images on, and watches guests and storage while somebody listens. Runs until
    /// its task is ended.
    pub async fn run(&self) {
        let dumps = self.pass_on(self.host.subscribe());
        let images =
            futures_util::future::join_all(self.images.subscriptions().map(|events| self.pass_on(events)));
        let guests = guests::watch(self.host.as_ref(), &self.feed);
        let storage = storage::watch(&self.readiness, &self.feed);
        tokio::join!(dumps, images, guests, storage);
    }

    async fn pass_on(&self, mut events: broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Event::Dump(status) = &event {
                        self.follower.lock().note(status);
                    }
                    self.feed.publish(event);
                }
                Err(RecvError::Lagged(_)) => self.feed.mark_gap(),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Logs where it is handled, tells callers no paths and no SQL.
pub fn catalog_problem(error: &CatalogError) -> Problem {
    if error.is_full() {
        tracing::error!(error = error as &dyn std::error::Error, "the catalog has no room");
        let detail = "the volume of STATE_DIR is full: make room there, then try again";
        return Problem::new(ProblemKind::Unavailable, detail);
    }
    tracing::error!(error = error as &dyn std::error::Error, "the catalog failed");
    Problem::new(ProblemKind::Internal, "the catalog cannot be read or written; the log of memdeck says why")
}

/// Runs work that blocks (SQLite, libvirt, files) off the async runtime's threads.
///
/// # Panics
/// The work panicked: the panic goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down cancels blocking work, and then nobody awaits it.
            Err(error) => panic!("blocking work was cancelled: {error}"),
        },
    }
}
