//! Groups: whose members see and touch the same guests, and nothing of others.

use std::sync::Arc;

use memdeck_catalog::{AccountRow, GroupRow};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject};
use memdeck_model::{
    AccountName, Group, GroupChange, GuestSelector, GuestSet, NewGroup, Permission, Problem, ProblemKind,
    Reach, Rights, Role,
};
use tokio::sync::watch;

use super::Accounts;
use crate::Caller;
use crate::audit::Deed;

/// More groups than any memdeck has.
const MOST: usize = 1000;

/// A group, and its guests as they are looked for.
pub(super) struct KnownGroup {
    row: GroupRow,
    set: Arc<GuestSet>,
}

impl KnownGroup {
    pub(super) fn of(row: GroupRow) -> Self {
        Self { set: Arc::new(GuestSet::of(row.guests.clone())), row }
    }
}

impl Accounts {
    /// The guests that an account sees.
    pub(super) fn reach_of(&self, account: &AccountRow) -> Reach {
        self.reach_within(account.role.rights(), account.group, &[])
    }

    /// The guests of the group with this id and of those that are called as one of `named`, for somebody with these rights.
    pub(super) fn reach_within(&self, rights: Rights, own: Option<i64>, named: &[String]) -> Reach {
        if rights.include(Role::Admin.rights()) {
            return Reach::Everything;
        }
        let groups = self.groups.read();
        let is_meant = |group: &&KnownGroup| {
            let called = |name: &String| name.eq_ignore_ascii_case(group.row.name.as_str());
            own == Some(group.row.id) || named.iter().any(called)
        };
        let mut meant = groups.values().filter(is_meant);
        match (meant.next(), meant.next()) {
            (None, _) if own.is_none() => Reach::Everything,
            // It is there: an account is in no group that was removed. If it is not, it has no guests.
            (None, _) => Reach::only(Vec::new()),
            (Some(only), None) => Reach::Only(Arc::clone(&only.set)),
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(meant);
                Reach::only(all.flat_map(|group| group.row.guests.clone()).collect())
            }
        }
    }

    /// Hears when somebody may see other guests than before, or a token was revoked.
    #[must_use]
    pub fn regrouped(&self) -> watch::Receiver<()> {
        self.regrouped.subscribe()
    }

    /// Every group, by name.
    ///
    /// # Errors
    /// The caller does not manage users.
    pub fn list_groups(&self, caller: &Caller) -> Result<Vec<Group>, Problem> {
        caller.must(Permission::ManageUsers)?;
        // People are looked at before groups everywhere else: never while groups are held.
        let rows: Vec<GroupRow> = self.groups.read().values().map(|group| group.row.clone()).collect();
        let mut groups: Vec<Group> = rows.iter().map(|row| self.described(row)).collect();
        groups.sort_by_key(|group| group.name.key());
        Ok(groups)
    }

    fn described(&self, row: &GroupRow) -> Group {
        let people = self.people.read();
        let members = people.values().filter(|account| account.group == Some(row.id));
        let mut members: Vec<AccountName> = members.map(|account| account.name.clone()).collect();
        members.sort_by_key(AccountName::key);
        Group { name: row.name.clone(), guests: row.guests.clone(), members, created_at: row.created_at }
    }

    /// Makes a group.
    ///
    /// # Errors
    /// The caller does not manage users, there is one of this name, it has too many guests, or the catalog failed.
    pub async fn add_group(&self, new: NewGroup, caller: &Caller) -> Result<Group, Problem> {
        caller.must(Permission::ManageUsers)?;
        let effect = async {
            check(&new.guests)?;
            let _changing = self.changing.lock().await;
            if self.groups.read().len() >= MOST {
                return Err(conflict(format!("there are {MOST} groups, which is the most there can be")));
            }
            let (name, guests, at) = (new.name.clone(), new.guests.clone(), self.clock.now());
            let row = self.in_catalog(move |catalog| catalog.add_group(&name, &guests, at)).await?;
            let row = row.ok_or_else(|| conflict(format!("there is a group {} already", new.name)))?;
            let group = self.described(&row);
            self.groups.write().insert(row.id, KnownGroup::of(row));
            self.regrouped.send_replace(());
            tracing::info!(by = %caller.actor.to_json(), group = %group.name, "a group was made");
            Ok(group)
        };
        let deed = of_group(AuditAction::GroupAdded, &new.name, Some(&new.guests));
        self.noted(caller, deed, effect).await
    }

    /// Gives a group other guests, from the next call of its members on.
    ///
    /// # Errors
    /// The caller does not manage users, there is no such group, it has too many guests, or the catalog failed.
    pub async fn change_group(
        &self,
        name: &AccountName,
        change: GroupChange,
        caller: &Caller,
    ) -> Result<Group, Problem> {
        caller.must(Permission::ManageUsers)?;
        let effect = async {
            check(&change.guests)?;
            let _changing = self.changing.lock().await;
            let mut row = self.group_named(name)?;
            row.guests.clone_from(&change.guests);
            let (id, guests) = (row.id, row.guests.clone());
            self.in_catalog(move |catalog| catalog.change_group(id, &guests)).await?;
            let group = self.described(&row);
            self.groups.write().insert(id, KnownGroup::of(row));
            self.regrouped.send_replace(());
            tracing::info!(by = %caller.actor.to_json(), group = %group.name, "a group was changed");
            Ok(group)
        };
        let deed = of_group(AuditAction::GroupChanged, name, Some(&change.guests));
        self.noted(caller, deed, effect).await
    }

    /// Removes a group that nobody is in.
    ///
    /// # Errors
    /// The caller does not manage users, there is no such group, an account is in it, or the catalog failed.
    pub async fn remove_group(&self, name: &AccountName, caller: &Caller) -> Result<(), Problem> {
        caller.must(Permission::ManageUsers)?;
        let effect = async {
            let _changing = self.changing.lock().await;
            let row = self.group_named(name)?;
            let members = self.described(&row).members;
            if let Some(first) = members.first() {
                let others = members.len() - 1;
                let others = if others == 0 { String::new() } else { format!(" and {others} others") };
                return Err(conflict(format!(
                    "{first}{others} would see every guest without the group {}: move them to another one first",
                    row.name
                )));
            }
            self.in_catalog(move |catalog| catalog.remove_group(row.id)).await?;
            self.groups.write().remove(&row.id);
            self.regrouped.send_replace(());
            tracing::info!(by = %caller.actor.to_json(), group = %name, "a group was removed");
            Ok(())
        };
        self.noted(caller, of_group(AuditAction::GroupRemoved, name, None), effect).await
    }

    /// The name of a group.
    pub(super) fn group_name(&self, id: Option<i64>) -> Option<AccountName> {
        self.groups.read().get(&id?).map(|group| group.row.name.clone())
    }

    /// The group of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn group_named(&self, name: &AccountName) -> Result<GroupRow, Problem> {
        let key = name.key();
        let groups = self.groups.read();
        let found = groups.values().find(|group| group.row.name.key() == key).map(|group| group.row.clone());
        found.ok_or_else(|| Problem::new(ProblemKind::NotFound, format!("there is no group {name}")))
    }
}

/// Whether there are not too many.
pub(super) fn check(guests: &[GuestSelector]) -> Result<(), Problem> {
    if guests.len() <= NewGroup::MOST_SELECTORS {
        return Ok(());
    }
    let most = NewGroup::MOST_SELECTORS;
    let detail = format!("guests are named by at most {most} patterns, and these are {}", guests.len());
    Err(Problem::new(ProblemKind::Invalid, detail))
}

/// Guests in the words of the audit: the first of them.
pub(super) fn in_words(guests: &[GuestSelector]) -> String {
    const SHOWN: usize = 10;
    if guests.is_empty() {
        return "no guest".to_owned();
    }
    let shown: Vec<String> = guests.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = guests.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("guests {}{more}", shown.join(", "))
}

fn of_group(action: AuditAction, name: &AccountName, guests: Option<&[GuestSelector]>) -> Deed {
    let details = AuditDetails { value: guests.map(in_words), ..AuditDetails::default() };
    Deed::new(action, AuditObject::Group { name: name.to_string() }).with(details)
}

fn conflict(detail: String) -> Problem {
    Problem::new(ProblemKind::Conflict, detail)
}
