//! What every use case works with.

use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_model::{Millis, Timestamp};
use parking_lot::Mutex;

use crate::last_trigger::TriggerFollower;
use crate::{Feed, Host, Images, Readiness, Telemetry};

/// The use cases of one memdeck.
pub struct Operations {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) images: Arc<Images>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) telemetry: Option<Arc<dyn Telemetry>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) follower: Arc<Mutex<TriggerFollower>>,
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
}
