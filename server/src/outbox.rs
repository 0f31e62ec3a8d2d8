//! Carries points from the catalog's outbox to InfluxDB until it has acknowledged them.
//!
//! A point is written at least once and counts once: the same record makes the same series and time.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_influx::{FeedError, RecordFeed};
use memdeck_model::Event;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use memdeck_operations::blocking;

/// Entries taken from the outbox at once.
const BATCH: u32 = 100;
/// Wait after the first failure; doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait while InfluxDB stays away.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What a round over the outbox came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Round {
    /// Nothing is left.
    Empty,
    /// InfluxDB did not take everything.
    Left,
}

/// Relays until the events end. A finished dump is relayed at once.
pub async fn relay(catalog: Arc<Catalog>, feed: Arc<dyn RecordFeed>, mut events: broadcast::Receiver<Event>) {
    let mut wait = FIRST_WAIT;
    loop {
        let left = match round(&catalog, feed.as_ref()).await {
            Ok(Round::Empty) => false,
            Ok(Round::Left) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                true
            }
        };
        if !left {
            wait = FIRST_WAIT;
            if !next_record(&mut events).await {
                return;
            }
            continue;
        }
        match tokio::time::timeout(wait, next_record(&mut events)).await {
            Ok(true) | Err(_) => {}
            Ok(false) => return,
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Waits for a finished dump; false when none will come any more.
async fn next_record(events: &mut broadcast::Receiver<Event>) -> bool {
    loop {
        match events.recv().await {
            Ok(Event::Record(_)) | Err(RecvError::Lagged(_)) => return true,
            Ok(_) => {}
            Err(RecvError::Closed) => return false,
        }
    }
}

/// Offers waiting points until none is left or one is not taken. One that InfluxDB refuses for its content stays in the
/// outbox, behind those that were not tried yet.
///
/// # Errors
/// The catalog failed.
pub async fn round(catalog: &Arc<Catalog>, feed: &dyn RecordFeed) -> Result<Round, CatalogError> {
    loop {
        let entries = {
            let catalog = Arc::clone(catalog);
            blocking(move || catalog.outbox_next(BATCH)).await?
        };
        if entries.is_empty() {
            return Ok(Round::Empty);
        }
        let mut refused = false;
        for entry in entries {
            let written = feed.write(&entry.record).await;
            let catalog = Arc::clone(catalog);
            let Err(error) = written else {
                blocking(move || catalog.outbox_acknowledge(entry.id)).await?;
                continue;
            };
            log(&error, entry.attempts, feed);
            let permanent = error.is_permanent();
            blocking(move || catalog.outbox_defer(entry.id, &error.to_string())).await?;
            if !permanent {
                return Ok(Round::Left);
            }
            refused = true;
        }
        if refused {
            return Ok(Round::Left);
        }
    }
}

/// The first failure of a point is news; that it goes on is not.
fn log(error: &FeedError, attempts: u32, feed: &dyn RecordFeed) {
    if attempts == 0 {
        tracing::warn!(influx = feed.describe(), %error, "a point waits in the outbox");
    } else {
        tracing::debug!(influx = feed.describe(), %error, attempts, "a point still waits in the outbox");
    }
}
