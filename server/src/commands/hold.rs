//! `memdeck hold`: what nobody may delete.

use memdeck_model::retention::{Hold, HoldList, HoldOf, NewHold};
use reqwest::Method;
use serde_json::json;

use super::schedule::dashboard;
use super::service::{Service, operator};
use super::table::Table;
use super::{Exit, Failure, Output};
use crate::cli::retention::{HoldAddArgs, HoldCommand, HoldLiftArgs, HoldListArgs};
use crate::config::Config;

const PATH: [&str; 2] = ["api", "holds"];

pub async fn run(config: &Config, command: &HoldCommand) -> Result<Exit, Failure> {
    let service = dashboard(config, "holds are kept")?;
    match command {
        HoldCommand::Add(args) => add(&service, args).await,
        HoldCommand::List(args) => list(&service, args).await,
        HoldCommand::Lift(args) => lift(&service, args).await,
    }
}

async fn add(service: &Service, args: &HoldAddArgs) -> Result<Exit, Failure> {
    let case = args.case.clone().map(HoldOf::Case);
    let of = case.or_else(|| args.dump.clone().map(HoldOf::Dump));
    let of = of.ok_or_else(|| Failure::usage("say what to hold, with --case or --dump"))?;
    let new = NewHold { of, reason: args.reason.clone() };
    let mut body = serde_json::to_value(&new).map_err(|error| Failure::new(error.to_string()))?;
    body["by"] = json!(operator());
    let hold = service.client.send(Method::POST, &PATH, &body).await;
    tell(&hold.map_err(|error| service.failed(&error))?, args.json)
}

async fn lift(service: &Service, args: &HoldLiftArgs) -> Result<Exit, Failure> {
    let id = args.id.to_string();
    let body = json!({"reason": args.reason, "by": operator()});
    let hold = service.client.send(Method::POST, &["api", "holds", &id, "lift"], &body).await;
    tell(&hold.map_err(|error| service.failed(&error))?, args.json)
}

async fn list(service: &Service, args: &HoldListArgs) -> Result<Exit, Failure> {
    let list: HoldList = service.client.look_up(&PATH, &[]).await.map_err(|error| service.failed(&error))?;
    let mut output = Output::default();
    if args.json {
        output.json(&list)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["ID", "HOLDS", "REASON", "BY", "SINCE", "LIFTED"]);
    for hold in list.holds {
        table.row(&[
            hold.id.to_string(),
            hold.of.to_string(),
            hold.reason.as_str().to_owned(),
            hold.by.to_string(),
            hold.at.to_string(),
            hold.lifted_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        ]);
    }
    output.text(table.to_string())?;
    Ok(Exit::Done)
}

fn tell(hold: &Hold, as_json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if as_json {
        output.json(hold)?;
    } else {
        let state = if hold.lifted_at.is_some() { "lifted" } else { "held" };
        output.line(format_args!("{}: {}: {state}", hold.id, hold.of))?;
    }
    Ok(Exit::Done)
}
