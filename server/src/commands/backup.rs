//! `memdeck backup`

use std::path::Path;

use memdeck_catalog::{BackupFacts, BackupOrigin, Catalog};
use serde_json::json;

use super::{Exit, Failure, Output, with_causes};
use crate::cli::BackupArgs;
use crate::config::Config;
use crate::node::{StartError, clock};
use crate::ownership;

pub fn run(config: &Config, args: &BackupArgs) -> Result<Exit, Failure> {
    ownership::check_directory(&config.state_dir).map_err(StartError::from)?;
    let origin = BackupOrigin {
        made_at: clock().now(),
        host: host_name(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let facts = Catalog::back_up_to(&config.state_dir, &args.file, &origin);
    let facts = facts.map_err(|error| Failure::new(with_causes(&error)))?;
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"path": args.file, "contents": facts, "images_included": false}))?;
    } else {
        print(&args.file, &facts, &mut output)?;
        output.line("  images       not in it: they lie in DUMP_DIR, each with its manifest")?;
    }
    Ok(Exit::Done)
}

/// The name of this machine, as its kernel has it.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// What is in a backup, for people.
pub fn print(path: &Path, facts: &BackupFacts, output: &mut Output) -> Result<(), Failure> {
    output.line(format_args!("{}: {}", path.display(), facts.size_bytes))?;
    if let Some(BackupOrigin { made_at, host, version }) = &facts.origin {
        output.line(format_args!("  made         {made_at} on {host} by memdeck {version}"))?;
    }
    let newest = facts.newest.map(|at| format!(", the newest of {at}")).unwrap_or_default();
    output.line(format_args!(
        "  records      {}, {} of this host's own{newest}",
        facts.records, facts.own_records
    ))?;
    output.line(format_args!("  points       {} wait for InfluxDB", facts.waiting_points))
}
