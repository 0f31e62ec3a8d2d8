//! `memdeck signing-key`

use std::io::Write as _;
use std::path::{Path, PathBuf};

use memdeck_agent::CallError;
use memdeck_catalog::{LockHolder, LockRole, holder_of};
use memdeck_model::{HostKey, RotatedKey, with_causes};
use memdeck_operations::Caller;
use memdeck_signing::KeyFiles;
use reqwest::Method;
use serde::Serialize;
use serde_json::json;

use super::output::say;
use super::partial_file::PartialFile;
use super::service::operator;
use super::table::Table;
use super::{Exit, Failure, Output, own_service};
use crate::cli::{ExportKeyArgs, SigningKeyCommand};
use crate::config::Config;
use crate::node::{self, StartError, State};
use crate::{ownership, signing};

const NO_KEY: &str =
    "there is no signing key yet: the first dump, or the first start of a service, makes one";

pub async fn run(config: &Config, command: &SigningKeyCommand) -> Result<Exit, Failure> {
    match command {
        SigningKeyCommand::Show(args) => show(&keys(config)?, args.json),
        SigningKeyCommand::Export(args) => export(&keys(config)?, args),
        SigningKeyCommand::Rotate(args) => rotate(config, args.json).await,
    }
}

/// The keys of this host, and the file of each.
fn keys(config: &Config) -> Result<Vec<(HostKey, PathBuf)>, Failure> {
    if config.state_dir.exists() {
        ownership::check_directory(&config.state_dir).map_err(StartError::from)?;
    }
    KeyFiles::of(&config.state_dir).facts().map_err(|error| Failure::new(with_causes(&error)))
}

fn show(keys: &[(HostKey, PathBuf)], as_json: bool) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if as_json {
        let keys: Vec<_> = keys.iter().map(|(key, path)| Shown { key, path }).collect();
        output.json(&json!({ "keys": keys }))?;
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        output.line(NO_KEY)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["KEY", "SIGNS", "MADE", "PUBLIC KEY"]);
    for (HostKey { id, made_at, signs, .. }, path) in keys {
        let signs = if *signs { "yes" } else { "no" };
        let made = made_at.map_or_else(|| "not known".to_owned(), |at| at.to_string());
        table.row(&[id.to_string(), signs.to_owned(), made, path.display().to_string()]);
    }
    output.text(table.to_string())?;
    Ok(Exit::Done)
}

/// A key as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    key: &'a HostKey,
    /// The file with its public half.
    path: &'a Path,
}

fn export(keys: &[(HostKey, PathBuf)], args: &ExportKeyArgs) -> Result<Exit, Failure> {
    let is_meant = |key: &HostKey| args.key.as_ref().map_or(key.signs, |id| key.id == *id);
    let found = keys.iter().map(|(key, _)| key).find(|key| is_meant(key));
    let Some(HostKey { id, public_key, .. }) = found else {
        return Err(Failure::new(match &args.key {
            Some(id) => format!("there is no key {id}: memdeck signing-key show lists those that there are"),
            None => NO_KEY.to_owned(),
        }));
    };
    if args.output == Path::new("-") {
        Output::default().text(public_key)?;
        return Ok(Exit::Done);
    }
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", args.output.display()));
    if args.output.symlink_metadata().is_ok() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut partial = PartialFile::create(&args.output)?;
    partial.file.write_all(public_key.as_bytes()).map_err(failed)?;
    partial.file.sync_all().map_err(failed)?;
    partial.keep(&args.output)?;
    say(format_args!("wrote the public key {id} to {}", args.output.display()));
    Ok(Exit::Done)
}

async fn rotate(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let rotated = match holder_of(&config.state_dir) {
        Some(holder) if matches!(holder.role, LockRole::Serve | LockRole::Agent) => {
            ownership::check_directory(&config.state_dir).map_err(StartError::from)?;
            in_service(config, &holder).await?
        }
        _ => {
            let state = State::take(config, LockRole::SigningKey)?;
            let keys = KeyFiles::of(&config.state_dir);
            signing::rotate(keys, &node::audit(config, &state), &Caller::trusted(operator())).await?
        }
    };
    let mut output = Output::default();
    if as_json {
        output.json(&rotated)?;
    } else {
        let before = rotated.before.map_or_else(String::new, |before| format!(" in the place of {before}"));
        output.line(format_args!("key {} signs from now on{before}", rotated.key.id))?;
    }
    Ok(Exit::Done)
}

/// Asks the service that has the state directory, so that it is in its audit.
async fn in_service(config: &Config, holder: &LockHolder) -> Result<RotatedKey, Failure> {
    let client = own_service::client(config, holder)
        .transpose()?
        .ok_or_else(|| Failure::new("the memdeck that is starting does not answer yet; try again"))?;
    let body = json!({"by": operator()});
    let rotated = client.call(Method::POST, &["signing-keys", "rotate"], Some(&body)).await;
    rotated.map_err(|error| match error {
        CallError::Refused { detail, .. } => Failure::new(detail),
        error => Failure::new(format!("the memdeck of this machine failed: {error}")),
    })
}
