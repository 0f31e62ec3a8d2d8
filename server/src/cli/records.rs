//! The arguments of what lists and archives records.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `memdeck records`. The filters are those of the REST call.
#[derive(Clone, Debug, Args)]
pub struct RecordsArgs {
    /// Part of a VM's name, id, SHA-256, case number or note.
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Dumps that began at this day (2026-11-14, UTC) or instant (RFC 3339), or later.
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// Dumps that began on this day or earlier, or before this instant.
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// How the dump ended: complete or failed.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// The host of the hypervisor.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// How the dump was taken: live or frozen.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// By what to sort: a field such as `timestamp`, `dom` or `raw_size_bytes`.
    #[arg(long, value_name = "FIELD")]
    pub sort: Option<String>,
    /// Which end comes first: asc or desc.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
    /// At most this many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
    /// List those of an archive: its file of JSON lines. Whether it is as it was written is checked and said.
    #[arg(long, value_name = "FILE")]
    pub archive: Option<PathBuf>,
    /// A public key that must have signed the archive, instead of those that are known here. May be given more than once.
    #[arg(long, value_name = "FILE", requires = "archive")]
    pub key: Vec<PathBuf>,
    /// Print them as CSV, with every field.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Print them as JSON, with every field.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck archive`
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Write records into the signed files of an archive, and remove them from the catalog once these were read back and verified.
    Make(ArchiveArgs),
    /// List the archives that were made.
    List(ArchiveListArgs),
}

/// `memdeck archive make`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["before", "guest", "deleted"]))]
pub struct ArchiveArgs {
    /// Dumps that began before this day (2026-01-01, UTC) or instant (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub before: Option<String>,
    /// Dumps of the VM of this name, exactly.
    #[arg(long, value_name = "NAME")]
    pub guest: Option<String>,
    /// Dumps whose images were deleted.
    #[arg(long)]
    pub deleted: bool,
    /// Only say what would go, and why other records stay.
    #[arg(long)]
    pub dry_run: bool,
    /// Do it without asking.
    #[arg(long)]
    pub yes: bool,
    /// Print the archive, or what would go, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck archive list`
#[derive(Debug, Args)]
pub struct ArchiveListArgs {
    /// Print them as JSON.
    #[arg(long)]
    pub json: bool,
}
