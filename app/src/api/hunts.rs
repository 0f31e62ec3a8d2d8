//! The page's calls about hunts.

use memdeck_model::{Hunt, HuntDetails, HuntHits, HuntId, HuntList, NewHunt};

#[cfg(feature = "ssr")]
use super::operations;
use super::server_functions;

server_functions! {
    /// Every hunt that is kept, newest first.
    ///
    /// # Errors
    /// Somebody may not read memory, or the server does not answer.
    "hunts": async fn fetch_hunts() -> HuntList {
        operations::present()?.hunts().await.map_err(operations::refuse)
    }

    /// A hunt. Of many patterns and dumps those that say most.
    ///
    /// # Errors
    /// There is no such hunt, somebody may not read memory, or the server does not answer.
    "hunt": async fn fetch_hunt(
        /// Which hunt.
        id: HuntId,
    ) -> HuntDetails {
        let details = operations::present()?.hunt(id).await.map_err(operations::refuse)?;
        Ok(crate::words::hunts::foremost(details))
    }

    /// Queues a hunt.
    ///
    /// # Errors
    /// A pattern cannot be looked for, an image is not here, too many hunts wait, or the server does not answer.
    "request-hunt": async fn request_hunt(
        /// What is looked for, and where.
        hunt: NewHunt,
    ) -> Hunt {
        let asked = operations::present()?.request_hunt(hunt).await;
        asked.map(|details| details.hunt).map_err(operations::refuse)
    }

    /// Cancels a hunt that waits or runs. One that runs ends within a second or two.
    ///
    /// # Errors
    /// There is no such hunt, it has ended, or the server does not answer.
    "cancel-hunt": async fn cancel_hunt(
        /// Which hunt.
        id: HuntId,
    ) -> Hunt {
        let cancelled = operations::present()?.cancel_hunt(id).await;
        cancelled.map(|details| details.hunt).map_err(operations::refuse)
    }

    /// Forgets a hunt that has ended, with what it found.
    ///
    /// # Errors
    /// There is no such hunt, it has not ended, or the server does not answer.
    "remove-hunt": async fn remove_hunt(
        /// Which hunt.
        id: HuntId,
    ) -> () {
        operations::present()?.remove_hunt(id).await.map_err(operations::refuse)
    }

    /// What a hunt found: at most `limit` hits behind that of the number `after`. The audit notes it.
    ///
    /// # Errors
    /// There is no such hunt, it cannot be noted, or the server does not answer.
    "hunt-hits": async fn fetch_hunt_hits(
        /// Which hunt.
        id: HuntId,
        after: u32,
        limit: u32,
    ) -> HuntHits {
        operations::present()?.hunt_hits(id, after, limit).await.map_err(operations::refuse)
    }
}
