//! Dumps while memdeck is asked far more than it has to answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::lab::{LabGuest, lab};
use crate::support::{Home, Service};

const READS_PER_S: u32 = 1000;
const READERS: u32 = 20;
const IDLE: usize = 2000;
const LONG_ENOUGH: Duration = Duration::from_secs(15);
/// Ends the readers, also if the test fails.
struct Load<'a>(&'a AtomicBool);

impl Drop for Load<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What pages and scripts ask for.
const MIX: [&str; 5] = [
    "/api/telemetry/live-vms",
    "/api/memory-dumps/status",
    "/api/telemetry/live-vms",
    "/api/memory-dumps/records?limit=50",
    "/api/memory-dumps/stats",
];

/// Reads at a steady pace on a connection that is kept; how many were answered.
fn read(address: &str, ended: &AtomicBool, answered: &AtomicU64) {
    let connect = || BufReader::new(TcpStream::connect(address).unwrap());
    let mut connection = connect();
    let mut next = Instant::now();
    for path in MIX.iter().cycle() {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        next += Duration::from_secs(1) * READERS / READS_PER_S;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        match connection.get_mut().write_all(request.as_bytes()).and_then(|()| answer(&mut connection)) {
            Ok(200) => drop(answered.fetch_add(1, Ordering::Relaxed)),
            // A connection that was idle for a moment may have given way.
            _ => connection = connect(),
        }
    }
}

fn answer(connection: &mut BufReader<TcpStream>) -> std::io::Result<u16> {
    let mut status = String::new();
    connection.read_line(&mut status)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    std::io::copy(&mut connection.take(length), &mut std::io::sink())?;
    Ok(status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default())
}

#[test]
fn no_dump_fails_under_a_flood_of_reads_and_idle_connections() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let _turn = lab();
    let _guest = LabGuest::running("web-01");
    let home = Home::new();
    let service = Service::start(&home, "serve", &[]);
    let address = service.url.strip_prefix("http://").unwrap().to_owned();
    let (ended, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let (ended, answered, address) = (&ended, &answered, address.as_str());
    let dumps = std::thread::scope(|scope| {
        let _load = Load(ended);
        let _idle: Vec<TcpStream> = (0..IDLE)
            .map(|number| {
                let mut stream = TcpStream::connect(address).unwrap();
                if number % 2 == 0 {
                    // One that had to give way already takes nothing.
                    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ");
                }
                stream
            })
            .collect();
        for _ in 0..READERS {
            scope.spawn(|| read(address, ended, answered));
        }
        let begun = Instant::now();
        let mut dumps = Vec::new();
        while begun.elapsed() < LONG_ENOUGH {
            service.trigger_frozen(&["web-01"]);
            dumps.push(service.wait_for_end("web-01"));
        }
        dumps
    });
    assert!(answered.load(Ordering::Relaxed) > 1000, "{answered:?} reads were answered");
    for dump in &dumps {
        assert_eq!(dump["job_state"], "completed", "{dump}");
    }
}
