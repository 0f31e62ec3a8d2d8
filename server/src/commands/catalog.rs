//! `memdeck catalog`

use memdeck_catalog::{Backup, Catalog, LockRole};
use memdeck_engine::{NOT_KNOWN, Rebuilt, rebuild};
use memdeck_image::{ImageStore, StoredDump};
use serde_json::{Value, json};

use super::{Exit, Failure, Output, with_causes};
use crate::catalog_care;
use crate::cli::CatalogCommand;
use crate::config::Config;
use crate::node::{State, clock};

/// What is to be done about a catalog that is not sound.
const REMEDY: &str = "Stop memdeck, move catalog.db away and start it again: it restores the newest sound backup and \
                      makes records anew from manifests.";

pub fn run(config: &Config, command: &CatalogCommand) -> Result<Exit, Failure> {
    match command {
        CatalogCommand::Check(args) => check(config, args.json),
        CatalogCommand::Rebuild(args) => rebuild_records(config, args.json),
    }
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::new(with_causes(error))
}

fn check(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let findings = catalog_care::findings(&config.state_dir).map_err(|error| failed(&error))?;
    let catalog = Catalog::open_to_read(&config.state_dir).map_err(|error| failed(&error))?;
    let records = catalog.stats().map_err(|error| failed(&error))?.total_dumps;
    let backups = Catalog::backups(&config.state_dir, clock().now()).map_err(|error| failed(&error))?;
    let unknown = unknown_images(config, &catalog)?;
    let path = config.state_dir.join(Catalog::FILE_NAME);
    let mut output = Output::default();
    if as_json {
        let backups: Vec<Value> =
            backups.iter().map(|backup| json!({"path": backup.path, "taken_at": backup.taken_at})).collect();
        let unknown: Vec<_> = unknown.iter().map(|dump| &dump.image).collect();
        let sound = findings.is_empty();
        output.json(&json!({"path": path, "sound": sound, "findings": findings, "records": records, "backups": backups,
                   "images_without_record": unknown}))?;
    } else {
        let verdict = if findings.is_empty() { "sound" } else { "not sound" };
        output.line(format_args!("{}: {verdict}, {records} records", path.display()))?;
        for finding in &findings {
            output.line(format_args!("  - {finding}"))?;
        }
        if !findings.is_empty() {
            output.line(format_args!("  {REMEDY}"))?;
        }
        match backups.first() {
            Some(Backup { path, taken_at }) => {
                output.line(format_args!(
                    "  backups      {}, the newest of {taken_at}: {}",
                    backups.len(),
                    path.display()
                ))?;
            }
            None => output.line("  backups      none yet")?,
        }
        for dump in &unknown {
            output.line(format_args!(
                "  no record    {}: memdeck catalog rebuild adds it",
                dump.image.display()
            ))?;
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Damaged })
}

/// Images in the directory for dumps of which the catalog knows no record.
fn unknown_images(config: &Config, catalog: &Catalog) -> Result<Vec<StoredDump>, Failure> {
    if !config.dumps.dir.is_dir() {
        return Ok(Vec::new());
    }
    let store = ImageStore::open(&config.dumps.dir).map_err(|error| failed(&error))?;
    let mut unknown = Vec::new();
    for dump in store.stored().map_err(|error| failed(&error))?.dumps {
        let dump_id = &dump.manifest.dump_id;
        let record = catalog.record_of(dump_id).map_err(|error| failed(&error))?;
        let is_archived = catalog.is_pruned(dump_id).map_err(|error| failed(&error))?;
        if record.is_none() && !is_archived {
            unknown.push(dump);
        }
    }
    Ok(unknown)
}

fn rebuild_records(config: &Config, as_json: bool) -> Result<Exit, Failure> {
    let state = State::take(config, LockRole::Catalog)?;
    let store = ImageStore::open(&config.dumps.dir).map_err(|error| failed(&error))?;
    let rebuilt = rebuild(&state.catalog, &store, clock().now()).map_err(|error| failed(&error))?;
    let Rebuilt { added, known, differing, unusable } = &rebuilt;
    let mut output = Output::default();
    if as_json {
        let unusable: Vec<Value> =
            unusable.iter().map(|(path, why)| json!({"path": path, "reason": why})).collect();
        output.json(&json!({"added": added, "known": known, "differing": differing, "unusable": unusable,
                   "not_known": NOT_KNOWN}))?;
        return Ok(Exit::Done);
    }
    output.line(format_args!(
        "{}: {} records added, {known} were there",
        config.state_dir.display(),
        added.len()
    ))?;
    for record in added {
        let id = record.dump_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let deleted = if record.deleted_at.is_some() { ", its image is gone" } else { "" };
        output.line(format_args!(
            "  added        {id} of {}, taken {}{deleted}",
            record.dom, record.timestamp
        ))?;
    }
    for dump_id in differing {
        output.line(format_args!(
            "  differs      the manifest of {dump_id} is not the one that was recorded: verify its image"
        ))?;
    }
    for (path, why) in unusable {
        output.line(format_args!("  of no use    {}: {why}", path.display()))?;
    }
    if !added.is_empty() {
        output.line(format_args!("  {NOT_KNOWN}"))?;
        output.line(format_args!("  Images were not read: memdeck verify checks them."))?;
    }
    Ok(Exit::Done)
}
