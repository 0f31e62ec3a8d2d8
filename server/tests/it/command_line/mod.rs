//! The program as a shell sees it.

mod catalog;
mod every;
mod images;
mod settings;
mod signing;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::program::memdeck;

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A pipe whose reader has gone, as that of `| head -1` has after the first line.
fn without_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_goes_ends_no_command_with_a_panic() {
    let image = stored_with_the_sources("frozen_with-page-map");
    let image = image.to_str().unwrap();
    for (arguments, code) in [
        (&["config"][..], 0),
        (&["config", "--help"], 0),
        (&["inspect", image], 0),
        (&["inspect", "--json", image], 0),
        (&["verify", image], 0),
        (&["verify", "--json", image], 0),
        (&["export", image, "-o", "-"], 141),
        (&["dump", "web-09"], 1),
        (&["dump", "--json", "web-09"], 1),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = memdeck(dir.path()).args(arguments).stdout(without_reader()).output().unwrap();
        assert_eq!(text(&output), (Some(code), String::new(), String::new()), "{arguments:?}");
        // And where whoever read both has gone (`2>&1 | head -1`).
        let dir = tempfile::tempdir().unwrap();
        let mut command = memdeck(dir.path());
        command.args(arguments).stdout(without_reader()).stderr(without_reader());
        assert_eq!(command.status().unwrap().code(), Some(code), "{arguments:?}");
    }
    // Failures are told on standard error, and wrong usage before anything is configured.
    for (arguments, code) in [(&["verify", "nothing.elf.zst"][..], 1), (&["frobnicate"], 2)] {
        let dir = tempfile::tempdir().unwrap();
        let ended = memdeck(dir.path()).args(arguments).stderr(without_reader()).status().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_service_whose_log_nobody_reads_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut serve = memdeck(dir.path());
    serve
        .arg("serve")
        .env("MEMDECK_BIND", "127.0.0.1:0")
        .env("MEMDECK_LOG", "trace")
        .stderr(without_reader());
    let mut serve = serve.spawn().unwrap();
    let begun = Instant::now();
    let is_ready =
        || std::fs::read_to_string(dir.path().join("state/lock")).is_ok_and(|lock| lock.contains("http://"));
    while !is_ready() {
        assert!(serve.try_wait().unwrap().is_none(), "it ended at its first word");
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not get ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&serve);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
}

/// What `serve` prints, by `how` it is started, until its service has a URL and was stopped.
fn printed_by_serve(home: &Path, mut how: Command) -> String {
    let mut child = how.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let holder = loop {
        match memdeck_catalog::holder_of(&home.join("state")) {
            Some(holder) if holder.url.is_some() => break holder,
            _ => assert!(begun.elapsed() < Duration::from_mins(1), "it does not get ready"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // What it prints comes right after that.
    let mut stats =
        TcpStream::connect(holder.url.unwrap().trim_matches('/').rsplit('/').next().unwrap()).unwrap();
    stats.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stats.read_to_end(&mut Vec::new()).unwrap();
    let pid = rustix::process::Pid::from_raw(holder.pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    child.wait().unwrap();
    printed
}

#[test]
fn a_service_prints_a_link_to_sign_in_on_a_terminal_and_into_no_pipe() {
    let home = tempfile::tempdir().unwrap();
    let mut serve = memdeck(home.path());
    serve.arg("serve").env("MEMDECK_BIND", "127.0.0.1:0");
    let mut on_a_terminal = Command::new("script");
    let line = format!("{} serve", serve.get_program().to_str().unwrap());
    on_a_terminal.args(["-q", "-e", "-c", &line, "/dev/null"]).current_dir(home.path()).env_clear();
    on_a_terminal.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    on_a_terminal.env("PATH", "/usr/bin:/bin");
    let printed = printed_by_serve(home.path(), on_a_terminal);
    assert!(printed.contains("http://127.0.0.1:") && printed.contains("/sign-in#code="), "{printed:?}");
    assert_eq!(printed_by_serve(home.path(), serve), "");
}

#[test]
fn a_failed_dump_says_why_and_is_recorded_as_failed() {
    let dir = tempfile::tempdir().unwrap();
    let output = memdeck(dir.path()).args(["dump", "web-09", "--json"]).output().unwrap();
    let (code, stdout, stderr) = text(&output);
    assert_eq!(code, Some(1), "{stderr}");
    let reply: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(reply["dumps"][0]["message"], "no VM 'web-09' on test:///default");
    assert_eq!(reply["dumps"][0]["job_state"], "failed");
}

/// A small image that is stored with the sources.
fn stored_with_the_sources(name: &str) -> PathBuf {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/image/tests/images");
    images.join(format!("{name}.elf.zst"))
}

fn assert_says(printed: &str, expected: &[&str]) {
    for sentence in expected {
        assert!(printed.contains(sentence), "{sentence} is not in:\n{printed}");
    }
}

#[test]
fn wrong_usage_is_code_2() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["dump"][..],
        &["verify"],
        &["frobnicate"],
        &["dump", ""],
        &["serve", "--nothing"],
        &["verify", "x", "--sample", "0"],
    ] {
        let output = memdeck(dir.path()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {:?}", text(&output));
    }
}
