//! A running memdeck.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::log::{FullLog, LogReader};
use super::{GENEROUS_PAUSE_MS, Home, PATIENCE};

/// A running `memdeck serve` or `memdeck agent`, ended when it is dropped.
pub struct Service {
    child: Child,
    pub url: String,
    /// What it said until then.
    pub said: String,
    http: reqwest::blocking::Client,
    log: LogReader,
}

impl Service {
    /// Starts it on a free port and waits until it says where it answers.
    pub fn start(home: &Home, role: &str, variables: &[(&str, &str)]) -> Self {
        memdeck::commands::install_tls_provider();
        let mut command = home.memdeck(&[role]);
        command.env("MEMDECK_BIND", "127.0.0.1:0").envs(variables.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let url = loop {
            let Some(line) = log.next() else {
                let status = child.wait().unwrap();
                panic!("memdeck {role} ended before it was ready, with {status}:\n{said}");
            };
            let line = line.unwrap();
            said.push_str(&line);
            said.push('\n');
            if line.contains(" ready ") || line.contains(" degraded: ") {
                let url = line.split("url=\"").nth(1).and_then(|rest| rest.split('"').next());
                break url.unwrap_or_else(|| panic!("no URL in: {line}")).to_owned();
            }
        };
        let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
        Self { child, url, said, http, log: LogReader::start(log) }
    }

    /// Lets nobody read the log, whose pipe is full, until the value is dropped.
    pub fn fill_log(&self) -> FullLog {
        // A way of its own to the pipe, for one that does not wait.
        let mut options = std::fs::OpenOptions::new();
        options.write(true).custom_flags(libc::O_NONBLOCK);
        let mut pipe = options.open(format!("/proc/{}/fd/2", self.child.id())).unwrap();
        self.log.pause(&mut pipe);
        for size in [4096, 1] {
            while pipe.write(&vec![b'.'; size]).is_ok() {}
        }
        let full = pipe.write(b".").unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
        self.log.full()
    }

    /// SIGSTOP to the whole process. SIGKILL and [`Drop`] end it all the same.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGHUP: it reads tokens and certificates anew.
    pub fn reload(&self) {
        self.signal(Signal::HUP);
    }

    /// SIGTERM; no new connection is taken any more when this returns.
    pub fn begin_to_end(&self) {
        self.signal(Signal::TERM);
        let address = self.url.strip_prefix("http://").unwrap();
        let begun = Instant::now();
        while TcpStream::connect(address).is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it does not hear of SIGTERM");
        }
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().unwrap().json().unwrap()
    }

    /// Status, headers and JSON body of an answer.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> (u16, reqwest::header::HeaderMap, Value) {
        let method = method.parse().unwrap();
        let answer = self.http.request(method, format!("{}{path}", self.url)).json(body).send().unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.json().unwrap())
    }

    pub fn trigger(&self, vms: &[&str]) -> Value {
        self.ask(&json!({"vms": vms}))
    }

    /// Asks for a dump in a mode, with a generous pause budget.
    pub fn trigger_as(&self, vms: &[&str], mode: &str) -> Value {
        self.ask(&json!({"vms": vms, "mode": mode, "pause_budget_ms": GENEROUS_PAUSE_MS}))
    }

    pub fn trigger_frozen(&self, vms: &[&str]) -> Value {
        self.ask(&json!({"vms": vms, "mode": "frozen"}))
    }

    pub fn ask(&self, body: &Value) -> Value {
        let request = self.http.post(format!("{}/api/memory-dumps/trigger", self.url)).json(body);
        request.send().unwrap().json().unwrap()
    }

    pub fn cancel(&self, dump_id: &str) {
        let url = format!("{}/api/memory-dumps/cancel/{dump_id}", self.url);
        let answer = self.http.post(url).json(&json!({})).send().unwrap();
        assert_eq!(answer.status(), 202);
    }

    /// Asks again and again until `wanted` gives something.
    pub fn wait<T>(&self, path: &str, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if let Some(found) = wanted(&answer) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} after {PATIENCE:?}: {answer}");
        }
    }

    /// As [`Self::wait`], while nobody may listen for a moment.
    pub fn wait_through_a_new_listener<T>(&self, path: &str, wanted: impl Fn(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let answer = self.http.get(format!("{}{path}", self.url)).send();
            if let Some(found) = answer.ok().and_then(|answer| wanted(&answer.json().unwrap())) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} does not come to that in {PATIENCE:?}");
        }
    }

    /// Waits until the newest dump of `vm` has ended.
    pub fn wait_for_end(&self, vm: &str) -> Value {
        self.wait(&format!("/api/memory-dumps/status/{vm}"), "end of the dump", |status| {
            matches!(status["job_state"].as_str(), Some("completed" | "failed" | "cancelled"))
                .then(|| status.clone())
        })
    }

    /// SIGKILL: nothing of the process runs any more when this returns.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: gives the exit code.
    pub fn terminate(self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait_for_exit().code()
    }

    /// Waits for an end that somebody else has brought about.
    pub fn wait_for_exit(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only our own child; a failure means that it has ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
