//! The end of a service: it waits for dumps, and for nothing else.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than any test: a stop that waits for a call into libvirt is seen by its time.
const LIBVIRT_TIMEOUT_S: &str = "300";
/// The stop itself takes 3 s; a busy machine may need a few more.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Ends the process also if an assertion fails.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_service_stops_at_once_while_libvirt_does_not_answer() {
    for role in ["serve", "agent"] {
        let dir = tempfile::tempdir().unwrap();
        // A daemon that takes connections and says nothing.
        let socket = dir.path().join("libvirt-sock");
        let daemon = UnixListener::bind(&socket).unwrap();
        let mut service = Service(
            Command::new(env!("CARGO_BIN_EXE_memdeck"))
                .arg(role)
                .env_clear()
                .env("HOME", dir.path())
                .env("STATE_DIR", dir.path().join("state"))
                .env("DUMP_DIR", dir.path().join("dumps"))
                .env("LIBVIRT_URI", format!("qemu+unix:///system?socket={}", socket.display()))
                .env("LIBVIRT_TIMEOUT", LIBVIRT_TIMEOUT_S)
                .env("MEMDECK_BIND", "127.0.0.1:0")
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let address = address_of(&mut service.0);
        let mut waiting = TcpStream::connect(&address).unwrap();
        let path = if role == "serve" { "/api/telemetry/live-vms" } else { "/api/guests" };
        write!(waiting, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let held = daemon.accept().unwrap();
        // One asks for versions, with which a service begins; one wants to be told of events; one is of this request. A look
        // at the guests may come on top.
        wait_until("three calls hang in libvirt", || threads_named(service.0.id(), "libvirt-call") >= 3);

        let asked = Instant::now();
        kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
        let status = service.0.wait().unwrap();
        assert!(asked.elapsed() < STOP_LIMIT, "{role} took {:?} to stop", asked.elapsed());
        assert!(status.success(), "{role}: {status}");
        let mut rest = Vec::new();
        let _ = waiting.read_to_end(&mut rest);
        drop(held);
    }
}

/// In a function of its own, because what is constant is no assertion.
fn has_points_to_hold_at() -> bool {
    cfg!(feature = "failpoints")
}

/// Whoever sends it again and again is heard at last; a service manager sends it once.
#[test]
fn a_signal_that_comes_while_a_service_starts_is_not_lost() {
    assert!(
        has_points_to_hold_at(),
        "this test needs points to hold at: build with --features memdeck/failpoints"
    );
    for role in ["serve", "agent"] {
        let dir = tempfile::tempdir().unwrap();
        let (state, release) = (dir.path().join("state"), dir.path().join("release"));
        let mut service = Service(
            Command::new(env!("CARGO_BIN_EXE_memdeck"))
                .arg(role)
                .env_clear()
                .env("HOME", dir.path())
                .env("STATE_DIR", &state)
                .env("DUMP_DIR", dir.path().join("dumps"))
                .env("LIBVIRT_URI", "test:///default")
                .env("MEMDECK_BIND", "127.0.0.1:0")
                .env("FAILPOINTS", format!("starting::taken=return({})", release.display()))
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        wait_until("it has its catalog", || state.join("reserve").exists());
        kill_process(Pid::from_child(&service.0), Signal::TERM).unwrap();
        std::fs::write(&release, "").unwrap();
        let asked = Instant::now();
        let status = service.0.wait().unwrap();
        assert!(asked.elapsed() < STOP_LIMIT, "{role} took {:?} to stop", asked.elapsed());
        assert!(status.success(), "{role}: {status}");
    }
}

/// A terminal that goes, and a service manager that cleans up, ask every process to end.
#[test]
fn the_guardian_outlives_the_signals_that_end_a_service() {
    let dir = tempfile::tempdir().unwrap();
    let mut guardian = Service(
        Command::new(env!("CARGO_BIN_EXE_memdeck"))
            .arg("guard")
            .env_clear()
            .env("HOME", dir.path())
            .env("LIBVIRT_URI", "test:///default")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let signals = [Signal::HUP, Signal::INT, Signal::TERM];
    let wanted = signals.iter().fold(0, |mask, signal| mask | 1_u64 << (signal.as_raw() - 1));
    wait_until("it decides itself what signals do", || caught(guardian.0.id()) & wanted == wanted);
    for signal in signals {
        kill_process(Pid::from_child(&guardian.0), signal).unwrap();
    }
    // It ends with the service, since no guest needs it.
    drop(guardian.0.stdin.take());
    let status = guardian.0.wait().unwrap();
    assert!(status.success(), "{status}");
}

/// The signals for which a process has code of its own.
fn caught(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

fn threads_named(process: u32, name: &str) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let names = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::yield_now();
    }
}

/// Where a service says it answers.
fn address_of(service: &mut Child) -> String {
    let log = BufReader::new(service.stderr.take().unwrap());
    let mut lines = log.lines().map_while(Result::ok);
    let ready = lines.by_ref().find(|line| line.contains(" ready")).expect("a service that starts");
    let (_, url) = ready.split_once("http://").unwrap();
    let address = url.split(['"', ' ']).next().unwrap().to_owned();
    // What is written later must not meet a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    address
}
