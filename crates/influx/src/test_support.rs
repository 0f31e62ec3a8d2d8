//! For tests: a real `InfluxDB` 1 on a free loopback port, and a double that keeps the contract of versions 3 and 2.

mod contract;
mod steps;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Url;
use tempfile::TempDir;

pub use contract::{CONTRACT_TOKEN, ContractStore};

/// How long `influxd` may take until it answers.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A private `influxd` with its data in a temporary directory. It is stopped, and its data removed, on drop.
#[derive(Debug)]
pub struct InfluxServer {
    address: SocketAddr,
    dir: TempDir,
    has_users: bool,
    process: Option<Child>,
}

impl InfluxServer {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// `influxd` is not installed or does not start: the test cannot be made.
    #[must_use]
    pub fn start() -> Self {
        Self::start_as(false)
    }

    /// Starts one that asks who calls, as soon as it has its first user.
    ///
    /// # Panics
    /// `influxd` is not installed or does not start: the test cannot be made.
    #[must_use]
    pub fn start_with_users() -> Self {
        Self::start_as(true)
    }

    fn start_as(has_users: bool) -> Self {
        // Another process may take a port between its choice and its use; then `influxd` ends and another is chosen.
        for _ in 0..5 {
            let mut server = Self::stopped();
            server.has_users = has_users;
            if server.launch() {
                return server;
            }
        }
        panic!("influxd ended five times before it answered")
    }

    /// One that is not started yet: its address is known and refuses connections until [`Self::restart`].
    ///
    /// # Panics
    /// No loopback port or temporary directory can be had.
    #[must_use]
    pub fn stopped() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
        let address = listener.local_addr().expect("the address of a listener");
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { address, dir, has_users: false, process: None }
    }

    /// Starts it on the same address with the data it had.
    ///
    /// # Panics
    /// It runs already, is not installed or does not start.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "influxd runs already");
        assert!(self.launch(), "influxd ended before it answered:\n{}", self.log());
    }

    /// Stops it and keeps its data. Does nothing when it is stopped.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Only our own child is ended; a failure means that it has ended already.
            let _ended = process.kill();
            let _ended = process.wait();
        }
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The answer of `/query` to an `InfluxQL` statement about `database`.
    ///
    /// # Panics
    /// It does not answer in JSON.
    #[must_use]
    pub fn query(&self, database: &str, statement: &str) -> serde_json::Value {
        let mut url: Url = self.url().parse().expect("the URL of a socket address");
        url.set_path("query");
        url.query_pairs_mut().extend_pairs([("db", database), ("q", statement)]);
        let (_, body) = self.call("POST", &url, "").expect("an answer of influxd");
        serde_json::from_str(&body).expect("JSON from influxd")
    }

    /// The same as a user of the store.
    ///
    /// # Panics
    /// It does not answer in JSON.
    #[must_use]
    pub fn query_as(&self, user: (&str, &str), database: &str, statement: &str) -> serde_json::Value {
        let mut url: Url = self.url().parse().expect("the URL of a socket address");
        url.set_path("query");
        url.query_pairs_mut().extend_pairs([
            ("db", database),
            ("q", statement),
            ("u", user.0),
            ("p", user.1),
        ]);
        let (_, body) = self.call("POST", &url, "").expect("an answer of influxd");
        serde_json::from_str(&body).expect("JSON from influxd")
    }

    /// Writes lines as another program would, and gives the status.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn write(&self, database: &str, lines: &str) -> u16 {
        let mut url: Url = self.url().parse().expect("the URL of a socket address");
        url.set_path("write");
        url.query_pairs_mut().append_pair("db", database);
        self.call("POST", &url, lines).expect("an answer of influxd").0
    }

    /// Starts the process; `false` when it ended before it answered.
    fn launch(&mut self) -> bool {
        let configuration = self.dir.path().join("influxdb.conf");
        std::fs::write(&configuration, self.configuration()).expect("a writable temporary directory");
        let log = std::fs::File::create(self.dir.path().join("log")).expect("a writable temporary directory");
        let spawned = Command::new("influxd")
            .arg("-config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let process = match spawned {
            Ok(process) => self.process.insert(process),
            Err(error) => panic!("influxd cannot be started ({error}): run scripts/setup, which installs it"),
        };
        let ping: Url = format!("http://{}/ping", self.address).parse().expect("the URL of a socket address");
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if process.try_wait().expect("the state of a child").is_some() {
                self.process = None;
                return false;
            }
            if request(self.address, "GET", &ping, "").is_ok_and(|(status, _)| status == 204) {
                return true;
            }
            assert!(Instant::now() < deadline, "influxd did not answer in time:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn configuration(&self) -> String {
        let dir = self.dir.path().display();
        format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n\
             [meta]\ndir = \"{dir}/meta\"\n\
             [data]\ndir = \"{dir}/data\"\nwal-dir = \"{dir}/wal\"\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"{}\"\nlog-enabled = false\nauth-enabled = {}\n",
            self.address, self.has_users
        )
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn call(&self, method: &str, url: &Url, body: &str) -> io::Result<(u16, String)> {
        request(self.address, method, url, body)
    }
}

impl Drop for InfluxServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One HTTP/1.0 call, so that tests need neither an asynchronous runtime nor chunked answers.
fn request(address: SocketAddr, method: &str, url: &Url, body: &str) -> io::Result<(u16, String)> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    write!(
        stream,
        "{method} {}{query} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
        url.path(),
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    Ok((status, body.to_owned()))
}
