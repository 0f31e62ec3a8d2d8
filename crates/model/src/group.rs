//! Groups of people who share guests, as they cross the wire.

use serde::{Deserialize, Serialize};

use crate::{AccountName, GuestSelector, Timestamp};

/// People who see and touch the same guests, and nothing of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    pub name: AccountName,
    /// Their guests: whatever one of these means.
    pub guests: Vec<GuestSelector>,
    /// The accounts that are in it.
    pub members: Vec<AccountName>,
    /// When the group was made.
    pub created_at: Timestamp,
}

/// A request to make a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    pub name: AccountName,
    /// The guests that its members see and touch.
    pub guests: Vec<GuestSelector>,
}

impl NewGroup {
    /// The most selectors of a group or a token.
    pub const MOST_SELECTORS: usize = 10_000;
}

/// A request to change a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupChange {
    /// Its guests from now on.
    pub guests: Vec<GuestSelector>,
}
