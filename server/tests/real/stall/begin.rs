//! What can come to a stand beside a dump, until it is let go on.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use crate::support::PATIENCE;

/// The catalog, locked by another program until the value is dropped.
pub struct LockedCatalog(Child);

impl LockedCatalog {
    pub fn of(home: &Path) -> Self {
        let program = "import sqlite3, sys\n\
                       catalog = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                       catalog.execute('BEGIN EXCLUSIVE')\n\
                       print('locked', flush=True)\n\
                       sys.stdin.read()\n\
                       catalog.execute('ROLLBACK')\n";
        let mut python = Command::new("python3");
        python.args(["-c", program]).arg(home.join("state/catalog.db"));
        let mut python = Self(python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let mut said = String::new();
        BufReader::new(python.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        python
    }
}

impl Drop for LockedCatalog {
    fn drop(&mut self) {
        // The end of its standard input ends it.
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

/// How many guests a catalog has down as touched by a dump.
pub fn intents(home: &Path) -> u32 {
    let program = "import sqlite3, sys\n\
                   catalog = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, timeout=60)\n\
                   print(catalog.execute('SELECT count(*) FROM intents').fetchone()[0])\n";
    let mut python = Command::new("python3");
    let output = python.args(["-c", program]).arg(home.join("state/catalog.db")).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// An InfluxDB that is connected to and sent points, and never answers.
pub struct SilentInflux {
    address: SocketAddr,
    asked: Receiver<TcpStream>,
}

impl SilentInflux {
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (has_asked, asked) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                // Somebody waits for an answer.
                if connection.read(&mut [0; 1]).is_ok_and(|count| count == 1)
                    && has_asked.send(connection).is_err()
                {
                    return;
                }
            }
        });
        Self { address, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until somebody waits for an answer, as long as the connection that is given back is open.
    pub fn wait_until_asked(&self) -> TcpStream {
        self.asked.recv_timeout(PATIENCE).expect("nobody sends a point")
    }
}

const EVENT_STREAMS: usize = 50;
/// As many as one caller may have.
const DOWNLOADS: usize = 4;
const READERS: usize = 50;
/// What a reader asks for is so many answers of 80 kB: more than lies in a connection's buffers.
const ASKED_AT_ONCE: usize = 100;
/// Bytes that a page takes before whoever writes to it has to wait.
const TAKEN: usize = 4 << 10;

/// Pages and scripts that ask for all that there is, and read nothing.
pub struct UnreadPages {
    _connections: Vec<TcpStream>,
}

impl UnreadPages {
    /// All of them are being answered when this returns.
    pub fn open(service: &str, dump_id: &str) -> Self {
        let address = service.strip_prefix("http://").unwrap().parse().unwrap();
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let image = get(&format!("/api/memory-dumps/{dump_id}/image?format=elf"));
        let read = get("/api/openapi.json").repeat(ASKED_AT_ONCE);
        let asked = std::iter::repeat_n(get("/api/events"), EVENT_STREAMS)
            .chain(std::iter::repeat_n(image, DOWNLOADS))
            .chain(std::iter::repeat_n(read, READERS));
        let connections: Vec<_> = asked.map(|asked| ask(address, &asked)).collect();
        for connection in &connections {
            let mut status = [0; 12];
            assert_eq!(connection.peek(&mut status).unwrap(), status.len());
            assert_eq!(std::str::from_utf8(&status), Ok("HTTP/1.1 200"));
        }
        Self { _connections: connections }
    }
}

fn ask(address: SocketAddr, what: &str) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    // Told to the other end with the connection, so before it.
    sockopt::set_socket_recv_buffer_size(&socket, TAKEN).unwrap();
    connect(&socket, &address).unwrap();
    let mut connection = TcpStream::from(socket);
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    connection.write_all(what.as_bytes()).unwrap();
    connection
}
