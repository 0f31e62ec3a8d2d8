//! `memdeck notify`

use std::io::Read as _;
use std::path::Path;

use memdeck_agent::{CallError, Face, ServiceClient};
use memdeck_model::OnBehalf;
use memdeck_model::notice::{
    Delivery, DeliveryLog, NewRule, NewTarget, Rule, RuleList, TargetAddress, TargetChange, TargetList,
    TestResult,
};
use memdeck_operations::blocking;
use serde::de::DeserializeOwned;

use super::service::{Service, operator};
use super::table::{Table, printable};
use super::{Exit, Failure, Output};
use crate::cli::{
    NotifyCommand, NotifyLogArgs, NotifyRetryArgs, NotifyRuleAddArgs, NotifyRuleCommand, NotifyTargetAddArgs,
    NotifyTargetCommand,
};
use crate::config::Config;

/// The longest address: one with a bundle of certificates.
const MAX_FILE_BYTES: u64 = 1 << 20;

pub async fn run(config: &Config, command: &NotifyCommand) -> Result<Exit, Failure> {
    let dashboard = Service::find(config)?.filter(|service| service.face == Face::Dashboard);
    let Some(Service { client, .. }) = dashboard else {
        return Err(Failure::new(format!(
            "no memdeck serve uses {}: start it, or set STATE_DIR as it has it",
            config.state_dir.display()
        )));
    };
    let asked = Asked { client, output: Output::default() };
    match command {
        NotifyCommand::Target(command) => asked.target(command).await,
        NotifyCommand::Rule(command) => asked.rule(command).await,
        NotifyCommand::Log(args) => asked.log(args).await,
        NotifyCommand::Retry(args) => asked.retry(args).await,
    }
}

struct Asked {
    client: ServiceClient,
    output: Output,
}

impl Asked {
    async fn target(mut self, command: &NotifyTargetCommand) -> Result<Exit, Failure> {
        let (targets, json): (TargetList, bool) = match command {
            NotifyTargetCommand::Add(args) => {
                let address: TargetAddress = address(args).await?;
                let target = NewTarget { name: args.name.clone(), address };
                (self.of(self.client.change_notifications(&["targets"], &target).await)?, args.json)
            }
            NotifyTargetCommand::Change(args) => {
                let path = ["targets", args.name.as_str()];
                let change = TargetChange { address: address(args).await? };
                (self.of(self.client.replace_notification(&path, &change).await)?, args.json)
            }
            NotifyTargetCommand::List(args) => {
                (self.of(self.client.notifications(&["targets"], &[]).await)?, args.json)
            }
            NotifyTargetCommand::Remove(args) => {
                let path = ["targets", args.name.as_str()];
                (self.of(self.client.remove_notification(&path).await)?, args.json)
            }
            NotifyTargetCommand::Test(args) => {
                let path = ["targets", args.name.as_str(), "test"];
                let by = OnBehalf::of(operator());
                let result: TestResult = self.of(self.client.change_notifications(&path, &by).await)?;
                if args.json {
                    self.output.json(&result)?;
                } else {
                    self.output.line(printable(&result.detail.to_string()))?;
                }
                return Ok(if result.delivered { Exit::Done } else { Exit::Failed });
            }
        };
        if json {
            self.output.json(&targets)?;
            return Ok(Exit::Done);
        }
        let mut table = Table::new(["TARGET", "KIND", "WHERE", "SECRET", "WAITING", "DEAD"]);
        for target in targets.targets {
            table.row(&[
                target.name.to_string(),
                target.kind.to_string(),
                target.shown,
                if target.has_secret { "set" } else { "not set" }.to_owned(),
                target.waiting.to_string(),
                target.dead.to_string(),
            ]);
        }
        self.output.text(table.to_string())?;
        Ok(Exit::Done)
    }

