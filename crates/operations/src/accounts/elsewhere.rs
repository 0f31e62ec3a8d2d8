//! People who sign in elsewhere: at a proxy that says so with each call, or at a provider that said so once.

use std::sync::Arc;

use memdeck_catalog::{Person, SecretDigest, SessionOf};
use memdeck_model::{AccountName, Actor, Rights, Role};

use super::{Accounts, Known};
use crate::Caller;

/// Why somebody whom a provider vouches for is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// No account that is let in has the name, or their groups allow nothing.
    #[error("they may do nothing here")]
    NoRole,
    /// An account has the name, and need not be of the same person.
    #[error("an account here has that name")]
    NameTaken,
}

impl Accounts {
    /// Somebody whom others vouch for: with the rights that those grant, or else with those of the account of that name; over the
    /// guests of the account's group and of those that are called as one of `groups`, if there are any. `None` if they are kept
    /// out, or may do nothing.
    #[must_use]
    pub fn vouched(&self, name: &AccountName, granted: Option<Rights>, groups: &[String]) -> Option<Known> {
        let account = self.account_named(name);
        if account.as_ref().is_some_and(|account| account.disabled) {
            return None;
        }
        let rights = granted.or_else(|| account.as_ref().map(|account| account.role.rights()))?;
        let own = account.as_ref().and_then(|account| account.group);
        let reach = self.reach_within(rights, own, groups);
        let name = account.map_or_else(|| name.to_string(), |account| account.name.to_string());
        let known = Known::of(Actor::User { name }, rights, reach);
        (known.rights != Rights::NONE).then_some(known)
    }

    /// Whose session a provider's word opens. Without `granted` it is that of the account of that name. With it somebody without
    /// an account is let in, who can have the name of none: in the audit and before others they would be its owner.
    ///
    /// # Errors
    /// They are not let in.
    pub fn admit(
        &self,
        name: &AccountName,
        granted: Option<Rights>,
        groups: Vec<String>,
        settings: SecretDigest,
    ) -> Result<SessionOf, NotAdmitted> {
        let account = self.account_named(name);
        let Some(rights) = granted else {
            let let_in = account.filter(|account| !account.disabled).ok_or(NotAdmitted::NoRole)?;
            return Ok(SessionOf::Account(let_in.id));
        };
        if account.is_some() {
            return Err(NotAdmitted::NameTaken);
        }
        let could_have_guests = |group: &String| group.parse::<AccountName>().is_ok();
        let groups = groups.into_iter().filter(could_have_guests).collect();
        let person = Person { name: name.clone(), rights, groups };
        self.known_person(&person).ok_or(NotAdmitted::NoRole)?;
        Ok(SessionOf::Person(settings, Arc::new(person)))
    }

    /// Somebody without an account, as groups are now; `None` once an account has their name.
    pub(super) fn known_person(&self, person: &Person) -> Option<Known> {
        if self.account_named(&person.name).is_some() {
            return None;
        }
        self.vouched(&person.name, Some(person.rights), &person.groups)
    }
}

/// The role that allows exactly what a caller may.
pub(super) fn role_of(caller: &Caller) -> Option<Role> {
    let is_limited = caller.reach.is_limited();
    let allowed = |role: Role| if is_limited { role.rights().and(Rights::OF_LIMITED) } else { role.rights() };
    Role::ALL.into_iter().find(|role| allowed(*role) == caller.rights)
}
