//! `memdeck config`

use serde_json::json;

use super::{Exit, Failure, Output};
use crate::cli::JsonArgs;
use crate::config::{Sources, describe, effective, shown_hosts};

pub fn run(sources: &Sources, args: &JsonArgs) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if args.json {
        let mut told = json!({"settings": effective(sources).collect::<Vec<_>>()});
        let hosts: Vec<_> = shown_hosts(sources).collect();
        if !hosts.is_empty() {
            told["hosts"] = json!(hosts);
        }
        output.json(&told)?;
    } else {
        output.text(describe(sources))?;
    }
    Ok(Exit::Done)
}
