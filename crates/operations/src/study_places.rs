//! How much is studied at once: images are read, and each reading takes a core.

use std::sync::Arc;
use std::time::Duration;

use memdeck_model::{Problem, ProblemKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Comparisons and pages that are read at the same time; others wait.
const MOST_AT_ONCE: usize = 2;
/// Who waits longer is refused.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where images are read.
pub(crate) struct StudyPlaces {
    places: Arc<Semaphore>,
}

impl Default for StudyPlaces {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }
}

impl StudyPlaces {
    /// A place, as soon as there is one.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.places).acquire_owned();
        if let Ok(Ok(place)) = tokio::time::timeout(PATIENCE, place).await {
            return Ok(place);
        }
        let detail =
            format!("{MOST_AT_ONCE} comparisons are being made, which is the limit; try again later");
        Err(Problem::new(ProblemKind::Unavailable, detail))
    }
}