    async fn rule(mut self, command: &NotifyRuleCommand) -> Result<Exit, Failure> {
        let (rules, json) = match command {
            NotifyRuleCommand::Add(args) => {
                let rule: Rule =
                    self.of(self.client.change_notifications(&["rules"], &new_rule(args)).await)?;
                if args.json {
                    self.output.json(&rule)?;
                    return Ok(Exit::Done);
                }
                (vec![rule], false)
            }
            NotifyRuleCommand::List(args) => {
                let rules: RuleList = self.of(self.client.notifications(&["rules"], &[]).await)?;
                (rules.rules, args.json)
            }
            NotifyRuleCommand::Remove(args) => {
                let id = args.id.to_string();
                let rules: RuleList = self.of(self.client.remove_notification(&["rules", &id]).await)?;
                (rules.rules, args.json)
            }
        };
        if json {
            self.output.json(&RuleList { count: rules.len(), rules })?;
            return Ok(Exit::Done);
        }
        let mut table = Table::new(["RULE", "TARGET", "KINDS", "GUESTS", "HOSTS", "SEVERITY"]);
        for Rule { id, rule } in rules {
            table.row(&[
                id.to_string(),
                rule.target.to_string(),
                joined(rule.kinds.iter().map(ToString::to_string)),
                joined(rule.guests.iter().map(ToString::to_string)),
                joined(rule.hosts.iter().map(ToString::to_string)),
                rule.severity.to_string(),
            ]);
        }
        self.output.text(table.to_string())?;
        Ok(Exit::Done)
    }

    async fn log(mut self, args: &NotifyLogArgs) -> Result<Exit, Failure> {
        let mut query = vec![("limit", args.limit.to_string())];
        query.extend(args.state.map(|state| ("state", state.to_string())));
        query.extend(args.target.as_ref().map(|target| ("target", target.to_string())));
        let log: DeliveryLog = self.of(self.client.notifications(&["log"], &query).await)?;
        if args.json {
            self.output.json(&log)?;
        } else {
            self.output.text(table(&log.deliveries).to_string())?;
        }
        Ok(Exit::Done)
    }

    async fn retry(mut self, args: &NotifyRetryArgs) -> Result<Exit, Failure> {
        let path = ["log", args.id.as_str(), "retry"];
        let by = OnBehalf::of(operator());
        let delivery: Delivery = self.of(self.client.change_notifications(&path, &by).await)?;
        if args.json {
            self.output.json(&delivery)?;
        } else {
            self.output.text(table(&[delivery]).to_string())?;
        }
        Ok(Exit::Done)
    }

    /// What the dashboard answered, or its refusal in its own words.
    fn of<T>(&self, answer: Result<T, CallError>) -> Result<T, Failure> {
        answer.map_err(|error| match error {
            CallError::Refused { detail, .. } => Failure::new(detail),
            error => Failure::new(format!("{} failed: {error}", self.client.url())),
        })
    }
}

fn table(deliveries: &[Delivery]) -> Table {
    let mut table = Table::new(["AT", "TARGET", "STATE", "FAILED", "TITLE", "ERROR", "ID"]);
    for delivery in deliveries {
        table.row(&[
            delivery.created_at.to_the_second().to_string(),
            delivery.target.to_string(),
            delivery.state.to_string(),
            delivery.attempts.to_string(),
            delivery.title.to_string(),
            delivery.error.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            delivery.id.clone(),
        ]);
    }
    table
}

fn joined(names: impl Iterator<Item = String>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if names.is_empty() { "all".to_owned() } else { names }
}

fn new_rule(args: &NotifyRuleAddArgs) -> NewRule {
    NewRule {
        target: args.target.clone(),
        kinds: args.kinds.clone(),
        guests: args.guests.clone(),
        hosts: args.hosts.clone(),
        severity: args.severity,
    }
}

/// What the file holds.
async fn address<T: DeserializeOwned>(args: &NotifyTargetAddArgs) -> Result<T, Failure> {
    let file = args.file.clone();
    let shown = file.display().to_string();
    let text = blocking(move || read(&file))
        .await
        .map_err(|error| Failure::new(format!("{shown} cannot be read: {error}")))?;
    // What is wrong is said by its place: the text holds secrets.
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Failure::usage(format!(
            "{shown} is no address of a target (line {line}, column {column}); the guide shows one of each kind"
        ))
    })
}

fn read(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(file)?.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}
