//! The command line.

mod accounts;
mod audit;
mod host;
mod notify;
mod records;
pub mod retention;
pub mod schedule;
mod signing;
mod study;
mod verify;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use clap::{
    Arg, ArgMatches, Args, Command as ClapCommand, CommandFactory, FromArgMatches, Parser, Subcommand,
};

use memdeck_image::ExportFormat;
use memdeck_model::{DumpId, DumpOptions, Millis, ModeChoice, Remark};

pub use self::accounts::{AddTokenArgs, GroupCommand, TokenCommand, UserCommand};
pub use self::audit::{AuditCommand, AuditExportArgs, AuditFilterArgs, AuditListArgs, CustodyArgs};
pub use self::host::{AddHostArgs, HostArgs, HostCommand};
pub use self::notify::{
    NotifyCommand, NotifyLogArgs, NotifyRetryArgs, NotifyRuleAddArgs, NotifyRuleArgs, NotifyRuleCommand,
    NotifyTargetAddArgs, NotifyTargetArgs, NotifyTargetCommand,
};
pub use self::records::{ArchiveArgs, ArchiveCommand, ArchiveListArgs, RecordsArgs};
pub use self::retention::{HoldCommand, RetentionCommand};
pub use self::schedule::ScheduleCommand;
pub use self::signing::{ExportKeyArgs, SigningKeyCommand};
pub use self::study::{CompareArgs, HuntArgs, InsideArgs, MountArgs, TimelineArgs, UnmountArgs};
pub use self::verify::VerifyArgs;

use crate::config::{Config, ConfigError, Places, SETTINGS, Sources, dot_env};

/// Take, watch, verify and keep memory dumps of virtual machines.
#[derive(Debug, Parser)]
#[command(
    name = "memdeck",
    version,
    after_help = "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 the image is damaged, its host's chain is broken, an archive was changed, or the audit was manipulated; \
                  4 a service was stopped and cancelled running dumps; 5 it was stopped, and dumps did not end in time; \
                  130 interrupted; 141 the reader of an export went before its end."
)]
pub struct Cli {
    /// Configuration file (TOML).
    #[arg(long, global = true, env = "MEMDECK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the dashboard (port 8000 on loopback by default).
    Serve,
    /// Run the dump service of this hypervisor (port 5001 on loopback by default).
    Agent,
    /// Dump the memory of one or more VMs and wait for the end.
    Dump(DumpArgs),
    /// List the VMs of the hypervisor.
    Guests(JsonArgs),
    /// List records of finished dumps, newest first.
    Records(RecordsArgs),
    /// Dump by plan: make, list, pause and remove schedules.
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Say which images go by rules, and change the rules.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Keep images from being deleted by anybody.
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Move old records out of the catalog into signed files, and list those files.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Cancel a dump that is queued or running; its VM runs on.
    Cancel(CancelArgs),
    /// Delete the stored image of a dump; its record stays.
    Delete(DeleteArgs),
    /// Recompute every hash of a stored image, check its signature, and say what is wrong and where.
    Verify(VerifyArgs),
    /// Write a stored image in the format that a reader of memory images takes.
    Export(ExportArgs),
    /// Say what a stored image is: guest, segments, notes, sizes in each format.
    Inspect(InspectArgs),
    /// Say what the guest itself knew when it was dumped: its processes, files, modules, connections. Linux guests.
    Inside(InsideArgs),
    /// Say what changed between two dumps of a VM.
    Compare(CompareArgs),
    /// Say how much of a VM's memory changed from each of its dumps to the next, and how many programs began.
    Timeline(TimelineArgs),
    /// Look for text, bytes or regular expressions in the memory of dumps.
    Hunt(HuntArgs),
    /// Show every stored image as files that other programs read, without exporting it. Runs until Ctrl-C.
    Mount(MountArgs),
    /// Write the lines of a file that a tool could not write to InfluxDB at the time. To do it twice changes nothing.
    ImportBacklog(ImportBacklogArgs),
    /// Say which hosts a dashboard has, and add, drain and remove them.
    #[command(subcommand)]
    Host(HostCommand),
    /// Say who is told what happens, and what became of that.
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Print a link with which a browser signs in to the dashboard of this machine, once and within five minutes.
    SignInLink(JsonArgs),
    /// Make, change and remove the accounts of people.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, change and remove groups, whose members see and touch only some guests.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Make and revoke the API tokens of programs.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check the catalog of the state directory, or make records anew from manifests.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Say who did what, write it into a file, or check that nobody changed it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Write the chain of custody of a dump or a case: one HTML file, to be printed or kept.
    Custody(CustodyArgs),
    /// The key with which this host signs manifests.
    #[command(subcommand)]
    SigningKey(SigningKeyCommand),
    /// Copy the catalog into a file, beside whoever uses it.
    Backup(BackupArgs),
    /// Put a backup in the place of the catalog, which is kept aside. No service may run on the state directory.
    Restore(RestoreArgs),
    /// Check everything that dumps need on this host, and say what to do.
    Doctor(DoctorArgs),
    /// Print the effective configuration, secrets masked.
    Config(JsonArgs),
    /// Look after guests if the memdeck that started this dies.
    #[command(hide = true)]
    Guard,
    /// Read an image for the memdeck that started this, within limits.
    #[command(hide = true)]
    ReadInside,
    /// Unmount images if the memdeck that started this dies.
    #[command(hide = true)]
    UnmountGuard(UnmountArgs),
}

