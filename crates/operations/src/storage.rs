//! Publishes that images or records cannot be stored on this host, and when they can again.

use std::sync::Arc;
use std::time::Duration;

use memdeck_model::Event;

use crate::{Feed, Readiness};

/// Between two looks while a page is open.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// Rests while no page is open. Never ends.
pub(crate) async fn watch(readiness: &Arc<Readiness>, feed: &Feed) {
    loop {
        feed.listener().await;
        feed.publish_if_news(Event::Storage(readiness.storage_notice().await));
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
