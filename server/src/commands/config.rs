//! `memdeck config`

use serde_json::json;

use super::{Exit, Failure, Output};
use crate::cli::JsonArgs;
use crate::config::{Sources, describe, effective};

pub fn run(sources: &Sources, args: &JsonArgs) -> Result<Exit, Failure> {
    let mut output = Output::default();
    if args.json {
        output.json(&json!({"settings": effective(sources).collect::<Vec<_>>()}))?;
    } else {
        output.text(describe(sources))?;
    }
    Ok(Exit::Done)
}
