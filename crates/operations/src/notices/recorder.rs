//! Records what was raised: notices become messages in the catalog.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::Catalog;
use memdeck_model::Millis;
use memdeck_model::notice::Notice;

use super::{Notices, RaisedNotices};
use crate::blocking;

/// Notices recorded in one transaction.
const BATCH: usize = 256;
/// Between two tries while the catalog fails.
const RETRY: Duration = Duration::from_secs(2);

/// Runs until nobody can raise any more.
pub(super) async fn record(
    notices: &Notices,
    catalog: &Arc<Catalog>,
    RaisedNotices(mut raised): RaisedNotices,
    gather: Duration,
) {
    let mut batch = Vec::new();
    while raised.recv_many(&mut batch, BATCH).await > 0 {
        let mut left: Arc<[Notice]> = std::mem::take(&mut batch).into();
        while !left.is_empty() {
            let (catalog, taken, now) = (Arc::clone(catalog), Arc::clone(&left), notices.clock.now());
            let new_id = || uuid::Uuid::new_v4().to_string();
            let write = move || catalog.raise_notices(&taken, now, Millis::from(gather), new_id);
            match blocking(write).await {
                Ok(done) => {
                    if done.refused > 0 {
                        tracing::error!(
                            notices = done.refused,
                            "notices are told to nobody: too many messages wait already"
                        );
                    }
                    if done.messages > 0 {
                        notices.changed.notify_one();
                    }
                    left = Arc::new([]);
                }
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        notices = left.len(),
                        "notices cannot be recorded; they wait"
                    );
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}
