//! What an agent offers beyond the calls of the older dump service: what it is, its records, deletions and verifications by
//! sequence number, and what it measures.

use std::time::Duration;

use memdeck_model::{ByteCount, Deletion, Record, Timestamp, Verification};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The header with which an agent says how its audit ends after a call that it noted.
pub const AUDIT: &str = "memdeck-audit";
/// Records asked for in one call.
pub const RECORDS_PER_CALL: u32 = 500;
/// Deletions asked for in one call.
pub const DELETIONS_PER_CALL: u32 = 500;
/// Verifications asked for in one call: each may have many findings.
pub const VERIFICATIONS_PER_CALL: u32 = 100;

/// The most guests whose values are asked for in full in one call.
pub const GUESTS_WATCHED: usize = 200;
/// The longest that an agent waits for a collection that is newer than the one its dashboard knows.
pub const VALUES_WAIT: Duration = Duration::from_secs(1);

/// A page of an agent's records (`GET /api/records?since=`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordFeedPage {
    /// Identity of the catalog the sequence numbers belong to.
    pub catalog_id: String,
    /// Records with their sequence numbers, in ascending order.
    pub records: Vec<NumberedRecord>,
}

/// A record and its place in its catalog.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NumberedRecord {
    /// Give the highest as `since` to get what comes after.
    pub seq: u64,
    pub record: Record,
}

/// A page of an agent's deletions (`GET /api/deletions?since=`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeletionFeedPage {
    /// Identity of the catalog the sequence numbers belong to.
    pub catalog_id: String,
    /// Deletions with their sequence numbers, in ascending order.
    pub deletions: Vec<NumberedDeletion>,
}

/// A deletion and its place in its catalog.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NumberedDeletion {
    /// Give the highest as `since` to get what comes after.
    pub seq: u64,
    pub deletion: Deletion,
}

/// A page of how verifications of an agent's images ended (`GET /api/verifications?since=`).
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerificationFeedPage {
    /// Identity of the catalog the sequence numbers belong to.
    pub catalog_id: String,
    /// The newest verification of each image, with its sequence number, in ascending order.
    pub verifications: Vec<NumberedVerification>,
}

/// How a verification ended, and its place in its catalog.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NumberedVerification {
    /// Give the highest as `since` to get what comes after.
    pub seq: u64,
    pub verification: Verification,
}

/// Whether a request changed anything (`POST /api/telemetry/start` and `stop`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CollectorChange {
    /// False where the collector ran, or did not run, before.
    pub changed: bool,
}

/// What an agent says of itself (`GET /api/host`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostReport {
    /// The version of memdeck.
    pub version: String,
    /// The version of the protocol between dashboard and agent.
    pub protocol: u32,
    /// The agent's clock.
    pub time: Timestamp,
    /// Bytes that are free for images, where that can be said.
    #[serde(default)]
    pub free_bytes: Option<ByteCount>,
}

impl HostReport {
    /// Raised when a dashboard and an agent of different numbers cannot work together any more. What one merely lacks is
    /// said by [`Capabilities`](memdeck_model::Capabilities).
    pub const PROTOCOL: u32 = 1;
}
