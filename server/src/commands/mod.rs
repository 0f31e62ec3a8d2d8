//! The subcommands: each reads its arguments, calls one use case and shows the result.

mod access;
mod accounts;
mod agent;
mod archive;
mod audit;
mod backup;
mod cancel;
mod catalog;
mod compare;
mod config;
mod custody;
mod delete;
mod doctor;
mod dump;
mod export;
mod guard;
mod guests;
mod hold;
mod host;
mod hunt;
mod import_backlog;
mod inside;
mod inspect;
mod listen;
mod mount;
mod mount_audit;
mod named_image;
mod notify;
mod output;
mod own_service;
mod partial_file;
mod recorded;
mod records;
mod reload;
mod restore;
mod retention;
mod schedule;
mod serve;
mod service;
mod sign_in_link;
mod signing_key;
mod starting;
mod table;
mod taking;
mod timeline;
mod verify;

use std::io::IsTerminal;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::cli::{Command, Invocation};
use crate::config::ConfigError;
use output::Output;

/// How long the end waits for work that was handed to another thread and that nobody waits for any more.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);

/// How a subcommand ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Done,
    /// It could not.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// The image is not what it was.
    Damaged,
    /// A service was stopped and cancelled dumps that had not ended in time.
    DumpsCancelled,
    /// A service was stopped, and dumps did not end although they were cancelled: libvirt did not answer.
    DumpsLeft,
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// The reader of standard output went before the end of an image.
    ReaderGone,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Damaged => 3,
            Exit::DumpsCancelled => 4,
            Exit::DumpsLeft => 5,
            Exit::Interrupted => 130,
            // As a shell counts a program that SIGPIPE ended.
            Exit::ReaderGone => 141,
        }
    }
}

/// A failure with its sentence; what a subcommand returns instead of printing.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A failure with the sentence `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into() }
    }

    /// A wrong use of the command line, with the sentence `message`.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }
}

impl Failure {
    /// What it says.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { exit: Exit::Usage, message: error.to_string() }
    }
}

impl From<crate::node::StartError> for Failure {
    fn from(error: crate::node::StartError) -> Self {
        Self::new(with_causes(&error))
    }
}

pub use memdeck_model::with_causes;

/// Carries out what the command line asks for; returns the exit code.
#[must_use]
pub fn run(invocation: &Invocation) -> u8 {
    start_log(&invocation.cli.command);
    install_tls_provider();
    // Reads the variable FAILPOINTS, in builds that have named points to hold or fail at.
    #[cfg(feature = "failpoints")]
    let _points = fail::FailScenario::setup();
    let ended = invocation.configuration().map_err(Failure::from).and_then(|(config, sources)| {
        match &invocation.cli.command {
            Command::Serve => on_runtime(serve::run(config, invocation, &sources)),
            Command::Agent => on_runtime(agent::run(config, invocation, &sources)),
            Command::Dump(args) => on_runtime(dump::run(&config, args)),
            Command::Guests(args) => on_runtime(guests::run(&config, args)),
            Command::Records(args) => on_runtime(records::run(&config, args)),
            Command::Schedule(command) => on_runtime(schedule::run(&config, command)),
            Command::Retention(command) => on_runtime(retention::run(&config, command)),
            Command::Hold(command) => on_runtime(hold::run(&config, command)),
            Command::Archive(command) => on_runtime(archive::run(&config, command)),
            Command::Cancel(args) => on_runtime(cancel::run(&config, args)),
            Command::Delete(args) => on_runtime(delete::run(&config, args)),
            Command::Verify(args) => verify::run(&config, args),
            Command::Export(args) => export::run(&config, args),
            Command::Inspect(args) => inspect::run(&config, args),
            Command::Inside(args) => on_runtime(inside::run(&config, args)),
            Command::ReadInside => inside::read(),
            Command::Compare(args) => on_runtime(compare::run(&config, args)),
            Command::Timeline(args) => timeline::run(&config, args),
            Command::Hunt(args) => on_runtime(hunt::run(&config, args)),
            Command::Mount(args) => on_runtime(mount::run(&config, args)),
            Command::UnmountGuard(args) => on_runtime(mount::unmount(args)),
            Command::Catalog(command) => catalog::run(&config, command),
            Command::ImportBacklog(args) => on_runtime(import_backlog::run(&config, args)),
            Command::Host(command) => on_runtime(host::run(&config, command)),
            Command::Notify(command) => on_runtime(notify::run(&config, command)),
            Command::SignInLink(args) => on_runtime(sign_in_link::run(&config, args)),
            Command::User(command) => on_runtime(accounts::user(&config, command)),
            Command::Group(command) => on_runtime(accounts::group(&config, command)),
            Command::Token(command) => on_runtime(accounts::token(&config, command)),
            Command::SigningKey(command) => on_runtime(signing_key::run(&config, command)),
            Command::Audit(command) => audit::run(&config, command),
            Command::Custody(args) => on_runtime(custody::run(&config, args)),
            Command::Backup(args) => backup::run(&config, args),
            Command::Restore(args) => restore::run(&config, args),
            Command::Doctor(args) => on_runtime(doctor::run(&config, args)),
            Command::Config(args) => config::run(&sources, args),
            Command::Guard => on_runtime(guard::run(config)),
        }
    });
    crate::log::flush();
    match ended {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            output::say(format_args!("memdeck: {message}"));
            exit.into()
        }
    }
}

fn on_runtime(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the async runtime cannot start: {error}")))?;
    let ended = runtime.block_on(work);
    // A call into libvirt that hangs cannot be ended, and nobody waits for it: the process ends without it.
    runtime.shutdown_timeout(LEFTOVER_GRACE);
    ended
}

/// Services log to standard error; the other subcommands say what they have to say themselves.
fn start_log(command: &Command) {
    let filter = EnvFilter::try_from_env("MEMDECK_LOG").unwrap_or_else(|_| {
        EnvFilter::new(if matches!(command, Command::Serve | Command::Agent | Command::Guard) {
            "info"
        } else {
            "off"
        })
    });
    // JSON has a line for each event too, with its fields and spans as data.
    let is_json = std::env::var("MEMDECK_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    let ansi = std::io::stderr().is_terminal() && !is_json;
    // It would say with `eprintln!` that the log cannot be written, and that panics where nobody reads either.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_target(false)
        .log_internal_errors(false);
    let queue = crate::log::Log::start();
    let problem = queue.as_ref().err().map(ToString::to_string);
    let writer = queue.map_or_else(|_| BoxMakeWriter::new(std::io::stderr), BoxMakeWriter::new);
    if is_json {
        log.json().flatten_event(true).with_writer(writer).init();
    } else {
        log.with_writer(writer).init();
    }
    if let Some(error) = problem {
        tracing::warn!(error, "the log has no thread of its own: logging now waits for its reader");
    }
}

/// Chooses the one provider of cryptography for every TLS client of the process; before the first client is made.
pub fn install_tls_provider() {
    // An error says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
