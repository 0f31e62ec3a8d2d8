//! `memdeck archive`: by the service that has the catalog, or on the catalog itself where none runs.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;

use memdeck_catalog::LockRole;
use memdeck_model::archive::{ArchiveChoice, ArchiveList, ArchivePreview, MadeArchive};
use memdeck_model::{Day, GuestName};
use memdeck_operations::{Archives, Caller};
use reqwest::Method;
use serde_json::json;

use super::output::say;
use super::service::{Service, operator};
use super::table::Table;
use super::{Exit, Failure, Output};
use crate::cli::{ArchiveArgs, ArchiveCommand};
use crate::config::Config;
use crate::node::{self, State};

const PATH: [&str; 2] = ["api", "archives"];

pub async fn run(config: &Config, command: &ArchiveCommand) -> Result<Exit, Failure> {
    match command {
        ArchiveCommand::Make(args) => make(config, args).await,
        ArchiveCommand::List(args) => list(config, args.json).await,
    }
}

async fn make(config: &Config, args: &ArchiveArgs) -> Result<Exit, Failure> {
    let asks = !args.yes && !args.dry_run;
    if asks && !io::stdin().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on; --yes archives without asking"));
    }
    let choice = chosen(args)?;
    let keeper = Keeper::open(config)?;
    let mut output = Output::default();
    if args.dry_run || asks {
        let preview = keeper.preview(&choice).await?;
        if args.dry_run && args.json {
            output.json(&preview)?;
            return Ok(Exit::Done);
        }
        if args.dry_run {
            output.text(told(&preview))?;
            return Ok(Exit::Done);
        }
        say(told(&preview).trim_end());
        if preview.records > 0 && !is_confirmed()? {
            return Err(Failure::new("nothing was archived"));
        }
    }
    let MadeArchive { dir, archive } = keeper.make(&choice).await?;
    if args.json {
        output.json(&MadeArchive { dir, archive })?;
        return Ok(Exit::Done);
    }
    output.line(format_args!(
        "archived {} of {}, signed by key {}: {}",
        counted(archive.records),
        archive.choice,
        archive.signed_by,
        Path::new(&dir).join(&archive.jsonl.name).display()
    ))?;
    Ok(Exit::Done)
}

fn chosen(args: &ArchiveArgs) -> Result<ArchiveChoice, Failure> {
    let instant = |text: &String| {
        let day = text.parse::<Day>().ok().map(Day::start_utc);
        day.or_else(|| text.parse().ok()).ok_or_else(|| {
            Failure::usage(format!("'{text}' is no day (2026-01-01) and no instant (2026-01-01T08:00:00Z)"))
        })
    };
    Ok(ArchiveChoice {
        before: args.before.as_ref().map(instant).transpose()?,
        guest: args.guest.clone().map(GuestName),
        deleted: args.deleted,
    })
}

fn told(preview: &ArchivePreview) -> String {
    let ArchivePreview { choice, records, first, last, more, staying } = preview;
    let mut text = format!("{} of {choice} can be archived", counted(*records));
    if let (Some(first), Some(last)) = (first, last) {
        // Writing to a string does not fail.
        let _ = write!(text, ", from {first} to {last}");
    }
    text.push_str(if *more { "; more are left for another archive\n" } else { "\n" });
    for staying in staying {
        let named: Vec<_> = staying.dumps.iter().map(ToString::to_string).collect();
        let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(" ")) };
        let _ = writeln!(text, "  left out: {}, {}{named}", counted(staying.count), staying.reason);
    }
    text
}

fn counted(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}

fn is_confirmed() -> Result<bool, Failure> {
    say(
        "They leave the catalog, and with it lists, figures and trends; the archive keeps them. Write yes to archive them:",
    );
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

async fn list(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let list = Keeper::open(config)?.list().await?;
    let mut output = Output::default();
    if as_json {
        output.json(&list)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["MADE", "BY", "RECORDS", "OF", "FILE", "SHA-256"]);
    for archive in list.archives {
        table.row(&[
            archive.made_at.to_string(),
            archive.made_by.to_string(),
            archive.records.to_string(),
            archive.choice.to_string(),
            Path::new(&list.dir).join(archive.jsonl.name).display().to_string(),
            archive.jsonl.sha256,
        ]);
    }
    output.text(table.to_string())?;
    Ok(Exit::Done)
}

/// Who has the catalog.
enum Keeper {
    Service(Box<Service>),
    /// This process, which holds the state directory until the end.
    Here {
        archives: Arc<Archives>,
        _held: State,
    },
}

impl Keeper {
    fn open(config: &Config) -> Result<Self, Failure> {
        if let Some(service) = Service::find(config)? {
            return Ok(Self::Service(Box::new(service)));
        }
        let state = State::take(config, LockRole::Archive)?;
        Ok(Self::Here { archives: node::archives(config, &state), _held: state })
    }

    async fn preview(&self, choice: &ArchiveChoice) -> Result<ArchivePreview, Failure> {
        match self {
            Self::Service(service) => {
                let preview =
                    service.client.send(Method::POST, &["api", "archives", "preview"], choice).await;
                preview.map_err(|error| service.failed(&error))
            }
            Self::Here { archives, .. } => Ok(archives.preview(choice.clone(), &caller()).await?),
        }
    }

    async fn make(&self, choice: &ArchiveChoice) -> Result<MadeArchive, Failure> {
        match self {
            Self::Service(service) => {
                let body = serde_json::to_value(choice);
                let mut body = body.map_err(|error| Failure::new(error.to_string()))?;
                body["by"] = json!(operator());
                let made = service.client.send(Method::POST, &PATH, &body).await;
                made.map_err(|error| service.failed(&error))
            }
            Self::Here { archives, .. } => Ok(archives.make(choice.clone(), &caller()).await?),
        }
    }

    async fn list(&self) -> Result<ArchiveList, Failure> {
        match self {
            Self::Service(service) => {
                service.client.look_up(&PATH, &[]).await.map_err(|error| service.failed(&error))
            }
            Self::Here { archives, .. } => Ok(archives.list(&caller()).await?),
        }
    }
}

fn caller() -> Caller {
    Caller::trusted(operator())
}
