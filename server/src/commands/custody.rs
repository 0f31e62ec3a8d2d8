//! `memdeck custody`: asks the dashboard, which knows records, holds and the audit, and the hosts that keep the manifests.

use std::io::Write as _;
use std::path::Path;

use super::output::say;
use super::partial_file::PartialFile;
use super::schedule::dashboard;
use super::{Exit, Failure, Output};
use crate::cli::CustodyArgs;
use crate::config::Config;

pub async fn run(config: &Config, args: &CustodyArgs) -> Result<Exit, Failure> {
    let service = dashboard(config, "chains of custody are made")?;
    let document = match (&args.dump_id, &args.case) {
        (Some(dump_id), _) => {
            let path = ["api", "memory-dumps", dump_id.as_str(), "custody"];
            service.client.read_text(&path, &[]).await
        }
        (None, Some(case)) => {
            service.client.read_text(&["api", "custody"], &[("case", case.as_str().to_owned())]).await
        }
        (None, None) => return Err(Failure::usage("say which dump, or give --case and a case")),
    };
    let document = document.map_err(|error| service.failed(&error))?;
    if args.output == Path::new("-") {
        Output::default().text(document)?;
        return Ok(Exit::Done);
    }
    let unwritable =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", args.output.display()));
    if args.output.symlink_metadata().is_ok() {
        return Err(unwritable(std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut partial = PartialFile::create(&args.output)?;
    partial.file.write_all(document.as_bytes()).and_then(|()| partial.file.sync_all()).map_err(unwritable)?;
    partial.keep(&args.output)?;
    say(format_args!("wrote {}", args.output.display()));
    Ok(Exit::Done)
}
