//! Which entries are asked for.

use serde::{Deserialize, Serialize};

use super::{AuditAction, AuditEntry, AuditHead, AuditObject, AuditResult};
use crate::{DumpId, FilterError, SearchText, Timestamp};

/// What entries must be; all that is given counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
    /// A part of who did it or of the address, in letters of any case.
    pub actor: Option<SearchText>,
    pub action: Option<AuditAction>,
    /// A part of the guest's name or UUID, in letters of any case.
    pub guest: Option<SearchText>,
    pub dump_id: Option<DumpId>,
    pub result: Option<AuditResult>,
}

impl AuditFilter {
    /// Whether `entry` is meant.
    #[must_use]
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
            && self.action.is_none_or(|action| entry.action == action)
            && self.result.is_none_or(|result| entry.result == result)
            && self.dump_id.as_ref().is_none_or(|dump_id| entry.object.dump_id() == Some(dump_id))
            && self.actor.as_ref().is_none_or(|actor| {
                let address = entry.address.as_deref();
                actor.is_part_of(&entry.actor.to_string())
                    || address.is_some_and(|address| actor.is_part_of(address))
            })
            && self.guest.as_ref().is_none_or(|guest| is_about(&entry.object, guest))
    }

    /// Whether it says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn is_about(object: &AuditObject, guest: &SearchText) -> bool {
    [object.guest(), object.guest_uuid()].into_iter().flatten().any(|known| guest.is_part_of(known))
}

/// A page of the audit, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditQuery {
    pub filter: AuditFilter,
    /// Entries with smaller numbers only.
    pub before: Option<u64>,
    /// At most this many.
    pub limit: u32,
}

impl AuditQuery {
    /// The most entries of a page.
    pub const MAX_LIMIT: u32 = 500;

    /// The same within the bounds.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { limit: self.limit.clamp(1, Self::MAX_LIMIT), ..self }
    }

    /// Why it cannot be asked.
    ///
    /// # Errors
    /// The range of time is empty.
    pub fn check(&self) -> Result<(), FilterError> {
        match (self.filter.from, self.filter.to) {
            (Some(from), Some(to)) if to <= from => Err(FilterError::Range),
            _ => Ok(()),
        }
    }
}

/// Entries, newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// What to give as `before` for the next ones; `None` if there are no more.
    pub next: Option<u64>,
    /// The newest row of the audit.
    pub head: Option<AuditHead>,
}
