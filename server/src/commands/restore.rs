//! `memdeck restore`

use std::path::Path;

use memdeck_catalog::{BackupFacts, Catalog, LockRole, Restoration, StateLock};
use serde_json::json;

use super::table::printable;
use super::{Exit, Failure, Output, backup, with_causes};
use crate::catalog_care;
use crate::cli::RestoreArgs;
use crate::config::Config;
use crate::node::{self, StartError};

/// Records that are read at once.
const PAGE: u32 = 500;
/// More missing images than this are only counted.
const MOST_NAMED: usize = 20;

pub fn run(config: &Config, args: &RestoreArgs) -> Result<Exit, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(with_causes(error));
    // Read whole before anything is touched.
    let facts = Catalog::backup_facts(&args.file).map_err(|error| failed(&error))?;
    let mut output = Output::default();
    if args.check {
        return tell(config, args, &facts, None, &[], &mut output);
    }
    node::private_directory(&config.state_dir)?;
    let holder = node::holder(LockRole::Restore, None);
    let _lock = StateLock::acquire(&config.state_dir, &holder).map_err(StartError::from)?;
    let at = node::clock().now();
    let (catalog, restoration) =
        Catalog::restore_from(&config.state_dir, &args.file, at).map_err(|error| failed(&error))?;
    // Dumps that the backup does not know yet, as far as their manifests are here.
    catalog_care::after_restoration(&catalog, &config.state_dir, &config.dumps.dir, &restoration);
    let missing = missing_images(&catalog)?;
    tell(config, args, &facts, Some(&restoration), &missing, &mut output)
}

/// Where records say that images are which are not there.
fn missing_images(catalog: &Catalog) -> Result<Vec<String>, Failure> {
    let (mut missing, mut read_to) = (Vec::new(), 0);
    loop {
        let records = catalog.records_since(read_to, PAGE);
        let records = records.map_err(|error| Failure::new(with_causes(&error)))?;
        let Some((last, _)) = records.last() else { return Ok(missing) };
        read_to = *last;
        let here = records.into_iter().filter(|(_, record)| record.deleted_at.is_none());
        missing
            .extend(here.filter_map(|(_, record)| record.dump_path).filter(|path| !Path::new(path).exists()));
    }
}

fn tell(
    config: &Config,
    args: &RestoreArgs,
    facts: &BackupFacts,
    restoration: Option<&Restoration>,
    missing: &[String],
    output: &mut Output,
) -> Result<Exit, Failure> {
    let catalog = config.state_dir.join(Catalog::FILE_NAME);
    let kept_aside = restoration.and_then(|restoration| restoration.kept_aside.as_ref());
    if args.json {
        output.json(&json!({"backup": args.file, "contents": facts, "restored": restoration.is_some(), "catalog": catalog,
                   "kept_aside": kept_aside, "missing_images": missing}))?;
        return Ok(Exit::Done);
    }
    backup::print(&args.file, facts, output)?;
    if restoration.is_none() {
        output.line("  sound; nothing was replaced")?;
        return Ok(Exit::Done);
    }
    output.line(format_args!("  restored     {}", catalog.display()))?;
    if let Some(aside) = kept_aside {
        output.line(format_args!("  kept aside   {}", aside.display()))?;
    }
    if !missing.is_empty() {
        output.line(format_args!("  {} images are not where their records say:", missing.len()))?;
        for path in missing.iter().take(MOST_NAMED) {
            output.line(format_args!("  missing      {}", printable(path)))?;
        }
        output.line(
            "  Copy them there with the files beside them, or set their records aside: memdeck delete.",
        )?;
    }
    Ok(Exit::Done)
}
