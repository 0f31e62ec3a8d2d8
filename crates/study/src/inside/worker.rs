//! The process in which images are read: how it is started, confined, asked and ended.
//!
//! ```text
//!      run                                       answer
//!       ├── starts the program again ──────────────►│
//!       ├── stdin: InsideRequest (JSON) ───────────►│ confines itself, reads the image
//!       │◄── stdout: Inside or InsideProblem (JSON)─┤
//!       └── ends it: too late, too long an answer, or nobody wants it any more
//! ```
//!
//! Whatever becomes of it is a sentence: a panic, a signal, a limit.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use memdeck_model::{Inside, InsideProblem, InsideProblemKind, Record};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};

/// The hidden subcommand that calls [`answer`].
pub const READ_INSIDE_SUBCOMMAND: &str = "read-inside";

/// A request is a record and a path.
const MOST_REQUEST_BYTES: u64 = 1 << 20;
/// The largest answer that the bounds of its tables allow is less.
const MOST_ANSWER_BYTES: u64 = 64 << 20;
/// Between two questions whether anybody still wants it.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;
/// Dumps and guests go before it.
const NICENESS: i32 = 10;

/// What the process may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsideLimits {
    /// Seconds until it is ended.
    pub wall_seconds: u64,
    /// Seconds of processors, all threads together.
    pub cpu_seconds: u64,
    /// MiB of memory, not counting the unpacked image, which is a file.
    pub memory_mib: u64,
    /// MiB of the unpacked image; never more than half of what is free on its volume.
    pub unpacked_mib: u64,
}

impl Default for InsideLimits {
    fn default() -> Self {
        Self { wall_seconds: 300, cpu_seconds: 600, memory_mib: 512, unpacked_mib: u64::MAX >> 20 }
    }
}

/// What the process is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InsideRequest {
    /// The stored image.
    pub image: PathBuf,
    /// The record of its dump, which it must agree with, where there is one.
    pub record: Option<Box<Record>>,
    /// What it may take.
    pub limits: InsideLimits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Inside(Box<Inside>),
    Problem(InsideProblem),
}

