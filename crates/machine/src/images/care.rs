//! Images are verified again by themselves, the one that was not verified for longest first.
//!
//! ```text
//! look ──► is one due? no dump runs? nobody verifies? ──► a thread of low priority, held back by its pace ──► look
//! ```
//!
//! When an image is due is in the catalog, so a restart changes nothing. A new image counts from its dump, of which every byte
//! was hashed.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{CatalogError, LongestUnverified};
use memdeck_model::{Actor, Millis, Problem, ProblemKind, Timestamp};
use memdeck_operations::{blocking, catalog_problem};
use tokio::sync::oneshot;

use super::pace::{Pace, runs_a_dump};
use super::{StoredImage, StoredImages, internal};

/// Dumps, and everything else on this machine, come first. The kernel reads from disk by it, too.
const NICENESS: i32 = 19;
/// Between two looks whether an image is due.
const LOOK: Duration = Duration::from_secs(20);
/// An image that could not be read is tried again after this.
const TRY_AGAIN: Duration = Duration::from_hours(24);

/// How images are verified again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCare {
    /// How long a verification holds; zero where nothing is verified by itself.
    pub every: Duration,
    /// MiB of memory per second that are verified at most; 0 is no limit.
    pub bandwidth_mibps: u32,
}

/// What the last look found.
#[derive(Clone, Copy)]
struct Look {
    /// The state of the catalog.
    catalog: (u64, i64),
    /// When the next image is due, as long as that is the state; `None` without images.
    next: Option<Timestamp>,
}

impl StoredImages {
    /// Verifies what is due, one image at a time. Runs until its task is ended; what goes on then is begun anew by the next
    /// process.
    pub async fn keep_verified(self: Arc<Self>, care: ImageCare) {
        if care.every.is_zero() {
            return;
        }
        let mut last = None;
        loop {
            tokio::time::sleep(LOOK.min(care.every)).await;
            // As long as one is due after the other, nobody waits for the next look.
            while let Some(image) = self.due(care, &mut last).await {
                let dump_id = image.dump_id.clone();
                if let Err(problem) = self.verify_again(image, care).await {
                    tracing::debug!(%dump_id, "an image is verified later: {problem}");
                    break;
                }
            }
        }
    }

    /// The image that is due, if it may be verified now.
    async fn due(self: &Arc<Self>, care: ImageCare, last: &mut Option<Look>) -> Option<StoredImage> {
        let (this, before) = (Arc::clone(self), *last);
        match blocking(move || this.look(care, before)).await {
            Ok((image, look)) => {
                *last = Some(look);
                image
            }
            Err(error) => {
                catalog_problem(&error);
                None
            }
        }
    }

    fn look(
        &self,
        care: ImageCare,
        before: Option<Look>,
    ) -> Result<(Option<StoredImage>, Look), CatalogError> {
        let (now, catalog) = (self.clock.now(), self.catalog.changes()?);
        if let Some(before) = before
            && before.catalog == catalog
            && before.next.is_none_or(|next| next > now)
        {
            return Ok((None, before));
        }
        let found = self.catalog.longest_unverified(now, care.every.saturating_sub(TRY_AGAIN))?;
        let Some(LongestUnverified { record, since }) = found else {
            return Ok((None, Look { catalog, next: None }));
        };
        let next = since.plus(Millis::from(care.every));
        let may_be = next <= now && !runs_a_dump(&self.catalog);
        let image = may_be.then(|| StoredImage::recorded(record)).flatten();
        Ok((image, Look { catalog, next: Some(next) }))
    }

    /// Verifies an image that nobody waits for.
    ///
    /// # Errors
    /// It is in use, others are being verified, or it was stopped: it is to be verified later.
    async fn verify_again(&self, image: StoredImage, care: ImageCare) -> Result<(), Problem> {
        let later = |why| Problem::new(ProblemKind::Conflict, why);
        let dump_id = image.dump_id.clone();
        // Before it begins, or whoever deletes the image then would not end it.
        let goes_on = self.background.begin(&dump_id);
        let (_, job) = self.begin(image, &Actor::Service, |asked_for| match asked_for {
            0 => Ok(()),
            _ => Err(later("somebody has images verified")),
        })?;
        let Some((job, in_use)) = job else { return Err(later("it is being verified")) };
        let mut pace = Pace::new(&self.background, &self.catalog, care.bandwidth_mibps);
        let (ended, end) = oneshot::channel();
        // A thread of its own: one that is not privileged cannot raise its priority again.
        let started = std::thread::Builder::new().name("image-care".to_owned()).spawn(move || {
            // Where the system does not allow it, it verifies at the usual priority.
            let _ = rustix::process::nice(NICENESS);
            let is_verified = job.run(in_use, &mut |progress| pace.after(progress));
            drop(goes_on);
            // At a stop of memdeck nobody waits for it any more.
            let _ = ended.send(is_verified);
        });
        if let Err(error) = started {
            self.verifications.forget(&dump_id);
            return Err(internal(&error));
        }
        match end.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(later("it was stopped")),
            Err(_) => Err(later("its thread ended unexpectedly")),
        }
    }
}
