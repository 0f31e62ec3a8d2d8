//! Runs a document: its blocks, in order, in one shell, in a home and a network of their own.
//!
//! The network has a loopback interface and nothing else, so the documents can name the ports that memdeck has by
//! default, whatever else listens on this machine.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::output;
use super::plan::{self, Kind, Language, Step};
use crate::markdown;

/// How long a document may take; less than what the runner of the tests allows (`.config/nextest.toml`), so that nothing
/// is left running.
const TIME_LIMIT: Duration = Duration::from_mins(7);
/// How long what a document started may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Runs the document `text`.
///
/// # Errors
/// A block fails, or prints something else than the document shows: the message names the line.
pub fn document(text: &str) -> Result<(), String> {
    let steps = plan::steps(&markdown::blocks(text)?)?;
    let place = Place::make(&steps);
    let status = place.run();
    if !status.success() {
        return Err(place.failure(&steps, status));
    }
    let mut differences = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let (printed, remarks) = (place.output(index, "out"), place.output(index, "err"));
        for shown in &step.shown {
            if let Err(why) = output::compare(shown, &printed, &remarks) {
                differences.push(format!("line {}: {why}\nprinted:\n{printed}{remarks}", shown.line));
            }
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

/// Where a document is run.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// Writes the steps, and the shell script that takes them in turn.
    fn make(steps: &[Step]) -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for dir in [place.steps(), place.home()] {
            std::fs::create_dir(dir).unwrap();
        }
        let mut script = "set -euo pipefail\nip link set lo up\nexec </dev/null\n".to_owned();
        for (index, step) in steps.iter().enumerate() {
            let (suffix, command) = match step.kind {
                Kind::Shell | Kind::Service => ("sh", "source"),
                Kind::Program(Language::Python) | Kind::Setup(Language::Python) => ("py", "python3"),
                Kind::Program(Language::JavaScript) | Kind::Setup(Language::JavaScript) => ("mjs", "node"),
                Kind::Configuration => ("toml", "memdeck config --config"),
                Kind::Proxy => ("nginx", "nginx -t -q -e stderr -p . -c"),
                Kind::Json | Kind::Text => unreachable!("not a step"),
            };
            let file = place.steps().join(format!("{index}.{suffix}"));
            std::fs::write(&file, &step.program).unwrap();
            let (out, err) = (place.file(index, "out"), place.file(index, "err"));
            let (file, out, err) = (file.display(), out.display(), err.display());
            let now = place.now();
            writeln!(script, "echo {index} >{}", now.display()).unwrap();
            match step.kind {
                Kind::Service => writeln!(
                    script,
                    "( source {file} ) >{out} 2>{err} &\nservice=$!\n\
                     until grep -qs ' ready ' {err}; do kill -0 $service 2>/dev/null; sleep 0.1; done"
                ),
                _ => writeln!(script, "{command} {file} >{out} 2>{err}"),
            }
            .unwrap();
        }
        std::fs::write(place.script(), script).unwrap();
        place
    }

    fn steps(&self) -> PathBuf {
        self.dir.path().join("steps")
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn script(&self) -> PathBuf {
        self.dir.path().join("script")
    }

    /// Tells which step is under way.
    fn now(&self) -> PathBuf {
        self.dir.path().join("now")
    }

    fn file(&self, index: usize, stream: &str) -> PathBuf {
        self.steps().join(format!("{index}.{stream}"))
    }

    fn output(&self, index: usize, stream: &str) -> String {
        let bytes = std::fs::read(self.file(index, stream)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn run(&self) -> ExitStatus {
        let program = Path::new(env!("CARGO_BIN_EXE_memdeck")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("unshare");
        command.args(["--net", "bash"]).arg(self.script()).current_dir(self.home());
        command.env_clear().env("PATH", path).env("HOME", self.home()).env("LANG", "C.UTF-8");
        command.stdin(Stdio::null()).process_group(0);
        Group { leader: command.spawn().unwrap() }.wait()
    }

    fn failure(&self, steps: &[Step], status: ExitStatus) -> String {
        let now = std::fs::read_to_string(self.now()).unwrap_or_default();
        let Ok(index) = now.trim().parse::<usize>() else {
            return format!(
                "no block was run ({status}): is this a test of root, and is iproute2 installed?"
            );
        };
        let (out, err) = (self.output(index, "out"), self.output(index, "err"));
        format!("line {}: the block ended with {status} and printed:\n{out}{err}", steps[index].line)
    }
}

/// A process with everything that it started.
struct Group {
    leader: Child,
}

impl Group {
    fn wait(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.leader.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > TIME_LIMIT {
                self.leader.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn id(&self) -> Pid {
        Pid::from_child(&self.leader)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What has ended already cannot be told to.
        let _ended = kill_process_group(self.id(), Signal::TERM);
        let begun = Instant::now();
        while test_kill_process_group(self.id()).is_ok() {
            // The leader, where it was not waited for, is there until it is.
            let _status = self.leader.try_wait();
            if begun.elapsed() > END_LIMIT {
                let _ended = kill_process_group(self.id(), Signal::KILL);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
