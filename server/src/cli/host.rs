//! The arguments of `memdeck host`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use memdeck_model::HostId;

use super::JsonArgs;

/// `memdeck host`
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// List the hosts of the dashboard and how each stands.
    List(JsonArgs),
    /// Add a host to the running dashboard, beside those of its configuration.
    Add(AddHostArgs),
    /// Remove a host that was added. It stays until its dumps have ended.
    Remove(HostArgs),
    /// Keep a host from taking new dumps through the dashboard.
    Drain(HostArgs),
    /// Let a host take new dumps again.
    Undrain(HostArgs),
    /// Ask a host now whether it answers.
    Test(HostArgs),
}

/// A host and how the result is printed.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// The name of the host, as `memdeck host list` shows it.
    #[arg(value_name = "NAME")]
    pub name: HostId,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck host add`
#[derive(Debug, Args)]
pub struct AddHostArgs {
    /// What to call it: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "NAME")]
    pub name: HostId,
    /// Where its agent answers, for example `https://kvm-02.example:5001`; `dial` if it dials in.
    #[arg(value_name = "URL")]
    pub url: String,
    /// A file with the token of its agent, `-` for standard input: a token does not belong on a command line.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file with the certificates (PEM) that sign its own. Without it those of the dashboard's machine count.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Print the host as JSON.
    #[arg(long)]
    pub json: bool,
}
