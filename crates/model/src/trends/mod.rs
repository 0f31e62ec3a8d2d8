//! What became of dumps over time: how many there were, how much is kept, how long guests stood still and dumps took, and when
//! a volume will be full.

mod durations;
mod forecast;
mod range;

use serde::{Deserialize, Serialize};

use crate::{ByteCount, GuestName, Timestamp};

pub use durations::{Bin, Distribution, Durations};
pub use forecast::{Growth, LEAST_DAYS, LEAST_DUMPS, Outlook, VolumeForecast};
pub use range::{TrendRange, TrendRangeError};

/// The answer of `GET /api/memory-dumps/trends`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Trends {
    /// The first instant of the range.
    pub from: Timestamp,
    /// The first instant after the range.
    pub to: Timestamp,
    /// How many days of 24 hours each step has, counted from `from`.
    pub step_days: u32,
    /// The steps, in order.
    pub steps: Vec<TrendStep>,
    /// Of the guests with the most stored bytes at the end of the range, the most first; at most eight.
    pub guests: Vec<StoredByGuest>,
    /// How long guests stood still, for each mode in which dumps were taken.
    pub pauses: Vec<PausesByMode>,
    /// How long dumps took.
    pub durations: Distribution,
    /// When the volumes of the images will be full, for each host that tells how much is free.
    pub volumes: Vec<VolumeForecast>,
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrendStep {
    /// Its first instant.
    pub at: Timestamp,
    /// Dumps that began in it and were completed.
    pub completed: u64,
    /// Dumps that failed in it.
    pub failed: u64,
    /// Dumps that were cancelled in it.
    pub cancelled: u64,
    /// Bytes of all images that were kept at its end.
    pub stored_bytes: ByteCount,
}

/// The stored bytes of one guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredByGuest {
    /// The guest's name.
    pub dom: GuestName,
    /// Where its dumps were taken, as far as that is known.
    pub host: Option<String>,
    /// Bytes of its images that were kept at the end of each step.
    pub stored_bytes: Vec<ByteCount>,
}

/// How long guests stood still for dumps of one mode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PausesByMode {
    /// `live` or `frozen`.
    pub mode: crate::CaptureMode,
    /// The pauses.
    pub pauses: Distribution,
}
