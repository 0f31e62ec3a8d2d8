//! What one host has measured, as it is told to whoever asks for it.

use serde::{Deserialize, Serialize};

use super::{LiveSample, LiveSummary, VmTelemetry, VmTotals};
use crate::{Millis, Timestamp};

/// The newest values of what somebody watches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveValues {
    /// When they were collected; null before the first collection.
    pub collected_at: Option<Timestamp>,
    /// Every guest in short, by name; missing where that is not watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summaries: Option<Vec<LiveSummary>>,
    /// Everything about the guests that are watched, as far as they were measured.
    #[serde(default)]
    pub samples: Vec<LiveSample>,
}

/// A guest that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Measured {
    /// How busy it is.
    pub telemetry: VmTelemetry,
    /// Its newest values.
    pub totals: VmTotals,
}

/// All guests of a host that were measured, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Measurements {
    /// When the newest collection was answered; null before the first.
    pub collected_at: Option<Timestamp>,
    /// How long ago that was, by the clock of the host.
    pub age_ms: Option<Millis>,
    pub guests: Vec<Measured>,
}