/// `memdeck dump`
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// VMs by name, UUID or libvirt id, or `all` for every running one.
    #[arg(required = true, value_name = "VM")]
    pub vms: Vec<String>,
    /// How: auto is live if possible, else frozen.
    #[arg(long, default_value_t)]
    pub mode: ModeChoice,
    /// Milliseconds the guest may be stopped in live mode [default: the setting `PAUSE_BUDGET_MS`].
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub pause_budget: Option<u64>,
    /// MiB per second a live dump may read while the guest runs, 0 for no limit [default: the setting
    /// `LIVE_BANDWIDTH_MIBPS`].
    #[arg(long, value_name = "MIBPS")]
    pub bandwidth: Option<u64>,
    /// Case number, kept with the dump.
    #[arg(long, value_name = "TEXT")]
    pub case: Option<Remark>,
    /// Note, kept with the dump.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Remark>,
    /// Dump a guest with encrypted memory all the same: its image is ciphertext.
    #[arg(long)]
    pub accept_encrypted: bool,
    /// Store the image as a difference to the newest full one of the VM, where there is one that fits.
    #[arg(long)]
    pub difference: bool,
    /// Print the result as JSON, one object with a list of dumps, and no progress bar.
    #[arg(long)]
    pub json: bool,
}

impl DumpArgs {
    /// How the dumps are to be taken.
    pub fn options(&self) -> DumpOptions {
        DumpOptions {
            mode: self.mode,
            pause_budget_ms: self.pause_budget.map(Millis),
            bandwidth_mibps: self.bandwidth,
            case: self.case.clone(),
            note: self.note.clone(),
            accept_encrypted: self.accept_encrypted,
            difference: self.difference,
        }
    }
}

/// `memdeck import-backlog`
#[derive(Debug, Args)]
pub struct ImportBacklogArgs {
    /// Lines in InfluxDB's line protocol, each with its time in nanoseconds; comments begin with `#`.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A subcommand that only prints.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck cancel`
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The dump's id, or the VM that is being dumped.
    #[arg(value_name = "DUMP_ID|VM")]
    pub target: String,
    /// Print how the dump ended as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck delete`
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The dump, as `memdeck records` lists it.
    #[arg(value_name = "DUMP_ID")]
    pub dump_id: DumpId,
    /// Delete it without asking.
    #[arg(long)]
    pub yes: bool,
    /// Print the record as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The stored image: its file (`.elf.zst`), the dump's id, or the VM by name or UUID, whose newest image it is.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// elf: the stored ELF core; raw: RAM alone, at its addresses; lime; avml: compressed.
    #[arg(long, value_name = "FORMAT", default_value_t = ExportFormat::Elf)]
    pub format: ExportFormat,
    /// Begin at this byte of the export, to go on with one that was cut off (not for avml).
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,
    /// Where to write it; `-` is standard output. An existing file is not replaced.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Print what was written as JSON (not with an export to standard output).
    #[arg(long)]
    pub json: bool,
}

/// `memdeck catalog`
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Say what is wrong with the catalog, which backups there are, and which images it does not know. Changes nothing.
    Check(CatalogArgs),
    /// Add a record for every manifest in `DUMP_DIR` of which the catalog knows no dump. Nothing may run on the state directory.
    Rebuild(CatalogArgs),
}

/// `memdeck catalog check` and `memdeck catalog rebuild`
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Where to write it. An existing file is not replaced.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print what is in it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A backup of a catalog, of this machine or another one.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what is in it and whether it is sound.
    #[arg(long)]
    pub check: bool,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Repair what is safe first, and say what was done. No service may run on the state directory.
    #[arg(long)]
    pub repair: bool,
    /// Read every stored image and compute its hashes anew. Takes as long as reading them takes.
    #[arg(long)]
    pub deep: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The stored image: its file (`.elf.zst`), the dump's id, or the VM by name or UUID, whose newest image it is.
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Print everything as JSON, the manifest included.
    #[arg(long)]
    pub json: bool,
}

/// What was given on the command line, and what follows from it.
pub struct Invocation {
    /// Subcommand and options.
    pub cli: Cli,
    flags: HashMap<&'static str, String>,
}

impl Invocation {
    /// Reads the command line of this process; prints help or a usage error and ends the process where that is due.
    #[must_use]
    pub fn from_command_line() -> Self {
        let matches = command().get_matches();
        let flags = flags(&matches);
        match Cli::from_arg_matches(&matches) {
            Ok(cli) => Self { cli, flags },
            Err(error) => error.exit(),
        }
    }

    /// Joins all sources of settings.
    ///
    /// # Errors
    /// A file cannot be read, or a value is not allowed.
    pub fn configuration(&self) -> Result<(Config, Sources), ConfigError> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let dot_env = dot_env(Path::new(".env"))?;
        let sources = Sources::gather(&self.flags, &environment, &dot_env, self.cli.config.as_deref())?;
        let config = Config::from_sources(&sources, &Places::of_this_user(&environment))?;
        Ok((config, sources))
    }
}

/// The command with a flag for every setting.
#[must_use]
pub fn command() -> ClapCommand {
    SETTINGS.iter().fold(Cli::command(), |command, setting| {
        let names = setting.env.join(", ");
        let arg = Arg::new(setting.key)
            .long(setting.flag())
            .global(true)
            .value_name("VALUE")
            .help_heading("Settings")
            .hide_short_help(true)
            .help(format!("{} [env: {names}] [default: {}]", setting.help, setting.default));
        // Only with `=`: what follows a switch is the next argument.
        let arg = if setting.switch {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true")
        } else {
            arg
        };
        // A secret on the command line is in the process list: it comes from the environment or the file.
        if setting.secret { command } else { command.arg(arg) }
    })
}

fn flags(matches: &ArgMatches) -> HashMap<&'static str, String> {
    let deepest = matches.subcommand().map_or(matches, |(_, matches)| matches);
    let given = |key| deepest.try_get_one::<String>(key).ok().flatten().cloned();
    SETTINGS.iter().filter_map(|setting| Some((setting.key, given(setting.key)?))).collect()
}
