//! Adapter for `InfluxDB` 3, 2 and 1: writes points, reads rows.
//!
//! The ports are [`PointSink`], [`RowSource`] and [`StepSource`]; [`Influx`] implements them. A point is named by its
//! measurement, tags and time: writing it again replaces the point with itself, so writing until it is acknowledged writes it once. The
//! point of a dump ([`record_point`]) is named by its record alone.
//!
//! The client keeps no queue and does not try again later: for dumps the caller has the outbox, for telemetry there is
//! [`point_writer`].

mod api;
mod backlog;
mod backoff;
mod batch;
mod diagnosis;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod influx;
mod line;
mod point;
mod query;
mod read;
mod record;
mod reply;
mod settings;
mod short;
mod steps;
#[cfg(feature = "test-support")]
pub mod test_support;
mod texts;
mod types;
mod writer;

use async_trait::async_trait;

pub use backlog::{BacklogError, BacklogLine};
pub use backoff::Backoff;
pub use batch::{Rejection, WriteOutcome};
pub use error::FeedError;
pub use influx::Influx;
pub use point::{FieldValue, Point};
pub use query::{Row, RowQuery, RowSource};
pub use record::{MEM_DUMPS, record_point};
pub use settings::{InfluxSettings, Login};
pub use steps::{FieldKind, Step, StepQuery, StepSource};
pub use writer::{PointQueue, PointWriter, WriterSettings, WriterStats, point_writer};

/// A store that takes points in time.
#[async_trait]
pub trait PointSink: Send + Sync {
    /// Writes the points. When this returns, the store has acknowledged each of them or refused it for good; a refused one
    /// holds up no other. Writing them again is harmless.
    ///
    /// # Errors
    /// The store cannot be reached, does not answer in time, or does not write now. Some points may have been written.
    async fn write(&self, points: &[Point]) -> Result<WriteOutcome, FeedError>;

    /// Names the store for people: URL and database, no secrets.
    fn describe(&self) -> String;
}
