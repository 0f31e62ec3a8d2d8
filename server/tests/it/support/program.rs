//! The program itself, as a process that listens on loopback. Its hypervisor is libvirt's test driver, which lists
//! guests and dumps none.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const PATIENCE: Duration = Duration::from_secs(30);

/// The command on a home of its own. Nothing of the surrounding configuration reaches it.
pub fn memdeck(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_memdeck"));
    command
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("STATE_DIR", home.join("state"))
        .env("DUMP_DIR", home.join("dumps"))
        .env("LIBVIRT_URI", "test:///default");
    command
}

/// A running service; killed when dropped.
pub struct Running {
    child: Child,
    pub url: String,
    lines: Arc<Mutex<Vec<String>>>,
    log: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts `memdeck serve` and waits until it says where it answers.
    pub fn serve(home: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = memdeck(home);
        command.arg("serve").env("MEMDECK_BIND", "127.0.0.1:0").envs(variables.iter().copied());
        Self::start(command)
    }

    /// Starts `memdeck agent` and waits until it says where it answers.
    pub fn agent(home: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = memdeck(home);
        command.arg("agent").env("MEMDECK_BIND", "127.0.0.1:0").envs(variables.iter().copied());
        Self::start(command)
    }

    /// The same, where the system allows so many descriptors and no more.
    pub fn serve_with_descriptors(home: &Path, count: u32, variables: &[(&str, &str)]) -> Self {
        Self::serve_within(home, [count, count], variables)
    }

    /// The same, with so many descriptors at first, and as many as it may have if it asks for them.
    pub fn serve_within(home: &Path, [soft, hard]: [u32; 2], variables: &[(&str, &str)]) -> Self {
        let mut command = memdeck(home);
        command.arg("serve").envs(variables.iter().copied());
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={soft}:{hard}")).arg(command.get_program()).args(command.get_args());
        limited.current_dir(home).env_clear().env("PATH", "/usr/bin:/bin").env("MEMDECK_BIND", "127.0.0.1:0");
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Self::start(limited)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut before = Vec::new();
        let url = loop {
            let line = lines.next().unwrap_or_else(|| panic!("memdeck ended: {before:?}"));
            let says_where = line.contains(" ready ") || line.contains(" degraded: ");
            let url = line.split_once(" url=\"").filter(|_| says_where);
            let url = url.and_then(|(_, rest)| rest.split_once('"'));
            let url = url.map(|(url, _)| url.to_owned());
            before.push(line);
            if let Some(url) = url {
                break url;
            }
        };
        // A log that nobody reads would block the process once the pipe is full.
        let kept = Arc::new(Mutex::new(before));
        let log = std::thread::spawn({
            let kept = Arc::clone(&kept);
            move || lines.for_each(|line| kept.lock().push(line))
        });
        Self { child, url, lines: kept, log: Some(log) }
    }

    /// SIGTERM; its exit code and what it logged.
    pub fn stop(mut self) -> (Option<i32>, String) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        if let Some(log) = self.log.take() {
            log.join().unwrap();
        }
        (code, self.lines.lock().join("\n"))
    }

    /// Waits until it has logged a line with this text.
    pub fn until_logged(&self, text: &str) {
        let begun = Instant::now();
        while !self.lines.lock().iter().any(|line| line.contains(text)) {
            assert!(begun.elapsed() < PATIENCE, "no line with {text:?}: {:?}", self.lines.lock());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
