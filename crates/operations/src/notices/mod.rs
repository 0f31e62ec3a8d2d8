//! The port by which whatever happens is raised, and the way from there to the targets of notifications.
//!
//! ```text
//! raise ──► queue ──► Recorder: rules, catalog ──► waiting messages ──► Relay ──► Courier (port) ──► targets
//! ```
//!
//! Whoever raises waits for nothing: neither for the catalog nor for a target.

mod courier;
mod parts;
mod recorder;
mod relay;
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memdeck_catalog::Catalog;
use memdeck_clock::Clock;
use memdeck_model::HostId;
use memdeck_model::notice::{Happening, Notice};
use tokio::sync::{Notify, mpsc};

pub use courier::{Courier, Undelivered};
pub(crate) use parts::Notify as NotifyState;
pub use parts::NotifyParts;
pub use relay::NoticePace;
pub use source::NoticeLimits;
pub(crate) use source::{about_verification, found_in};

/// Notices that wait to be recorded. The recorder takes hundreds at once; more wait only while the catalog hangs.
const QUEUED: usize = 4_096;

/// Where whatever happens is raised.
pub struct Notices {
    queue: mpsc::Sender<Notice>,
    /// How many were lost because the queue was full.
    lost: AtomicU64,
    clock: Arc<dyn Clock>,
    /// Wakes the relay.
    changed: Notify,
}

/// What was raised, for the one who records it.
pub struct RaisedNotices(mpsc::Receiver<Notice>);

impl Notices {
    /// A place to raise notices, and what is raised there.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> (Arc<Self>, RaisedNotices) {
        let (queue, raised) = mpsc::channel(QUEUED);
        let notices = Self { queue, lost: AtomicU64::new(0), clock, changed: Notify::new() };
        (Arc::new(notices), RaisedNotices(raised))
    }

    /// A place where what is raised is heard by nobody: an agent leaves it to its dashboard.
    #[must_use]
    pub fn unheard(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::new(clock).0
    }

    /// Says that something happened, on this host if there are several. Never waits.
    pub fn raise(&self, host: Option<HostId>, event: Happening) {
        self.put(host, None, event);
    }

    /// As [`Self::raise`], for what happens in a run of a schedule, or otherwise together with more of its kind: a target is
    /// told of all of it at once.
    pub fn raise_in_run(&self, run: &str, host: Option<HostId>, event: Happening) {
        self.put(host, Some(run.to_owned()), event);
    }

    /// Records what is raised and carries messages to their targets. Runs until its task is ended; what was recorded by then
    /// is sent by whoever opens the catalog next.
    pub async fn carry(
        &self,
        raised: RaisedNotices,
        catalog: &Arc<Catalog>,
        courier: &Arc<dyn Courier>,
        pace: NoticePace,
    ) {
        tokio::join!(
            recorder::record(self, catalog, raised, pace.gather),
            relay::relay(self, catalog, courier, pace),
        );
    }

    /// Messages have changed: the relay looks at once.
    pub(crate) fn look_again(&self) {
        self.changed.notify_one();
    }

    fn put(&self, host: Option<HostId>, run: Option<String>, event: Happening) {
        let notice = Notice {
            id: uuid::Uuid::new_v4().to_string(),
            at: self.clock.now(),
            severity: event.kind().severity(),
            host,
            run,
            event,
        };
        match self.queue.try_send(notice) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(notice)) => {
                let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::error!(
                    kind = notice.kind().as_str(),
                    lost,
                    "a notice is lost: the catalog does not answer, and too many wait for it"
                );
            }
        }
    }
}
