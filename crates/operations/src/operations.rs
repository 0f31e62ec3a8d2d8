//! What every use case works with.

use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_model::{ForeignImport, Millis, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::audit::Audit;
use crate::host_book::{AddedHosts, HostBook};
use crate::hunt_runs::HuntRuns;
use crate::last_trigger::TriggerFollower;
use crate::notices::{NotifyParts, NotifyState};
use crate::study_places::StudyPlaces;
use crate::{Feed, Hosts, Images, Once, Readiness, Telemetry};

/// The use cases of one memdeck.
pub struct Operations {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) added_hosts: AddedHosts,
    pub(crate) images: Arc<Images>,
    pub(crate) audit: Audit,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) telemetry: Option<Arc<dyn Telemetry>>,
    pub(crate) import: Option<watch::Receiver<ForeignImport>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) once: Once,
    pub(crate) follower: Arc<Mutex<TriggerFollower>>,
    pub(crate) notify: NotifyState,
    pub(crate) study_places: StudyPlaces,
    pub(crate) hunt_runs: HuntRuns,
}

/// What they work with.
pub struct Parts {
    /// Records.
    pub catalog: Arc<Catalog>,
    /// Dumps and guests.
    pub hosts: Arc<Hosts>,
    /// Who makes hosts of what operators add; `None` where there can be only one host.
    pub host_book: Option<Arc<dyn HostBook>>,
    /// Stored images.
    pub images: Arc<Images>,
    /// Whether dumps can be taken and kept.
    pub readiness: Arc<Readiness>,
    /// What is measured of the guests, if that is done here.
    pub telemetry: Option<Arc<dyn Telemetry>>,
    /// How far the rows that other tools wrote have been read, where there is a store of such rows.
    pub import: Option<watch::Receiver<ForeignImport>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The longest a dump may take.
    pub dump_timeout: Millis,
    /// Who is told what happens.
    pub notify: NotifyParts,
}

impl Operations {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            catalog,
            hosts,
            host_book,
            images,
            readiness,
            telemetry,
            import,
            clock,
            dump_timeout,
            notify,
        } = parts;
        Self {
            once: Once::new(Arc::clone(&catalog), Arc::clone(&clock)),
            audit: images.audit().clone(),
            catalog,
            hosts,
            added_hosts: AddedHosts::new(host_book),
            images,
            readiness,
            telemetry,
            import,
            clock,
            feed: Arc::new(Feed::new()),
            follower: Arc::new(Mutex::new(TriggerFollower::new(dump_timeout))),
            notify: notify.into(),
            study_places: StudyPlaces::default(),
            hunt_runs: HuntRuns::default(),
        }
    }

    /// What open pages receive.
    #[must_use]
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> &Arc<Hosts> {
        &self.hosts
    }

    /// The stored images.
    #[must_use]
    pub fn images(&self) -> &Arc<Images> {
        &self.images
    }

    /// The audit of all that is done here.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
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
