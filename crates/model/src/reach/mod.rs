//! Which guests somebody may see and touch.
//!
//! ```text
//! selectors of a group or a token ──► GuestSet ──► Reach: every guest, or those that a selector means
//! ```

mod selector;
mod set;

pub use selector::{GuestSelector, ParseGuestSelectorError};
pub use set::{GuestSet, Whose};

use std::sync::Arc;

use crate::Guest;

/// Which guests somebody may see and touch. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every one: who is in no group, and admins.
    Everything,
    /// Those of a group or token, and nothing of the others.
    Only(Arc<GuestSet>),
}

impl Reach {
    /// Those that a selector means.
    #[must_use]
    pub fn only(selectors: Vec<GuestSelector>) -> Self {
        Self::Only(Arc::new(GuestSet::of(selectors)))
    }

    /// Whether there may be guests that are not among them.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        matches!(self, Self::Only(_))
    }

    /// The guests, where they are not all.
    #[must_use]
    pub fn limit(&self) -> Option<&Arc<GuestSet>> {
        match self {
            Self::Everything => None,
            Self::Only(set) => Some(set),
        }
    }

    /// Whether something of this guest is among it.
    #[must_use]
    pub fn includes(&self, whose: Whose<'_>) -> bool {
        self.limit().is_none_or(|set| set.has(whose))
    }

    /// Whether a guest is among them, whose host goes by the names `hosts`.
    #[must_use]
    pub fn has(&self, guest: &Guest, hosts: &[&str]) -> bool {
        self.includes(Whose { hosts, name: Some(&guest.name.0), uuid: Some(&guest.uuid) })
    }
}
