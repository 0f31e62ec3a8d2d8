//! `memdeck retention`: asks the dashboard, which keeps the rules and applies them.

use std::io::BufRead as _;
use std::path::Path;

use memdeck_model::retention::{Fate, ImageFate, Policy, RetentionReport};
use reqwest::Method;
use serde_json::json;

use super::output::say;
use super::schedule::dashboard;
use super::service::{Service, operator};
use super::table::{Table, printable};
use super::{Exit, Failure, Output};
use crate::cli::retention::{RetentionCommand, RetentionPreviewArgs, RetentionSetArgs, RetentionShowArgs};
use crate::config::Config;

const PATH: [&str; 2] = ["api", "retention"];

pub async fn run(config: &Config, command: &RetentionCommand) -> Result<Exit, Failure> {
    let service = dashboard(config, "the rules of retention are kept and applied")?;
    match command {
        RetentionCommand::Show(args) => show(&service, args).await,
        RetentionCommand::Preview(args) => preview(&service, args).await,
        RetentionCommand::Set(args) => set(&service, args).await,
    }
}

async fn kept(service: &Service) -> Result<Policy, Failure> {
    service.client.look_up(&PATH, &[]).await.map_err(|error| service.failed(&error))
}

async fn show(service: &Service, args: &RetentionShowArgs) -> Result<Exit, Failure> {
    let policy = kept(service).await?;
    let mut output = Output::default();
    if args.json {
        output.json(&policy)?;
    } else {
        let text = serde_json::to_string_pretty(&policy).map_err(|error| Failure::new(error.to_string()))?;
        output.line(text)?;
    }
    Ok(Exit::Done)
}

async fn preview(service: &Service, args: &RetentionPreviewArgs) -> Result<Exit, Failure> {
    let policy = match &args.file {
        Some(file) => read(file)?,
        None => kept(service).await?,
    };
    let report = previewed(service, &policy).await?;
    tell(&mut Output::default(), &report, args.json)
}

async fn previewed(service: &Service, policy: &Policy) -> Result<RetentionReport, Failure> {
    let report = service.client.send(Method::POST, &["api", "retention", "preview"], policy).await;
    report.map_err(|error| service.failed(&error))
}

async fn set(service: &Service, args: &RetentionSetArgs) -> Result<Exit, Failure> {
    let policy = read(&args.file)?;
    let report = previewed(service, &policy).await?;
    if !args.yes && report.gone > 0 && !confirmed(&report)? {
        say("Nothing was changed.");
        return Ok(Exit::Failed);
    }
    let mut body = serde_json::to_value(&policy).map_err(|error| Failure::new(error.to_string()))?;
    body["by"] = json!(operator());
    let report = service.client.send(Method::PUT, &PATH, &body).await;
    let report: RetentionReport = report.map_err(|error| service.failed(&error))?;
    tell(&mut Output::default(), &report, args.json)
}

/// Says what would go, and asks.
fn confirmed(report: &RetentionReport) -> Result<bool, Failure> {
    for image in report.images.iter().filter(|image| matches!(image.fate, Fate::Gone { .. })) {
        say(format_args!(
            "{}, dumped at {}, {}: {}",
            printable(&image.guest.0),
            image.at,
            image.bytes,
            why(image)
        ));
    }
    say(format_args!(
        "Delete these {} images ({}) for good within a minute? Their records stay. Write yes to keep the rules:",
        report.gone, report.gone_bytes
    ));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

fn read(file: &Path) -> Result<Policy, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
    serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format!("{} holds no rules of retention: {error}", file.display())))
}

fn why(image: &ImageFate) -> String {
    match &image.fate {
        Fate::Gone { why } => why.to_string(),
        Fate::Kept { why } => why.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn tell(output: &mut Output, report: &RetentionReport, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        output.json(report)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["VM", "DUMPED", "SIZE", "FATE", "WHY", "DUMP ID"]);
    for image in &report.images {
        let fate = if matches!(image.fate, Fate::Gone { .. }) { "goes" } else { "stays" };
        table.row(&[
            image.guest.0.clone(),
            image.at.to_string(),
            image.bytes.to_string(),
            fate.to_owned(),
            why(image),
            image.dump_id.to_string(),
        ]);
    }
    output.text(table.to_string())?;
    let all = report.images.len();
    output.line(format_args!("{} of {all} images go, {}", report.gone, report.gone_bytes))?;
    Ok(Exit::Done)
}
