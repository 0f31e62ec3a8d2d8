//! How the collector stands.

use serde::{Deserialize, Serialize};

use crate::{GuestName, Message, Millis, Timestamp};

/// Whether the hypervisor answers the collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Connection {
    /// It was not asked yet.
    Idle,
    /// The last collection was answered.
    Connected,
    /// It does not answer, and is asked again.
    Reconnecting {
        /// Since when.
        since: Timestamp,
        /// How often it was asked since then.
        attempts: u64,
        /// When it is asked again.
        next_attempt: Timestamp,
        /// What it said.
        error: Message,
    },
}

/// Whether a guest reports what its memory is used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum BalloonStats {
    /// It reports.
    Reported,
    /// The guest was asked to report, and has not done so yet.
    SwitchedOn,
    /// It does not report, and a setting keeps memdeck from asking it to.
    Off,
    /// It cannot report: it has no balloon device, or its driver in the guest does not know how.
    Impossible {
        /// What the hypervisor said.
        reason: Message,
    },
}

/// A guest of which not everything is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnmeasuredGuest {
    pub uuid: String,
    pub name: GuestName,
    /// Why it does not report what its memory is used for.
    pub balloon: BalloonStats,
}

/// `GET /api/telemetry/status` without `config`, which the server adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectorStatus {
    /// Whether it collects.
    pub running: bool,
    /// Since when; null if it does not run.
    pub started_at: Option<Timestamp>,
    /// Collections that were answered, since the program started.
    pub total_collections: u64,
    /// Collections that failed.
    pub total_errors: u64,
    /// When the last one was answered.
    pub last_collection_time: Option<Timestamp>,
    /// Guests in it.
    pub vms_monitored: u64,
    /// Points that the store of points has taken.
    pub total_metrics_written: u64,
    /// Points that wait for it.
    pub influx_queue_size: u64,
    /// Points that were dropped, the oldest first, because too many waited.
    pub influx_queue_dropped: u64,
    /// Time between two collections.
    pub interval_ms: Millis,
    /// How long the last one took.
    pub last_duration_ms: Option<Millis>,
    /// How long the longest one took.
    pub max_duration_ms: Option<Millis>,
    /// Intervals without a collection, because an earlier one took too long or the hypervisor did not answer.
    pub missed_intervals: u64,
    /// Guests whose values are old because they do not answer.
    pub stale_vms: u64,
    /// Guests of which only a part is known, because a job has them.
    pub partial_vms: u64,
    /// Whether the hypervisor answers.
    pub connection: Connection,
    /// What the last failed collection said.
    pub last_error: Option<Message>,
    /// Running guests that do not report what their memory is used for; at most 1000.
    pub unmeasured: Vec<UnmeasuredGuest>,
    /// Bytes of the store of its own.
    pub store_bytes: u64,
    /// Collections that were not kept there because the file was too slow.
    pub store_given_up: u64,
    /// What went wrong there last.
    pub store_error: Option<Message>,
}