/// Reads an image in a process of its own, `program`, which must call [`answer`] for its subcommand
/// [`READ_INSIDE_SUBCOMMAND`]. Blocks the calling thread; the process ends when that thread does.
///
/// # Errors
/// Nothing was read, and why.
pub fn run(
    program: &Path,
    request: &InsideRequest,
    is_unwanted: &dyn Fn() -> bool,
) -> Result<Inside, InsideProblem> {
    let no_process = |what: &str, error: &dyn std::fmt::Display| {
        InsideProblem::new(
            InsideProblemKind::Process,
            format!("the process that reads the image {what}: {error}"),
        )
    };
    let asked = serde_json::to_vec(request).map_err(|error| no_process("cannot be asked", &error))?;
    let mut child = Command::new(program)
        .arg(READ_INSIDE_SUBCOMMAND)
        .env_remove("MEMDECK_CONFIG")
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| no_process("cannot be started", &error))?;
    // One that is gone already does not read it; what became of it is found below.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(&asked));
    let (send, answers) = mpsc::channel();
    let stdout = child.stdout.take();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.map(|stdout| stdout.take(MOST_ANSWER_BYTES + 1).read_to_end(&mut bytes));
        // Nobody may want it any more.
        let _ = send.send(read.transpose().map(|_| bytes));
    });
    let end = Instant::now() + Duration::from_secs(request.limits.wall_seconds);
    let answer = loop {
        match answers.recv_timeout(LOOK_INTERVAL) {
            Ok(answer) => break answer.map_err(|error| no_process("cannot be heard", &error)),
            Err(RecvTimeoutError::Disconnected) => break Ok(Vec::new()),
            Err(RecvTimeoutError::Timeout) if is_unwanted() => {
                break Err(InsideProblem::new(InsideProblemKind::Stopped, "reading the image was stopped"));
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() > end => {
                break Err(too_long(request.limits.wall_seconds));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(problem) => {
            end_child(&mut child);
            return Err(problem);
        }
    };
    if u64::try_from(answer.len()).is_ok_and(|length| length > MOST_ANSWER_BYTES) {
        end_child(&mut child);
        return Err(InsideProblem::new(InsideProblemKind::Process, "the answer is longer than it may be"));
    }
    // Its standard output is closed; one that does not end is ended.
    let status = wait(&mut child, end.max(Instant::now() + LOOK_INTERVAL));
    match status {
        Ok(Some(status)) if status.success() => match serde_json::from_slice(&answer) {
            Ok(Answer::Inside(inside)) => Ok(*inside),
            Ok(Answer::Problem(problem)) => Err(problem),
            Err(error) => Err(no_process("gave an answer that cannot be used", &error)),
        },
        Ok(Some(status)) => Err(fate(status, request.limits)),
        Ok(None) => {
            end_child(&mut child);
            Err(too_long(request.limits.wall_seconds))
        }
        Err(error) => {
            end_child(&mut child);
            Err(no_process("cannot be waited for", &error))
        }
    }
}

fn wait(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() > end {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn end_child(child: &mut Child) {
    // It may have ended meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

fn too_long(seconds: u64) -> InsideProblem {
    InsideProblem::new(
        InsideProblemKind::Time,
        format!("the image was not read within {seconds} seconds, and reading it was ended"),
    )
}

/// What became of a process that gave no answer.
fn fate(status: ExitStatus, limits: InsideLimits) -> InsideProblem {
    let signal = status.signal().and_then(Signal::from_named_raw);
    let (kind, sentence) = match (status.code(), signal) {
        (Some(PANICKED), _) => {
            (InsideProblemKind::Fault, "the program that reads the image met a fault and ended".to_owned())
        }
        (_, Some(Signal::XCPU)) => (
            InsideProblemKind::Time,
            format!(
                "reading the image took more than {} seconds of processors, and was ended",
                limits.cpu_seconds
            ),
        ),
        // A Rust program aborts when it gets no memory.
        (_, Some(Signal::ABORT)) => (
            InsideProblemKind::Memory,
            format!("reading the image takes more than the {} MiB of memory that it may", limits.memory_mib),
        ),
        (_, Some(Signal::KILL)) => (
            InsideProblemKind::Memory,
            "the process that read the image was killed; the machine may be short of memory".to_owned(),
        ),
        _ => (
            InsideProblemKind::Fault,
            format!("the process that read the image ended unexpectedly: {status}"),
        ),
    };
    InsideProblem::new(kind, sentence)
}

/// Answers [`run`]: the whole work of its process. `at_start` is called when the limits hold.
///
/// # Errors
/// The request cannot be read, the limits cannot be set, or nobody reads the answer.
pub fn answer(at_start: impl FnOnce()) -> io::Result<()> {
    let parent = rustix::process::getppid();
    let mut asked = Vec::new();
    io::stdin().take(MOST_REQUEST_BYTES).read_to_end(&mut asked)?;
    let InsideRequest { image, record, limits } = serde_json::from_slice(&asked)?;
    confine(limits, parent)?;
    at_start();
    let answer = match super::read(&image, record.as_deref(), limits.unpacked_mib.saturating_mul(1 << 20)) {
        Ok(inside) => Answer::Inside(Box::new(inside)),
        Err(problem) => Answer::Problem(problem),
    };
    let mut out = io::BufWriter::new(io::stdout());
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

fn confine(limits: InsideLimits, parent: Option<Pid>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != parent {
        return Err(io::Error::other("the process that asked is gone"));
    }
    let limit = |resource, most: u64| {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    };
    limit(Resource::Data, limits.memory_mib.saturating_mul(1 << 20))?;
    limit(Resource::Core, 0)?;
    let cpu =
        Rlimit { current: Some(limits.cpu_seconds), maximum: Some(limits.cpu_seconds.saturating_add(5)) };
    rustix::process::setrlimit(Resource::Cpu, cpu)?;
    // Both are courtesies: where they are refused, the limits hold all the same.
    let _ = rustix::process::nice(NICENESS);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}
