//! Carries points from the catalog's outbox to InfluxDB until it has acknowledged them.
//!
//! A point is written at least once and counts once: the same record makes the same series and time.

use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError, OutboxEntry};
use memdeck_influx::{Backoff, FeedError, Point, PointSink, record_point};
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
pub async fn relay(catalog: Arc<Catalog>, sink: Arc<dyn PointSink>, mut events: broadcast::Receiver<Event>) {
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    loop {
        let left = match round(&catalog, sink.as_ref()).await {
            Ok(Round::Empty) => false,
            Ok(Round::Left) => true,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                true
            }
        };
        if !left {
            backoff.reset();
            if !next_record(&mut events).await {
                return;
            }
            continue;
        }
        match tokio::time::timeout(backoff.wait(), next_record(&mut events)).await {
            Ok(true) | Err(_) => {}
            Ok(false) => return,
        }
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
pub async fn round(catalog: &Arc<Catalog>, sink: &dyn PointSink) -> Result<Round, CatalogError> {
    loop {
        let entries = {
            let catalog = Arc::clone(catalog);
            blocking(move || catalog.outbox_next(BATCH)).await?
        };
        let Some(first) = entries.first() else { return Ok(Round::Empty) };
        let offered = Offered::of(&entries);
        let outcome = match sink.write(&offered.points).await {
            Ok(outcome) => outcome,
            Err(error) => {
                // It is about the store and not about a point: the oldest shows how long that goes on.
                log(&error, first.attempts, sink);
                let (catalog, id) = (Arc::clone(catalog), first.id);
                blocking(move || catalog.outbox_defer(id, &error.to_string())).await?;
                return Ok(Round::Left);
            }
        };
        let mut refused = offered.without_point;
        for rejection in outcome.rejected {
            if let Some(place) = offered.places.get(rejection.index) {
                refused.push((*place, rejection.error));
            }
        }
        let is_refused = |place: usize| refused.iter().any(|(at, _)| *at == place);
        let written: Vec<u64> = entries
            .iter()
            .enumerate()
            .filter(|(place, _)| !is_refused(*place))
            .map(|(_, entry)| entry.id)
            .collect();
        let mut deferred = Vec::new();
        for (place, error) in &refused {
            if let Some(entry) = entries.get(*place) {
                log(error, entry.attempts, sink);
                deferred.push((entry.id, error.to_string()));
            }
        }
        let none_was_refused = deferred.is_empty();
        let catalog = Arc::clone(catalog);
        blocking(move || {
            written.into_iter().try_for_each(|id| catalog.outbox_acknowledge(id))?;
            deferred.iter().try_for_each(|(id, error)| catalog.outbox_defer(*id, error))
        })
        .await?;
        if !none_was_refused {
            return Ok(Round::Left);
        }
    }
}

/// What a batch of entries has for InfluxDB.
struct Offered {
    points: Vec<Point>,
    /// For each point the place of its entry.
    places: Vec<usize>,
    /// Entries of which no point can be made.
    without_point: Vec<(usize, FeedError)>,
}

impl Offered {
    fn of(entries: &[OutboxEntry]) -> Self {
        let mut offered = Self { points: Vec::new(), places: Vec::new(), without_point: Vec::new() };
        for (place, entry) in entries.iter().enumerate() {
            match record_point(&entry.record) {
                Ok(point) => {
                    offered.points.push(point);
                    offered.places.push(place);
                }
                Err(error) => offered.without_point.push((place, error)),
            }
        }
        offered
    }
}

/// The first failure of a point is news; that it goes on is not.
fn log(error: &FeedError, attempts: u32, sink: &dyn PointSink) {
    if attempts == 0 {
        tracing::warn!(influx = sink.describe(), %error, "a point waits in the outbox");
    } else {
        tracing::debug!(influx = sink.describe(), %error, attempts, "a point still waits in the outbox");
    }
}
