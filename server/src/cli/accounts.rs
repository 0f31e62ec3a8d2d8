//! Arguments of `memdeck user`, `memdeck group` and `memdeck token`.

use clap::{Args, Subcommand};
use memdeck_model::{AccountName, GuestSelector, Permission, Role};

use super::JsonArgs;

/// `memdeck user`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account. Its password is asked for, or read from standard input.
    Add(AddUserArgs),
    /// List the accounts.
    List(JsonArgs),
    /// Change what an account may do.
    Role(UserRoleArgs),
    /// Put an account into a group, whose guests it sees and no others, or take it out.
    Group(UserGroupArgs),
    /// Set a new password, which ends the sessions of the account. It is asked for, or read from standard input.
    Password(UserArgs),
    /// Keep an account out, which ends its sessions.
    Disable(UserArgs),
    /// Let an account in again.
    Enable(UserArgs),
    /// Remove an account and end its sessions. Records go on to name it.
    Remove(UserArgs),
}

/// An account and how the result is printed.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// The name of the account.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck user add`
#[derive(Debug, Args)]
pub struct AddUserArgs {
    /// Its name: letters, digits, `.`, `_`, `-` and `@`.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// What it may do: viewer, operator, analyst or admin.
    #[arg(long)]
    pub role: Role,
    /// The group whose guests it sees, and no others [default: it sees every guest].
    #[arg(long, value_name = "GROUP")]
    pub group: Option<AccountName>,
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck user group`
#[derive(Debug, Args)]
pub struct UserGroupArgs {
    /// The name of the account.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// The group whose guests it sees from now on.
    #[arg(value_name = "GROUP", required_unless_present = "none")]
    pub group: Option<AccountName>,
    /// No group: it sees every guest.
    #[arg(long, conflicts_with = "group")]
    pub none: bool,
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck user role`
#[derive(Debug, Args)]
pub struct UserRoleArgs {
    /// The name of the account.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// What it may do from now on: viewer, operator, analyst or admin.
    #[arg(value_name = "ROLE")]
    pub role: Role,
    /// Print the account as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck group`
#[derive(Debug, Subcommand)]
pub enum GroupCommand {
    /// Make a group. Whoever is in it sees and touches its guests, and nothing of others.
    Add(GroupArgs),
    /// List the groups.
    List(JsonArgs),
    /// Give a group other guests.
    Change(GroupArgs),
    /// Remove a group that nobody is in.
    Remove(RemoveGroupArgs),
}

/// A group and its guests.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// The name of the group: letters, digits, `.`, `_`, `-` and `@`.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// Its guests, separated by commas: patterns for names such as `web-*`, UUIDs, or one of them behind a host, such as
    /// `kvm-01/*`.
    #[arg(long, value_name = "GUESTS", value_delimiter = ',', required = true)]
    pub guests: Vec<GuestSelector>,
    /// Print the group as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck group remove`
#[derive(Debug, Args)]
pub struct RemoveGroupArgs {
    /// The name of the group.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck token`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make an API token and print it, this once.
    Add(AddTokenArgs),
    /// List the API tokens.
    List(JsonArgs),
    /// Revoke an API token: it opens nothing from now on.
    Revoke(RevokeTokenArgs),
}

/// `memdeck token add`
#[derive(Debug, Args)]
pub struct AddTokenArgs {
    /// Its name: letters, digits, `.`, `_`, `-` and `@`.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// What its holder may do: viewer, operator, analyst or admin.
    #[arg(long)]
    pub role: Role,
    /// Of what the role allows only this: permissions such as view and dump, separated by commas.
    #[arg(long, value_name = "PERMISSIONS", value_delimiter = ',', value_parser = permission)]
    pub only: Vec<Permission>,
    /// The guests that its holder sees, and no others, separated by commas: patterns for names such as `web-*`, UUIDs, or one
    /// of them behind a host, such as `kvm-01/*` [default: every guest].
    #[arg(long, value_name = "GUESTS", value_delimiter = ',')]
    pub guests: Option<Vec<GuestSelector>>,
    /// In how many days it expires [default: never].
    #[arg(long, value_name = "DAYS")]
    pub expires: Option<u32>,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck token revoke`
#[derive(Debug, Args)]
pub struct RevokeTokenArgs {
    /// The name of the token.
    #[arg(value_name = "NAME")]
    pub name: AccountName,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

fn permission(name: &str) -> Result<Permission, String> {
    let names = || Permission::ALL.map(Permission::name).join(", ");
    Permission::named(name).ok_or_else(|| format!("a permission is one of {}", names()))
}
