//! `memdeck audit`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use memdeck_model::{DumpId, Remark};

use super::JsonArgs;
use crate::http::audit_rows::Form;

/// `memdeck custody`
#[derive(Debug, Args)]
pub struct CustodyArgs {
    /// The dump by its id, as `memdeck records` shows it.
    #[arg(value_name = "DUMP_ID", required_unless_present = "case", conflicts_with = "case")]
    pub dump_id: Option<DumpId>,
    /// Every dump of this case instead.
    #[arg(long, value_name = "CASE")]
    pub case: Option<Remark>,
    /// Where to write it; `-` is standard output. An existing file is not replaced.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}

/// `memdeck audit`
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check every entry, and hold the manifests in `DUMP_DIR` against them. Exits with 3 if something was manipulated.
    Verify(JsonArgs),
    /// List entries, newest first.
    List(AuditListArgs),
    /// Write entries into a file, newest first.
    Export(AuditExportArgs),
}

/// Which entries. The filters are those of the REST call.
#[derive(Clone, Debug, Args)]
pub struct AuditFilterArgs {
    /// What was done on this day (2026-11-14, UTC) or at this instant (RFC 3339), or later.
    #[arg(long, value_name = "WHEN")]
    pub from: Option<String>,
    /// What was done on this day or earlier, or before this instant.
    #[arg(long, value_name = "WHEN")]
    pub to: Option<String>,
    /// Part of who did it, or of the address.
    #[arg(long, value_name = "TEXT")]
    pub actor: Option<String>,
    /// What was done: a word such as `image_downloaded`.
    #[arg(long, value_name = "ACTION")]
    pub action: Option<String>,
    /// Part of the VM's name or UUID.
    #[arg(long, value_name = "TEXT")]
    pub guest: Option<String>,
    /// The dump.
    #[arg(long, value_name = "DUMP_ID")]
    pub dump: Option<String>,
    /// How it went: a word such as `succeeded` or `refused`.
    #[arg(long, value_name = "RESULT")]
    pub result: Option<String>,
}

/// `memdeck audit list`
#[derive(Debug, Args)]
pub struct AuditListArgs {
    #[command(flatten)]
    pub filter: AuditFilterArgs,
    /// At most this many; 0 for all.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub limit: usize,
    /// Print them as JSON, one entry a line, with every field.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck audit export`
#[derive(Debug, Args)]
pub struct AuditExportArgs {
    #[command(flatten)]
    pub filter: AuditFilterArgs,
    /// csv, or jsonl: a JSON object a line.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    pub format: Form,
    /// Where to write it; `-` is standard output. An existing file is not replaced.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}
