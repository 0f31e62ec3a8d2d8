//! What groups that others vouch for may do.

use memdeck_model::{Rights, Role};

/// The role of each group, by its name as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRoles(Vec<(String, Role)>);

impl GroupRoles {
    /// What values are allowed.
    pub(super) const ALLOWED: &str =
        "groups with the role of each (viewer, operator, analyst, admin), such as soc=analyst, ops=operator";

    /// Reads `soc=analyst, ops=operator`; `None` if that is not what it says.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let role_of = |item: &str| {
            let (group, role) = item.rsplit_once('=')?;
            let group = group.trim();
            (!group.is_empty()).then_some((group.to_owned(), role.trim().parse().ok()?))
        };
        items.map(role_of).collect::<Option<Vec<_>>>().filter(|roles| !roles.is_empty()).map(Self)
    }

    /// What all these groups together allow.
    pub fn rights_of<'a>(&self, groups: impl Iterator<Item = &'a str>) -> Rights {
        groups.fold(Rights::NONE, |rights, group| {
            let roles = self.0.iter().filter(|(name, _)| name == group);
            roles.fold(rights, |rights, (_, role)| rights.or(role.rights()))
        })
    }

    /// Group and role of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(group, role)| (group.as_str(), *role))
    }
}
