//! Entries: who did what, from where, on what, with what result.

use serde::{Deserialize, Serialize};

use super::{AuditAction, AuditDetails, AuditHash, AuditObject, AuditResult};
use crate::{Actor, Timestamp};

/// An entry that is to be made; the audit gives it its number and its hash.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEntry {
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From where, if it came over a network.
    pub address: Option<String>,
    pub action: AuditAction,
    pub object: AuditObject,
    pub result: AuditResult,
    pub details: AuditDetails,
}

impl NewEntry {
    /// Something that succeeded and of which no more is to be said.
    #[must_use]
    pub fn new(at: Timestamp, actor: Actor, action: AuditAction, object: AuditObject) -> Self {
        Self {
            at,
            actor,
            address: None,
            action,
            object,
            result: AuditResult::Succeeded,
            details: AuditDetails::default(),
        }
    }

    /// The same with that result.
    #[must_use]
    pub fn with_result(self, result: AuditResult) -> Self {
        Self { result, ..self }
    }

    /// The same with these details.
    #[must_use]
    pub fn with(self, details: AuditDetails) -> Self {
        Self { details, ..self }
    }
}

/// An entry of the audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditEntry {
    /// Its place in the audit: one more than the entry before it.
    pub seq: u64,
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// From where, if it came over a network: an IP address.
    pub address: Option<String>,
    pub action: AuditAction,
    pub object: AuditObject,
    pub result: AuditResult,
    pub details: AuditDetails,
    /// The hash of the entry before it.
    pub previous: AuditHash,
    /// Its own.
    pub hash: AuditHash,
}
