//! Arguments of `memdeck retention` and `memdeck hold`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use memdeck_model::{DumpId, Remark};

/// `memdeck retention`
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Print the rules by which images are removed.
    Show(RetentionShowArgs),
    /// Say what rules would remove now, and why each other image stays: those of a file, or those that are kept.
    Preview(RetentionPreviewArgs),
    /// Put the rules of a file in the place of those that are kept. They are applied within a minute.
    Set(RetentionSetArgs),
}

/// `memdeck retention show`
#[derive(Debug, Args)]
pub struct RetentionShowArgs {
    /// Print them in one line.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck retention preview`
#[derive(Debug, Args)]
pub struct RetentionPreviewArgs {
    /// Rules as JSON, in the shape that `memdeck retention show` prints.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Print what becomes of each image as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck retention set`
#[derive(Debug, Args)]
pub struct RetentionSetArgs {
    /// Rules as JSON, in the shape that `memdeck retention show` prints.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Put them in place without asking.
    #[arg(long)]
    pub yes: bool,
    /// Print what becomes of each image as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck hold`
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Keep the images of a case, or of a dump, from being deleted by anybody.
    Add(HoldAddArgs),
    /// List holds, those that were lifted last.
    List(HoldListArgs),
    /// Lift a hold.
    Lift(HoldLiftArgs),
}

/// `memdeck hold add`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["case", "dump"]))]
pub struct HoldAddArgs {
    /// Every image of this case, also of dumps that are yet to come.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<Remark>,
    /// The image of this dump.
    #[arg(long, value_name = "DUMP_ID")]
    pub dump: Option<DumpId>,
    /// What the images are needed for; it stands with the hold.
    #[arg(long, value_name = "TEXT")]
    pub reason: Remark,
    /// Print the hold as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck hold list`
#[derive(Debug, Args)]
pub struct HoldListArgs {
    /// Print them as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck hold lift`
#[derive(Debug, Args)]
pub struct HoldLiftArgs {
    /// The number of the hold, as the list shows it.
    #[arg(value_name = "ID")]
    pub id: u32,
    /// Why it is lifted.
    #[arg(long, value_name = "TEXT")]
    pub reason: Remark,
    /// Print the hold as JSON.
    #[arg(long)]
    pub json: bool,
}
