//! The limits of connections, heads and requests are the same with TLS, and there are some more with HTTP/2.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::program::Running;
use crate::tls::Identity;

type Stream = StreamOwned<ClientConnection, TcpStream>;

struct Service {
    _home: tempfile::TempDir,
    identity: Identity,
    running: Running,
}

impl Service {
    fn with_descriptors(count: u32) -> Self {
        memdeck::commands::install_tls_provider();
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::of("127.0.0.1", home.path());
        let running = Running::serve_with_descriptors(home.path(), count, &identity.variables());
        Self { _home: home, identity, running }
    }

    fn authority(&self) -> &str {
        self.running.url.strip_prefix("https://").unwrap()
    }

    /// A connection that speaks `protocol`. Keys are agreed on with the first word.
    fn connect(&self, protocol: &str) -> Stream {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.identity.pem.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.authority()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// What is answered to this, until the connection ends.
    fn answer(&self, sent: &[u8]) -> String {
        let mut stream = self.connect("http/1.1");
        let mut answer = Vec::new();
        // It may be refused in the middle.
        let _ = stream.write_all(sent);
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn is_answered(&self) -> bool {
        let asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        self.answer(asked).starts_with("HTTP/1.1 200")
    }
}

#[test]
fn half_sent_requests_over_tls_keep_nobody_out() {
    // 64 connections in all, 32 of one address.
    let service = Service::with_descriptors(256);
    let half_sent = |_| {
        let mut stream = service.connect("http/1.1");
        // Those that are refused are no harm either.
        let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: ");
        stream
    };
    let flood: Vec<Stream> = (0..100).map(half_sent).collect();
    let deadline = Instant::now() + Duration::from_secs(15);
    while !service.is_answered() {
        assert!(Instant::now() < deadline, "nobody is answered");
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", service.running.id())).unwrap().count();
    assert!(open < 256 - 64, "{open} descriptors are open");
    drop(flood);
}

#[test]
fn a_head_over_tls_that_is_too_large_is_refused() {
    let service = Service::with_descriptors(1024);
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nx-large: {}", "x".repeat(390_000));
    let answer = service.answer(head.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(service.is_answered());
}

/// Kinds of frames (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags of `HEADERS` and `CONTINUATION`.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Codes of errors (section 7).
const REFUSED_STREAM: [u8; 4] = [0, 0, 0, 7];
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Methods (RFC 7541, appendix A).
const GET: u8 = 0x82;
const POST: u8 = 0x83;

fn literal(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A connection of HTTP/2, as bytes: what a client does that keeps to no limit, no library does.
struct Http2 {
    stream: Stream,
    authority: String,
    /// What the service lets its clients do.
    settings: Vec<(u16, u32)>,
}

impl Http2 {
    fn open(service: &Service) -> Self {
        let mut stream = service.connect("h2");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
        let mut opened = Self { stream, authority: service.authority().to_owned(), settings: Vec::new() };
        let told = opened.until(|frame| frame.kind == SETTINGS && frame.flags == 0).expect("settings");
        let settings = told.payload.chunks_exact(6).map(|setting| {
            let (name, value) = setting.split_at(2);
            (u16::from_be_bytes(name.try_into().unwrap()), u32::from_be_bytes(value.try_into().unwrap()))
        });
        opened.settings = settings.collect();
        opened
    }

    fn setting(&self, name: u16) -> Option<u32> {
        self.settings.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// The next frame that is `wanted`; `None` if the connection ends before.
    fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut payload).ok()?;
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    /// The head of a request (RFC 7541: names by the number that everybody knows, values as they are).
    fn head(&self, method: u8, path: &str) -> Vec<u8> {
        [vec![method, 0x87, 0x04], literal(path), vec![0x01], literal(&self.authority)].concat()
    }

    /// The head of a form, of which more is to come.
    fn begun_form(&self) -> Vec<u8> {
        [self.head(POST, "/sign-in"), vec![0x0f, 0x10], literal("application/x-www-form-urlencoded")].concat()
    }
}

#[test]
fn a_connection_of_http_2_has_no_more_requests_at_once_than_a_hundred() {
    let service = Service::with_descriptors(1024);
    let mut client = Http2::open(&service);
    assert_eq!(client.setting(3), Some(100), "MAX_CONCURRENT_STREAMS");
    let form = client.begun_form();
    let last = 201;
    for stream in (1..=last).step_by(2) {
        client.stream.write_all(&frame(HEADERS, END_HEADERS, stream, &form)).unwrap();
    }
    let refused = client.until(|frame| frame.kind == RST_STREAM).expect("the connection ended");
    assert_eq!((refused.stream, refused.payload.as_slice()), (last, &REFUSED_STREAM[..]));
    assert!(service.is_answered());
}

#[test]
fn a_flood_of_requests_that_are_taken_back_ends_its_connection_and_no_other() {
    let service = Service::with_descriptors(1024);
    let mut client = Http2::open(&service);
    let form = client.begun_form();
    let begun_and_cancelled = |nth: u32| {
        let stream = 2 * nth + 1;
        [frame(HEADERS, END_HEADERS, stream, &form), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
    };
    let flood: Vec<u8> = (0..5000).flat_map(begun_and_cancelled).collect();
    // The service may have had enough before all is sent.
    let _ = client.stream.write_all(&flood);
    if let Some(goodbye) = client.until(|frame| frame.kind == GOAWAY) {
        assert_eq!(goodbye.payload[4..8], ENHANCE_YOUR_CALM);
    }
    assert!(client.until(|_| false).is_none(), "the connection has ended");
    assert!(service.is_answered());
}

#[test]
fn a_head_of_http_2_that_is_too_large_is_refused() {
    let service = Service::with_descriptors(1024);
    let mut client = Http2::open(&service);
    assert_eq!(client.setting(6), Some(32 << 10), "MAX_HEADER_LIST_SIZE");
    // `x: x…`, 40,000 of them, with a length in the continued form of RFC 7541.
    let mut head = client.head(GET, "/healthz");
    head.extend([0x00, 1, b'x', 0x7f]);
    let mut rest = 40_000_usize - 127;
    while rest >= 128 {
        head.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    head.push(u8::try_from(rest).unwrap());
    head.extend(vec![b'x'; 40_000]);
    let parts: Vec<&[u8]> = head.chunks(16_000).collect();
    for (nth, part) in parts.iter().enumerate() {
        let kind = if nth == 0 { HEADERS } else { CONTINUATION };
        let first = if nth == 0 { END_STREAM } else { 0 };
        let last = if nth + 1 == parts.len() { END_HEADERS } else { 0 };
        client.stream.write_all(&frame(kind, first | last, 1, part)).unwrap();
    }
    let ends = [DATA, HEADERS, RST_STREAM, GOAWAY];
    if let Some(answer) = client.until(|frame| ends.contains(&frame.kind)) {
        // 0x88 is `:status: 200`.
        let is_good = answer.kind == DATA || (answer.kind == HEADERS && answer.payload[0] == 0x88);
        assert!(!is_good, "it was answered");
    }
    assert!(service.is_answered());
}
