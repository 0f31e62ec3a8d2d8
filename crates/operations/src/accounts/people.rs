//! Accounts: listing, making, changing and removing them, and signing in.

use memdeck_catalog::{AccountRow, SessionOf};
use memdeck_model::audit::AuditAction;
use memdeck_model::{
    Account, AccountChange, AccountName, NewAccount, Password, PasswordChange, Permission, Problem,
    ProblemKind,
};

use super::{Accounts, of_user};
use crate::Caller;

/// More accounts than any memdeck has people.
const MOST: usize = 10_000;

impl Accounts {
    /// Every account, by name.
    ///
    /// # Errors
    /// The caller does not manage users.
    pub fn list_accounts(&self, caller: &Caller) -> Result<Vec<Account>, Problem> {
        caller.must(Permission::ManageUsers)?;
        let mut accounts: Vec<Account> = self.people.read().values().map(|row| self.facts(row)).collect();
        accounts.sort_by_key(|account| account.name.key());
        Ok(accounts)
    }

    fn facts(&self, row: &AccountRow) -> Account {
        Account {
            name: row.name.clone(),
            role: row.role,
            group: self.group_name(row.group),
            disabled: row.disabled,
            created_at: row.created_at,
            last_sign_in: row.last_sign_in,
            sessions: self.sessions.count_of(&SessionOf::Account(row.id)),
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// The caller does not manage users, there is one of this name or no such group, the password is weak, or the catalog
    /// failed.
    pub async fn add_account(&self, new: NewAccount, caller: &Caller) -> Result<Account, Problem> {
        caller.must(Permission::ManageUsers)?;
        let group = new.group.as_ref().map_or_else(String::new, |group| format!(", group {group}"));
        let deed = of_user(AuditAction::UserAdded, &new.name, Some(format!("{}{group}", new.role)));
        self.noted(caller, deed, self.make_account(new, caller)).await
    }

    async fn make_account(&self, new: NewAccount, caller: &Caller) -> Result<Account, Problem> {
        check(&new.password, &new.name)?;
        let hash = self.hashing.hash(new.password).await?;
        let _changing = self.changing.lock().await;
        if self.people.read().len() >= MOST {
            let detail = format!("there are {MOST} accounts, which is the most there can be");
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let group =
            new.group.as_ref().map(|group| self.group_named(group)).transpose()?.map(|group| group.id);
        let (name, role, at) = (new.name.clone(), new.role, self.clock.now());
        let row = self.in_catalog(move |catalog| catalog.add_account(&name, role, group, &hash, at)).await?;
        let Some(row) = row else {
            let detail = format!("there is an account {} already", new.name);
            return Err(Problem::new(ProblemKind::Conflict, detail));
        };
        let facts = self.facts(&row);
        self.people.write().insert(row.id, row);
        // The name is the account's from now on.
        self.sessions.end_of_person(&facts.name).await;
        self.regrouped.send_replace(());
        tracing::info!(by = %caller.actor.to_json(), account = %facts.name, role = %facts.role, "an account was made");
        Ok(facts)
    }

    /// Changes the role, the group or the password of an account, or keeps it out. A new password and being kept out end its sessions.
    ///
    /// # Errors
    /// The caller does not manage users, there is no such account or group, the password is weak, or the catalog failed.
    pub async fn change_account(
        &self,
        name: &AccountName,
        change: AccountChange,
        caller: &Caller,
    ) -> Result<Account, Problem> {
        caller.must(Permission::ManageUsers)?;
        let (action, value) = (kind_of(&change), said(&change));
        let deed = of_user(action, name, Some(value));
        self.noted(caller, deed, self.make_change(name, change, caller)).await
    }

    async fn make_change(
        &self,
        name: &AccountName,
        change: AccountChange,
        caller: &Caller,
    ) -> Result<Account, Problem> {
        let hash = match change.password {
            Some(password) => {
                check(&password, name)?;
                Some(self.hashing.hash(password).await?)
            }
            None => None,
        };
        let _changing = self.changing.lock().await;
        let mut row = self.account_named(name).ok_or_else(|| unknown(name))?;
        let ends = hash.is_some() || change.disabled == Some(true);
        // Whoever a proxy vouches for has no session that ends.
        let regroups = change.role.is_some() || change.group.is_some() || change.disabled.is_some();
        if let Some(group) = &change.group {
            row.group =
                group.as_ref().map(|group| self.group_named(group)).transpose()?.map(|group| group.id);
        }
        row.role = change.role.unwrap_or(row.role);
        row.disabled = change.disabled.unwrap_or(row.disabled);
        row.password = hash.unwrap_or(row.password);
        self.keep_changed(row.clone(), ends).await?;
        if regroups {
            self.regrouped.send_replace(());
        }
        tracing::info!(
            by = %caller.actor.to_json(), account = %row.name, role = %row.role, disabled = row.disabled,
            "an account was changed"
        );
        Ok(self.facts(&row))
    }

    /// Writes an account that was changed, and ends its sessions where that is asked for.
    async fn keep_changed(&self, row: AccountRow, ends_sessions: bool) -> Result<(), Problem> {
        let kept = row.clone();
        self.in_catalog(move |catalog| catalog.change_account(&kept, ends_sessions)).await?;
        let of = SessionOf::Account(row.id);
        self.people.write().insert(row.id, row);
        if ends_sessions {
            self.sessions.end_all_of(&of).await;
        }
        Ok(())
    }

    /// Removes an account and ends its sessions. Records go on to name it.
    ///
    /// # Errors
    /// The caller does not manage users, there is no such account, or the catalog failed.
    pub async fn remove_account(&self, name: &AccountName, caller: &Caller) -> Result<(), Problem> {
        caller.must(Permission::ManageUsers)?;
        let effect = async {
            let _changing = self.changing.lock().await;
            let id = self.account_named(name).ok_or_else(|| unknown(name))?.id;
            self.in_catalog(move |catalog| catalog.remove_account(id)).await?;
            self.people.write().remove(&id);
            self.sessions.end_all_of(&SessionOf::Account(id)).await;
            self.regrouped.send_replace(());
            tracing::info!(by = %caller.actor.to_json(), account = %name, "an account was removed");
            Ok(())
        };
        self.noted(caller, of_user(AuditAction::UserRemoved, name, None), effect).await
    }

    /// Whose name and password these are. Takes as long for a name that nobody has.
    ///
    /// # Errors
    /// Too many are being checked.
    pub async fn sign_in(&self, name: &str, password: Password) -> Result<Option<SessionOf>, Problem> {
        if password.expose().chars().count() > Password::MAX_CHARS {
            return Ok(None);
        }
        let account = name.parse().ok().and_then(|name| self.account_named(&name));
        let kept = account.as_ref().map(|account| account.password.clone());
        let is_right = self.hashing.verify(password, kept).await?;
        let let_in = account.filter(|account| is_right && !account.disabled);
        Ok(let_in.map(|account| SessionOf::Account(account.id)))
    }

    /// Notes that an account signed in.
    pub(super) fn note_sign_in(&self, of: &SessionOf) {
        let SessionOf::Account(id) = of else { return };
        if let Some(account) = self.people.write().get_mut(id) {
            account.last_sign_in = Some(self.clock.now());
        }
    }

    /// Changes the caller's own password; other sessions of theirs end with it, and so does the one that asks.
    ///
    /// # Errors
    /// The caller has no account, the present password is another one, the new one is weak, or the catalog failed.
    pub async fn change_own_password(&self, change: PasswordChange, caller: &Caller) -> Result<(), Problem> {
        let Some(account) = self.account_of(caller) else {
            return Err(Problem::new(ProblemKind::Conflict, "only somebody with an account has a password"));
        };
        let deed = of_user(AuditAction::PasswordChanged, &account.name, None);
        self.noted(caller, deed, self.set_own_password(account, change)).await
    }

    async fn set_own_password(&self, account: AccountRow, change: PasswordChange) -> Result<(), Problem> {
        check(&change.new, &account.name)?;
        if !self.hashing.verify(change.present, Some(account.password.clone())).await? {
            return Err(Problem::new(ProblemKind::Forbidden, "that is not your present password"));
        }
        let hash = self.hashing.hash(change.new).await?;
        let _changing = self.changing.lock().await;
        let Some(mut account) = self.account_named(&account.name) else { return Err(unknown(&account.name)) };
        account.password = hash;
        tracing::info!(account = %account.name, "somebody changed their password");
        self.keep_changed(account, true).await
    }
}

/// A new password alone is a deed of its own.
fn kind_of(change: &AccountChange) -> AuditAction {
    let alone = AccountChange { password: change.password.clone(), ..AccountChange::default() };
    let is_password_alone = change.password.is_some() && *change == alone;
    if is_password_alone { AuditAction::PasswordChanged } else { AuditAction::UserChanged }
}

/// What a change makes of an account, for the audit.
fn said(change: &AccountChange) -> String {
    let mut parts = Vec::new();
    parts.extend(change.role.map(|role| format!("role {role}")));
    parts.extend(change.group.as_ref().map(|group| match group {
        Some(group) => format!("group {group}"),
        None => "no group".to_owned(),
    }));
    parts.extend(change.disabled.map(|out| if out { "kept out" } else { "let in" }.to_owned()));
    parts.extend(change.password.as_ref().map(|_| "a new password".to_owned()));
    parts.join(", ")
}

fn check(password: &Password, name: &AccountName) -> Result<(), Problem> {
    password.check(name).map_err(|error| Problem::new(ProblemKind::Invalid, error.to_string()))
}

fn unknown(name: &AccountName) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is no account {name}"))
}
