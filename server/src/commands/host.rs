//! `memdeck host`

use std::io::Read as _;
use std::path::Path;

use memdeck_agent::{CallError, Face, ServiceClient};
use memdeck_model::{Actor, HostCondition, HostList, HostState, NewHost, OnBehalf};
use memdeck_operations::blocking;
use reqwest::Method;
use serde::Serialize;

use super::service::{Service, operator};
use super::table::{Table, printable};
use super::{Exit, Failure, Output};
use crate::cli::{AddHostArgs, HostArgs, HostCommand};
use crate::config::Config;

/// The longest token and the longest file of certificates.
const MAX_FILE_BYTES: u64 = 64 * 1024;

pub async fn run(config: &Config, command: &HostCommand) -> Result<Exit, Failure> {
    let dashboard = Service::find(config)?.filter(|service| service.face == Face::Dashboard);
    let Some(Service { client, .. }) = dashboard else {
        return Err(Failure::new(format!(
            "no memdeck serve uses {}: start it, or set STATE_DIR as it has it",
            config.state_dir.display()
        )));
    };
    match command {
        HostCommand::List(args) => {
            let list = client.call(Method::GET, &["hosts"], None::<&()>).await;
            listed(&list.map_err(|error| refused(error, &client))?, args.json)
        }
        HostCommand::Add(args) => {
            let host = AddedHost { host: new_host(args).await?, by: operator() };
            let added = client.call(Method::POST, &["hosts"], Some(&host)).await;
            stands(&added.map_err(|error| refused(error, &client))?, args.json)
        }
        HostCommand::Remove(args) => {
            let left = client.call(Method::DELETE, &["hosts", args.name.as_str()], None::<&()>).await;
            listed(&left.map_err(|error| refused(error, &client))?, args.json)
        }
        HostCommand::Drain(args) => change(&client, args, "drain").await,
        HostCommand::Undrain(args) => change(&client, args, "undrain").await,
        HostCommand::Test(args) => change(&client, args, "test").await,
    }
}

/// A new host, and who adds it.
#[derive(Serialize)]
struct AddedHost {
    #[serde(flatten)]
    host: NewHost,
    by: Actor,
}

async fn new_host(args: &AddHostArgs) -> Result<NewHost, Failure> {
    let (token_file, ca) = (args.token_file.clone(), args.ca.clone());
    let (token, ca) = blocking(move || {
        let token = token_file.map(|file| read(&file)).transpose()?;
        let ca = ca.map(|file| read(&file)).transpose()?;
        Ok::<_, Failure>((token, ca))
    })
    .await?;
    let token = token.map(|token| token.trim().to_owned().into());
    Ok(NewHost { name: args.name.clone(), url: args.url.clone(), token, ca })
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{} cannot be read: {error}", file.display()));
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).map_err(failed)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)
    };
    read.map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Failure::new(format!("{} has more than {MAX_FILE_BYTES} bytes", file.display())));
    }
    Ok(text)
}

async fn change(client: &ServiceClient, args: &HostArgs, what: &str) -> Result<Exit, Failure> {
    let (path, by) = (["hosts", args.name.as_str(), what], OnBehalf::of(operator()));
    let host = client.call(Method::POST, &path, Some(&by)).await.map_err(|error| refused(error, client))?;
    stands(&host, args.json)
}

/// Prints how one host stands. One that cannot be used is a failure: scripts need not read what is printed.
fn stands(host: &HostState, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(host)?;
    } else {
        output.text(table(std::slice::from_ref(host)).to_string())?;
        if let Some(error) = &host.error {
            output.line(printable(&error.to_string()))?;
        }
    }
    Ok(if host.condition.is_up() { Exit::Done } else { Exit::Failed })
}

fn listed(list: &HostList, json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if json {
        output.json(list)?;
    } else {
        output.text(table(&list.hosts).to_string())?;
    }
    Ok(Exit::Done)
}

fn table(hosts: &[HostState]) -> Table {
    let mut table = Table::new(["HOST", "STATE", "DRAINED", "VERSION", "DUMPS", "FROM", "SERVICE"]);
    for host in hosts {
        table.row(&[
            host.name.to_string(),
            condition(host.condition).to_owned(),
            if host.draining { "yes" } else { "no" }.to_owned(),
            host.version.clone().unwrap_or_else(|| "-".to_owned()),
            host.active_dumps.to_string(),
            if host.added { "added" } else { "configuration" }.to_owned(),
            host.service.clone(),
        ]);
    }
    table
}

fn condition(condition: HostCondition) -> &'static str {
    match condition {
        HostCondition::Unasked => "not asked yet",
        HostCondition::Up => "up",
        HostCondition::Unreachable => "away",
        HostCondition::WrongToken => "wrong token",
        HostCondition::ExpiredCertificate => "expired certificate",
        HostCondition::BadCertificate => "certificate not trusted",
        HostCondition::VersionMismatch => "other version",
        HostCondition::Failing => "failing",
        HostCondition::Garbage => "wrong answers",
        HostCondition::Other => "not usable",
    }
}

/// A refusal in the words of the dashboard.
fn refused(error: CallError, client: &ServiceClient) -> Failure {
    match error {
        CallError::Refused { detail, .. } => Failure::new(detail),
        error => Failure::new(format!("{} failed: {error}", client.url())),
    }
}
