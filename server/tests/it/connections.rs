//! Real connections to the real program: many of them, half-sent requests, heads that are too large.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::program::Running;

/// Sends something and keeps the connection.
fn connected(address: &str, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    stream
}

fn status_of(address: &str, path: &str) -> String {
    let mut stream =
        connected(address, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Whether the service takes a connection, and answers.
fn is_answered(address: &str, path: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    let asked = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    asked.is_ok() && answer.starts_with("HTTP/1.1 200")
}

#[test]
fn half_sent_requests_take_no_descriptor_that_the_service_needs() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve_with_descriptors(home.path(), 1024, &[]);
    let address = running.url.strip_prefix("http://").unwrap();
    // Each of ours is one too many: what never asked anything gives way.
    let half: Vec<TcpStream> =
        (0..1100).map(|_| connected(address, "GET /healthz HTTP/1.1\r\nHost: ")).collect();
    for path in ["/healthz", "/api/memory-dumps/records", "/api/telemetry/live-vms"] {
        assert_eq!(status_of(address, path), "200", "{path}");
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", running.id())).unwrap().count();
    assert!(open < 1024 - 256, "{open} descriptors are open");
    drop(half);
    assert_eq!(running.stop().0, Some(0));
}

/// Another local user needs no token for a form that nobody reads to its end, nor for the files of the page.
#[test]
fn half_sent_bodies_and_answers_that_nobody_takes_keep_nobody_out() {
    const FLOOD: usize = 100;
    let home = tempfile::tempdir().unwrap();
    let site = home.path().join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "<title>x</title>").unwrap();
    std::fs::write(site.join("memdeck-0123456789abcdef.js"), vec![b' '; 32 << 20]).unwrap();
    // 64 connections in all, 32 of one address.
    let running = Running::serve_with_descriptors(home.path(), 256, &[("SITE_DIR", site.to_str().unwrap())]);
    let address = running.url.strip_prefix("http://").unwrap();
    let form = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Content-Length: 1000\r\n\r\nt";
    let file = "GET /memdeck-0123456789abcdef.js HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, sent) in [("half-sent bodies", form), ("answers that nobody takes", file)] {
        // Those that are refused are no harm either.
        let flood: Vec<TcpStream> = (0..FLOOD)
            .map(|_| TcpStream::connect(address).unwrap())
            .inspect(|mut stream| drop(stream.write_all(sent.as_bytes())))
            .collect();
        // An answer is under way until the system holds no more of it.
        let deadline = Instant::now() + Duration::from_secs(15);
        for path in ["/healthz", "/api/memory-dumps/records", "/api/telemetry/live-vms"] {
            while !is_answered(address, path) {
                assert!(Instant::now() < deadline, "{what}: {path}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        drop(flood);
    }
    assert_eq!(running.stop().0, Some(0));
}

#[test]
fn the_limit_of_descriptors_is_raised_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve_within(home.path(), [256, 4096], &[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().skip(3).take(2).collect::<Vec<_>>(), ["4096", "4096"], "{files}");
}

/// The memory that a process has, in KiB.
fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn heads_that_many_clients_do_not_end_take_little_memory() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve_within(home.path(), [4096, 4096], &[]);
    let address = running.url.strip_prefix("http://").unwrap();
    assert_eq!(status_of(address, "/healthz"), "200");
    let before = resident_kib(running.id());
    // As much as each may send, and then as much as somebody would who knows no limit.
    let most = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nx-large: {}", "x".repeat(31_000));
    let more = vec![b'x'; 360_000];
    let flood: Vec<TcpStream> = (0..400).map(|_| connected(address, &most)).collect();
    for mut stream in &flood {
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        // It may be refused by now.
        let _ = stream.write(&more);
    }
    assert_eq!(status_of(address, "/healthz"), "200");
    let grown = resident_kib(running.id()).saturating_sub(before);
    assert!(grown < 100 << 10, "400 heads take {grown} KiB");
    drop(flood);
}

#[test]
fn a_head_that_is_too_large_is_refused_before_it_is_all_there() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let address = running.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nx-large: {}", "x".repeat(390_000));
    // The service may have closed before all is sent.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(status_of(address, "/healthz"), "200");
}

#[test]
fn whoever_does_not_go_on_with_a_request_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::serve(home.path(), &[]);
    let address = running.url.strip_prefix("http://").unwrap();
    let body = "POST /api/memory-dumps/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\n\r\n{";
    let begun = Instant::now();
    for sent in ["", "GET /healthz HTT", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nx: ", body] {
        let mut stream = connected(address, sent);
        stream.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
        let mut answer = Vec::new();
        // It ends, with an answer or without one.
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{sent:?}: {error}"));
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.starts_with("HTTP/1.1 200"), "{sent:?}: {answer}");
    }
    assert!(begun.elapsed() < Duration::from_mins(4));
}
