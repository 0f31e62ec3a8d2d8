//! `memdeck user`, `memdeck group` and `memdeck token`

mod groups;
mod keeper;
mod password;

use memdeck_model::{Account, AccountChange, ApiToken, NewAccount, NewApiToken, Rights, Timestamp};
use serde_json::json;

use super::output::say;
use super::table::Table;
use super::{Exit, Failure, Output};
use crate::cli::{AddTokenArgs, TokenCommand, UserCommand};
use crate::config::Config;
pub use groups::group;
use keeper::Keeper;

pub async fn user(config: &Config, command: &UserCommand) -> Result<Exit, Failure> {
    // Asked for before the state directory is held.
    let password = match command {
        UserCommand::Add(_) | UserCommand::Password(_) => Some(password::read()?),
        _ => None,
    };
    let keeper = Keeper::find(config).await?;
    let (name, json, change) = match command {
        UserCommand::List(args) => {
            return listed(&keeper.accounts().await?, args.json);
        }
        UserCommand::Add(args) => {
            let password = password.unwrap_or_else(|| String::new().into());
            let new =
                NewAccount { name: args.name.clone(), role: args.role, group: args.group.clone(), password };
            return told(&keeper.add_account(new).await?, args.json, "is made");
        }
        UserCommand::Remove(args) => {
            keeper.remove_account(&args.name).await?;
            return gone("account", args.name.as_str(), args.json, "removed");
        }
        UserCommand::Role(args) => {
            (&args.name, args.json, AccountChange { role: Some(args.role), ..Default::default() })
        }
        UserCommand::Group(args) => {
            let change = AccountChange { group: Some(args.group.clone()), ..Default::default() };
            (&args.name, args.json, change)
        }
        UserCommand::Password(args) => {
            (&args.name, args.json, AccountChange { password, ..Default::default() })
        }
        UserCommand::Disable(args) => {
            (&args.name, args.json, AccountChange { disabled: Some(true), ..Default::default() })
        }
        UserCommand::Enable(args) => {
            (&args.name, args.json, AccountChange { disabled: Some(false), ..Default::default() })
        }
    };
    told(&keeper.change_account(name, change).await?, json, "is changed")
}

fn told(account: &Account, json: bool, what: &str) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(account)?;
    } else {
        let group = account.group.as_ref().map_or_else(String::new, |group| format!(", group {group}"));
        let state = if account.disabled { ", kept out" } else { "" };
        output.line(format_args!("{} ({}{group}{state}) {what}", account.name, account.role))?;
    }
    Ok(Exit::Done)
}

fn gone(kind: &str, name: &str, json: bool, what: &str) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(&json!({ "name": name, what: true }))?;
    } else {
        output.line(format_args!("the {kind} {name} is {what}"))?;
    }
    Ok(Exit::Done)
}

fn listed(accounts: &[Account], json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(&accounts)?;
    } else if accounts.is_empty() {
        output.line("there are no accounts: whoever is let in may do everything")?;
    } else {
        let mut table = Table::new(["NAME", "ROLE", "GROUP", "STATE", "SESSIONS", "LAST SIGN-IN"]);
        for account in accounts {
            let state = if account.disabled { "kept out" } else { "let in" };
            table.row(&[
                account.name.to_string(),
                account.role.to_string(),
                account.group.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                state.to_owned(),
                account.sessions.to_string(),
                moment(account.last_sign_in),
            ]);
        }
        output.text(table.to_string())?;
    }
    Ok(Exit::Done)
}

pub async fn token(config: &Config, command: &TokenCommand) -> Result<Exit, Failure> {
    let keeper = Keeper::find(config).await?;
    match command {
        TokenCommand::Add(args) => add_token(&keeper, args).await,
        TokenCommand::List(args) => listed_tokens(&keeper.tokens().await?, args.json),
        TokenCommand::Revoke(args) => {
            keeper.revoke_token(&args.name).await?;
            gone("token", args.name.as_str(), args.json, "revoked")
        }
    }
}

async fn add_token(keeper: &Keeper, args: &AddTokenArgs) -> Result<Exit, Failure> {
    let rights = (!args.only.is_empty()).then(|| Rights::of(&args.only));
    if let Some(rights) = rights.filter(|rights| !args.role.rights().include(*rights)) {
        let more: Vec<&str> = rights
            .iter()
            .filter(|one| !args.role.rights().may(*one))
            .map(memdeck_model::Permission::name)
            .collect();
        return Err(Failure::usage(format!("the role {} does not allow: {}", args.role, more.join(", "))));
    }
    let new = NewApiToken {
        name: args.name.clone(),
        role: args.role,
        rights,
        guests: args.guests.clone(),
        expires_in_days: args.expires,
    };
    let made = keeper.make_token(new).await?;
    let mut output = Output::default();
    if args.json {
        output.json(&made)?;
    } else {
        output.line(&made.token)?;
        say("This is shown once. Send it as `Authorization: Bearer`.");
    }
    Ok(Exit::Done)
}

fn listed_tokens(tokens: &[ApiToken], json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(&tokens)?;
    } else if tokens.is_empty() {
        output.line("there are no API tokens")?;
    } else {
        let mut table = Table::new(["NAME", "MAY", "GUESTS", "EXPIRES", "LAST USE", "MADE BY"]);
        for token in tokens {
            let may: Vec<&str> = token.rights.iter().map(memdeck_model::Permission::name).collect();
            table.row(&[
                token.name.to_string(),
                may.join(","),
                token.guests.as_deref().map_or_else(|| "all".to_owned(), groups::listed),
                moment(token.expires_at),
                moment(token.last_used_at),
                token.created_by.to_string(),
            ]);
        }
        output.text(table.to_string())?;
    }
    Ok(Exit::Done)
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.to_string())
}
