//! Roles: permissions that belong together.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Permission, Rights};

/// What somebody is here for. A role does not include the one before it: an analyst takes no dumps, an operator reads none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees what there is.
    Viewer,
    /// Takes, cancels and verifies dumps; reads no memory.
    Operator,
    /// Downloads and studies images; takes none.
    Analyst,
    /// Everything, accounts and deletions included.
    Admin,
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, operator, analyst or admin")]
pub struct ParseRoleError;

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Analyst, Self::Admin];

    /// What it allows.
    #[must_use]
    pub const fn rights(self) -> Rights {
        use Permission::{Cancel, Collect, Dump, ReadMemory, ReadMetrics, Verify, View};
        match self {
            Self::Viewer => Rights::of(&[View, ReadMetrics]),
            Self::Operator => Rights::of(&[View, ReadMetrics, Dump, Cancel, Verify, Collect]),
            Self::Analyst => Rights::of(&[View, ReadMetrics, Verify, ReadMemory]),
            Self::Admin => Rights::ALL,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Analyst => "analyst",
            Self::Admin => "admin",
        }
    }

    /// What somebody with it does, for a list of choices.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Viewer => "sees guests, records and what is measured",
            Self::Operator => "takes, cancels and verifies dumps; reads no memory",
            Self::Analyst => "downloads, exports and verifies images; takes no dumps",
            Self::Admin => "everything: deletes, changes settings, manages users",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, ParseRoleError> {
        Self::ALL.into_iter().find(|role| role.name() == text).ok_or(ParseRoleError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_an_admin_both_takes_and_reads_memory() {
        for role in Role::ALL {
            let rights = role.rights();
            let both = rights.may(Permission::Dump) && rights.may(Permission::ReadMemory);
            assert_eq!(both, role == Role::Admin, "{role}");
            assert!(rights.may(Permission::View), "{role}");
            assert_eq!(rights.may(Permission::Delete), role == Role::Admin, "{role}");
            assert_eq!(role.name().parse(), Ok(role));
        }
        assert_eq!("root".parse::<Role>(), Err(ParseRoleError));
    }
}
