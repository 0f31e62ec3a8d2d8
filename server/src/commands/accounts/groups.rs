//! `memdeck group`

use memdeck_model::{Group, GroupChange, GuestSelector, NewGroup};

use super::gone;
use super::keeper::Keeper;
use crate::cli::GroupCommand;
use crate::commands::table::Table;
use crate::commands::{Exit, Failure, Output};
use crate::config::Config;

pub async fn group(config: &Config, command: &GroupCommand) -> Result<Exit, Failure> {
    let keeper = Keeper::find(config).await?;
    match command {
        GroupCommand::Add(args) => {
            let new = NewGroup { name: args.name.clone(), guests: args.guests.clone() };
            told(&keeper.add_group(new).await?, args.json, "is made")
        }
        GroupCommand::Change(args) => {
            let change = GroupChange { guests: args.guests.clone() };
            told(&keeper.change_group(&args.name, change).await?, args.json, "is changed")
        }
        GroupCommand::List(args) => all(&keeper.groups().await?, args.json),
        GroupCommand::Remove(args) => {
            keeper.remove_group(&args.name).await?;
            gone("group", args.name.as_str(), args.json, "removed")
        }
    }
}

fn told(group: &Group, json: bool, what: &str) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(group)?;
    } else {
        output.line(format_args!("{} ({}) {what}", group.name, listed(&group.guests)))?;
    }
    Ok(Exit::Done)
}

fn all(groups: &[Group], json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(&groups)?;
    } else if groups.is_empty() {
        output.line("there are no groups: every account sees every guest")?;
    } else {
        let mut table = Table::new(["NAME", "GUESTS", "MEMBERS"]);
        for group in groups {
            let members: Vec<String> = group.members.iter().map(ToString::to_string).collect();
            table.row(&[group.name.to_string(), listed(&group.guests), members.join(",")]);
        }
        output.text(table.to_string())?;
    }
    Ok(Exit::Done)
}

/// Guests as they are named on the command line.
pub fn listed(guests: &[GuestSelector]) -> String {
    guests.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
