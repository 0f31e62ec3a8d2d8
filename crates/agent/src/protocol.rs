//! What an agent tells beyond the calls of the older dump service: its records and deletions, by sequence number.

use memdeck_model::{Deletion, Record};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Records asked for in one call.
pub const RECORDS_PER_CALL: u32 = 500;
/// Deletions asked for in one call.
pub const DELETIONS_PER_CALL: u32 = 500;

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
    /// The record.
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
    /// The deletion.
    pub deletion: Deletion,
}
