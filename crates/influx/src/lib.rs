//! Adapter for `InfluxDB`: writes the point of a finished dump.
//!
//! The port is [`RecordFeed`]; [`Influx`] implements it with the calls of version 1 (`/write` and `/query`), which
//! version 3 answers too. A point is named by its measurement, tags and time, and all of them come from the record
//! alone: writing a record again replaces the point with itself, so a relay that writes until it is acknowledged
//! writes it once.
//!
//! The adapter keeps no queue and never retries on its own; the caller has the outbox.

mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod influx;
mod line;
mod point;
mod reply;
mod settings;
#[cfg(feature = "test-support")]
pub mod test_support;
mod types;

use async_trait::async_trait;
use memdeck_model::Record;

pub use error::FeedError;
pub use influx::Influx;
pub use point::{FieldValue, Point};
pub use settings::{InfluxSettings, Login};

/// A store that takes the records of finished dumps as points in time.
#[async_trait]
pub trait RecordFeed: Send + Sync {
    /// Writes the record's point. When this returns, the store has acknowledged it. Writing it again is harmless.
    ///
    /// # Errors
    /// The store cannot be reached, does not answer in time, or refuses; see [`FeedError::is_permanent`].
    async fn write(&self, record: &Record) -> Result<(), FeedError>;

    /// Names the store for people: URL and database, no secrets.
    fn describe(&self) -> String;
}
