//! The arguments of `memdeck notify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use memdeck_model::NamePattern;
use memdeck_model::notice::{DeliveryState, NoticeKind, Severity, TargetName};

use super::JsonArgs;

/// `memdeck notify`
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Where notifications go.
    #[command(subcommand)]
    Target(NotifyTargetCommand),
    /// What is told to whom.
    #[command(subcommand)]
    Rule(NotifyRuleCommand),
    /// List messages that wait, have arrived or were given up, newest first.
    Log(NotifyLogArgs),
    /// Send a message again that was given up.
    Retry(NotifyRetryArgs),
}

/// `memdeck notify target`
#[derive(Debug, Subcommand)]
pub enum NotifyTargetCommand {
    /// Add a target. Nothing is sent to it before a rule says so.
    Add(NotifyTargetAddArgs),
    /// Change a target; secrets that the file leaves out stay, and empty ones are taken away.
    Change(NotifyTargetAddArgs),
    /// List the targets, without their secrets.
    List(JsonArgs),
    /// Remove a target with its rules and secrets; what waits for it is given up.
    Remove(NotifyTargetArgs),
    /// Send a message to a target now and say what came of it.
    Test(NotifyTargetArgs),
}

/// `memdeck notify target add` and `memdeck notify target change`
#[derive(Debug, Args)]
pub struct NotifyTargetAddArgs {
    /// What to call it.
    #[arg(value_name = "NAME")]
    pub name: TargetName,
    /// A file with its address as JSON, `-` for standard input: it holds secrets, which do not belong on a command line.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print all targets as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck notify target remove` and `memdeck notify target test`
#[derive(Debug, Args)]
pub struct NotifyTargetArgs {
    /// The target.
    #[arg(value_name = "NAME")]
    pub name: TargetName,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck notify rule`
#[derive(Debug, Subcommand)]
pub enum NotifyRuleCommand {
    /// Tell a target what this names; everything, if it names nothing.
    Add(NotifyRuleAddArgs),
    /// List the rules.
    List(JsonArgs),
    /// Remove a rule.
    Remove(NotifyRuleArgs),
}

/// `memdeck notify rule add`
#[derive(Debug, Args)]
pub struct NotifyRuleAddArgs {
    /// Who is told.
    #[arg(value_name = "TARGET")]
    pub target: TargetName,
    /// Of what: `dump_failed`, `host_away` and so on; may be given several times.
    #[arg(long = "kind", value_name = "KIND")]
    pub kinds: Vec<NoticeKind>,
    /// Only of these guests: names, patterns with `*` and `?`, or UUIDs; may be given several times.
    #[arg(long = "guest", value_name = "PATTERN")]
    pub guests: Vec<NamePattern>,
    /// Only on these hosts: names or patterns; may be given several times.
    #[arg(long = "host", value_name = "PATTERN")]
    pub hosts: Vec<NamePattern>,
    /// The least severity that is told: info, warning or critical.
    #[arg(long, value_name = "SEVERITY", default_value_t)]
    pub severity: Severity,
    /// Print the rule as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck notify rule remove`
#[derive(Debug, Args)]
pub struct NotifyRuleArgs {
    /// The number of the rule, as the list has it.
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Print the other rules as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck notify log`
#[derive(Debug, Args)]
pub struct NotifyLogArgs {
    /// Only these: waiting, delivered or dead.
    #[arg(long, value_name = "STATE")]
    pub state: Option<DeliveryState>,
    /// Only to this target.
    #[arg(long, value_name = "NAME")]
    pub target: Option<TargetName>,
    /// At most this many, up to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: u32,
    /// Print them as JSON, with every field.
    #[arg(long)]
    pub json: bool,
}

/// `memdeck notify retry`
#[derive(Debug, Args)]
pub struct NotifyRetryArgs {
    /// The id of the message, as the log has it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print the message as JSON.
    #[arg(long)]
    pub json: bool,
}
