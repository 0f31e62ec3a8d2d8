//! `memdeck inside`, and the process that reads the image.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult};
use memdeck_model::{
    GuestProcess, Inside, InsideProblem, InsideProblemKind, InsideTable, ProcessKind, other_readers,
};
use memdeck_operations::blocking;
use memdeck_study::inside::{InsideLimits, InsideRequest};

use super::named_image::{self, NamedImage};
use super::recorded::Recorded;
use super::taking::{self, Taking};
use super::{Exit, Failure, Output};
use crate::cli::InsideArgs;
use crate::config::Config;

/// This very program, also where its file was replaced or removed since.
const THIS_PROGRAM: &str = "/proc/self/exe";

pub async fn run(config: &Config, args: &InsideArgs) -> Result<Exit, Failure> {
    let image = named_image::find(config, &args.image)?;
    let limits = InsideLimits { wall_seconds: args.time_limit, ..InsideLimits::default() };
    let asked = taking::by("inside", None);
    let taking = Taking::begin(config, &[&image], AuditAction::InsideShown, asked)?;
    let inside = inside_of(image, limits).await;
    let (result, details) = end_of(inside.as_ref().err());
    taking.end(result, &details);
    let inside = match inside {
        // It says whose a place is, and is kept for that alone.
        Ok(inside) => Inside { mapped: None, ..inside },
        Err(problem) => return refused(&problem, &args.image),
    };
    let mut output = Output::default();
    if args.json {
        output.json(&inside)?;
    } else {
        output.text(told(&inside))?;
    }
    Ok(Exit::Done)
}

/// What is inside of the guest whose image this is. Ctrl-C stops it.
pub async fn inside_of(image: NamedImage, limits: InsideLimits) -> Result<Inside, InsideProblem> {
    let record = match image.recorded {
        Recorded::By(record) => Some(record),
        Recorded::Unknown(_) => None,
    };
    let request = InsideRequest { image: image.path, record, limits };
    let is_stopped = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&is_stopped);
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    });
    let read = blocking(move || {
        memdeck_study::inside::run(Path::new(THIS_PROGRAM), &request, &|| is_stopped.load(Ordering::Relaxed))
    })
    .await;
    interrupt.abort();
    read
}

/// How the audit says that a reading ended.
pub fn end_of(problem: Option<&InsideProblem>) -> (AuditResult, AuditDetails) {
    match problem {
        None => (AuditResult::Succeeded, AuditDetails::default()),
        Some(problem) if problem.kind == InsideProblemKind::Stopped => {
            (AuditResult::Cancelled, AuditDetails::default())
        }
        Some(problem) => (AuditResult::Failed, AuditDetails::because(&problem.message)),
    }
}

/// How the command ends that could not read the image of this name.
pub fn refused(problem: &InsideProblem, image: &Path) -> Result<Exit, Failure> {
    if problem.kind == InsideProblemKind::Stopped {
        return Ok(Exit::Interrupted);
    }
    let mut text = problem.message.to_string();
    if problem.kind == InsideProblemKind::NoKernel {
        text.push_str("\nOther readers of memory images know more systems:");
        for command in other_readers(&image.display().to_string()) {
            // Writing to a string does not fail.
            let _ = write!(text, "\n    {command}");
        }
    }
    Err(Failure::new(text))
}

/// The process in which the image is read.
pub fn read() -> Result<Exit, Failure> {
    memdeck_study::inside::answer(at_start).map_err(|error| Failure::new(error.to_string()))?;
    Ok(Exit::Done)
}

/// A named point where a test lets this process fail.
fn at_start() {
    // `panic` and `sleep` come with the crate; `return` takes memory until there is none.
    fail::fail_point!("inside::start", |_| {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        while taken.len() < 1 << 20 {
            taken.push(vec![1; 1 << 20]);
        }
    });
}

fn told(inside: &Inside) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11}  {value}");
    };
    let guest = inside.guest.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string);
    let taken = inside.taken_at.map(|at| format!(", dumped {at}")).unwrap_or_default();
    line("guest", &format!("{guest}{taken}"));
    let system = &inside.system;
    let known = |text: &Option<memdeck_model::GuestText>| {
        text.as_ref().map_or_else(|| "not known".to_owned(), ToString::to_string)
    };
    line("host name", &known(&system.host_name));
    line("kernel", &format!("{} {}", known(&system.kernel), known(&system.kernel_build)));
    match (&system.booted_at, &system.booted_at_missing) {
        (Some(at), _) => line("booted", &at.to_string()),
        (None, Some(missing)) => line("booted", &missing.message.to_string()),
        (None, None) => line("booted", "not known"),
    }
    let hidden = inside.processes.rows.iter().filter(|process| process.hidden).count();
    let compared = if inside.lists_compared {
        format!("{hidden} of them in one of the kernel's two lists only")
    } else {
        "the kernel's second list of them was not found, so hidden ones cannot be told".to_owned()
    };
    line("processes", &format!("{}; {compared}", counted(&inside.processes)));
    for row in inside.tree() {
        let indent = "  ".repeat(row.depth);
        let _ = writeln!(text, "  {:>7}  {indent}{}", row.process.pid, told_process(row.process));
    }
    section(&mut text, "modules", &inside.modules, |module| {
        let version = module.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        format!("{}{version}{}", module.name, if module.taints { "  taints the kernel" } else { "" })
    });
    section(&mut text, "interfaces", &inside.interfaces, |interface| {
        let addresses: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
        let [hardware, state] = [&interface.hardware_address, &interface.state]
            .map(|text| text.as_ref().map(|text| format!("  {text}")).unwrap_or_default());
        format!("{}{state}{hardware}  {}", interface.name, addresses.join(" "))
    });
    section(&mut text, "connections", &inside.connections, |connection| {
        let [local, remote, state] = [&connection.local, &connection.remote, &connection.state]
            .map(|text| text.as_ref().map_or("-", memdeck_model::GuestText::as_str));
        format!("{}  {local}  {remote}  {state}", connection.protocol)
    });
    section(&mut text, "open files", &inside.open_files, |file| {
        format!("{:>7}  {:>4}  {}", file.pid, file.descriptor, file.path)
    });
    section(&mut text, "kernel log", &inside.kernel_log, |line| {
        format!("[{:>5}.{:06}] {}", line.at_us / 1_000_000, line.at_us % 1_000_000, line.text)
    });
    text
}

fn counted<T>(table: &InsideTable<T>) -> String {
    let mut text = table.rows.len().to_string();
    for (count, what) in [(table.further, "more are not listed"), (table.unreadable, "could not be read")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

fn section<T>(text: &mut String, name: &str, table: &InsideTable<T>, row: impl Fn(&T) -> String) {
    let told = match &table.missing {
        Some(missing) => missing.message.to_string(),
        None => counted(table),
    };
    let _ = writeln!(text, "{name:<11}  {told}");
    for it in &table.rows {
        let _ = writeln!(text, "  {}", row(it).trim_end());
    }
}

pub fn told_process(process: &GuestProcess) -> String {
    let mut text = match (&process.command_line, process.kind) {
        (Some(command), _) => command.to_string(),
        (None, ProcessKind::Kernel) => format!("[{}]", process.name),
        (None, ProcessKind::User) => process.name.to_string(),
        (None, ProcessKind::Ended) => format!("{} (ended)", process.name),
    };
    if process.hidden {
        text.push_str("  HIDDEN");
    }
    text
}
