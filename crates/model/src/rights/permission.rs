//! What can be allowed to somebody.

use serde::{Deserialize, Serialize};

/// One thing that somebody may do. To take memory and to read it are different rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// See guests, hosts, dumps, records, what images consist of, and what is measured. No memory of a guest.
    View,
    /// Read figures about memdeck and everything it looks after, as Prometheus does.
    ReadMetrics,
    /// Take dumps.
    Dump,
    /// Cancel dumps that are queued or running.
    Cancel,
    /// Verify stored images.
    Verify,
    /// Start, stop and diagnose the collector.
    Collect,
    /// Read the memory in images: download and export them.
    ReadMemory,
    /// Delete images.
    Delete,
    /// Change settings of the installation: hosts, schedules, retention, notifications.
    Configure,
    /// Read the audit log.
    ReadAudit,
    /// Manage accounts, the sessions and tokens of others, and make sign-in links.
    ManageUsers,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::View,
        Self::ReadMetrics,
        Self::Dump,
        Self::Cancel,
        Self::Verify,
        Self::Collect,
        Self::ReadMemory,
        Self::Delete,
        Self::Configure,
        Self::ReadAudit,
        Self::ManageUsers,
    ];

    /// What it allows, as part of a sentence: "may not delete images".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::View => "see guests and records",
            Self::ReadMetrics => "read metrics",
            Self::Dump => "take dumps",
            Self::Cancel => "cancel dumps",
            Self::Verify => "verify images",
            Self::Collect => "start, stop or diagnose the collector",
            Self::ReadMemory => "download or export images",
            Self::Delete => "delete images",
            Self::Configure => "change settings",
            Self::ReadAudit => "read the audit log",
            Self::ManageUsers => "manage users",
        }
    }

    /// The word for it on the wire and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::ReadMetrics => "read-metrics",
            Self::Dump => "dump",
            Self::Cancel => "cancel",
            Self::Verify => "verify",
            Self::Collect => "collect",
            Self::ReadMemory => "read-memory",
            Self::Delete => "delete",
            Self::Configure => "configure",
            Self::ReadAudit => "read-audit",
            Self::ManageUsers => "manage-users",
        }
    }

    /// The permission of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of permissions. On the wire a list of their names; one that this version does not know allows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<Permission>")]
pub struct Rights(u16);

impl Rights {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// All that there are.
    pub const ALL: Self = Self::of(&Permission::ALL);

    /// Exactly these.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut rest) = (0, permissions);
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Whether `permission` is among them.
    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those that both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that either allows.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether everything in `other` is allowed here, too.
    #[must_use]
    pub const fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Each of them, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.may(*permission))
    }
}

impl From<Rights> for Vec<Permission> {
    fn from(rights: Rights) -> Self {
        rights.iter().collect()
    }
}

impl From<Vec<String>> for Rights {
    fn from(names: Vec<String>) -> Self {
        let known: Vec<Permission> = names.iter().filter_map(|name| Permission::named(name)).collect();
        Self::of(&known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_a_bit_and_a_name_of_its_own() {
        for (position, permission) in Permission::ALL.into_iter().enumerate() {
            assert_eq!(permission as usize, position);
            assert_eq!(Rights::of(&[permission]).iter().collect::<Vec<_>>(), [permission]);
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.name());
            assert_eq!(Permission::named(permission.name()), Some(permission));
        }
        assert_eq!(Rights::ALL.iter().count(), Permission::ALL.len());
    }

    #[test]
    fn rights_cross_the_wire_and_what_is_unknown_allows_nothing() {
        let rights = Rights::of(&[Permission::Dump, Permission::View]);
        let json = serde_json::to_string(&rights).unwrap();
        assert_eq!(json, r#"["view","dump"]"#);
        assert_eq!(serde_json::from_str::<Rights>(&json).unwrap(), rights);
        assert_eq!(serde_json::from_str::<Rights>(r#"["everything"]"#).unwrap(), Rights::NONE);
    }

    #[test]
    fn a_set_includes_what_it_has_and_nothing_else() {
        let few = Rights::of(&[Permission::View]);
        assert!(Rights::ALL.include(few) && few.include(few) && few.include(Rights::NONE));
        assert!(!few.include(Rights::ALL));
        assert_eq!(Rights::ALL.and(few), few);
    }
}
