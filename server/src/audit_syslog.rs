//! Sends entries of the audit to syslog (RFC 5424) where that is wanted: from the moment on at which it was first wanted, in
//! order, each at least once. How far it is stands in the catalog; while syslog is away, entries wait in the audit itself.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use memdeck_catalog::{Catalog, CatalogError};
use memdeck_influx::Backoff;
use memdeck_model::audit::{AuditAction, AuditEntry, AuditFilter, AuditLine, AuditQuery, AuditResult};
use memdeck_operations::blocking;

/// The setting of the catalog that holds the number of the last entry that was sent.
const SENT: &str = "audit sent to syslog";
/// Between two looks at whether there is something new.
const INTERVAL: Duration = Duration::from_secs(1);
/// The longest wait while syslog is away.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Entries that are sent before it is noted how far it is.
const BATCH: u32 = 200;
/// More than this no server need take in a datagram (RFC 5424, 6.1).
const MOST_BYTES: usize = 2048;
/// The facility of an audit (RFC 5424, table 1).
const FACILITY: u8 = 13;
/// The enterprise number that RFC 5612 keeps for documentation: memdeck has none of its own.
const ENTERPRISE: u32 = 32473;

/// Where syslog listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTarget {
    /// A socket of this machine.
    Socket(PathBuf),
    /// A host and its port, a datagram an entry.
    Udp(String),
    /// A host and its port; entries are framed by their length (RFC 6587).
    Tcp(String),
}

impl std::str::FromStr for SyslogTarget {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let has_port = |place: &str| {
            let port = place.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            port.and_then(|port| port.parse::<u16>().ok()).is_some_and(|port| port > 0)
        };
        match text.split_once("://") {
            None if text == "local" => Ok(Self::Socket(PathBuf::from("/dev/log"))),
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Socket(PathBuf::from(path))),
            Some(("udp", place)) if has_port(place) => Ok(Self::Udp(place.to_owned())),
            Some(("tcp", place)) if has_port(place) => Ok(Self::Tcp(place.to_owned())),
            _ => Err(()),
        }
    }
}

/// Sends what is new for ever. That syslog is away is logged once.
pub async fn follow(catalog: Arc<Catalog>, target: SyslogTarget) {
    let mut sender = Sender { target, open: None };
    let mut backoff = Backoff::new(INTERVAL, LONGEST_WAIT);
    let mut is_reported = false;
    loop {
        let kept = Arc::clone(&catalog);
        let (returned, round) = blocking(move || {
            let round = round(&kept, &mut sender);
            (sender, round)
        })
        .await;
        sender = returned;
        match round {
            Ok(is_more) => {
                backoff.reset();
                if std::mem::take(&mut is_reported) {
                    tracing::info!("the audit reaches syslog again");
                }
                if !is_more {
                    tokio::time::sleep(INTERVAL).await;
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut is_reported, true) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the audit does not reach syslog; trying again"
                    );
                }
                tokio::time::sleep(backoff.wait()).await;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SyslogError {
    #[error("the catalog failed")]
    Catalog(#[from] CatalogError),
    #[error("syslog takes nothing")]
    Socket(#[from] io::Error),
}

/// Sends some entries; whether there may be more.
fn round(catalog: &Catalog, sender: &mut Sender) -> Result<bool, SyslogError> {
    let Some(head) = catalog.audit_head()? else { return Ok(false) };
    let sent = match catalog.setting(SENT)?.and_then(|sent| sent.parse::<u64>().ok()) {
        Some(sent) if sent <= head.seq => sent,
        // The catalog was restored: numbers are given again from where another chain begins.
        Some(_) => chain_begin(catalog)?.saturating_sub(1),
        None => {
            catalog.set_setting(SENT, &head.seq.to_string())?;
            return Ok(false);
        }
    };
    if sent == head.seq {
        return Ok(false);
    }
    let entries = catalog.audit_after(sent, BATCH)?;
    let mut last = sent;
    let mut failure = None;
    for entry in &entries {
        if let Err(error) = sender.send(&message(entry)) {
            failure = Some(error);
            break;
        }
        last = entry.seq;
    }
    if last > sent {
        catalog.set_setting(SENT, &last.to_string())?;
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(last < head.seq),
    }
}

/// The number of the row that began the present chain.
fn chain_begin(catalog: &Catalog) -> Result<u64, CatalogError> {
    let filter = AuditFilter { action: Some(AuditAction::ChainBegun), ..AuditFilter::default() };
    let page = catalog.audit_page(&AuditQuery { filter, before: None, limit: 1 })?;
    Ok(page.entries.first().map_or(0, |entry| entry.seq))
}

enum Open {
    Socket(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

struct Sender {
    target: SyslogTarget,
    open: Option<Open>,
}

impl Sender {
    fn send(&mut self, message: &str) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            closed => closed.insert(connect(&self.target)?),
        };
        let message = &message.as_bytes()[..message.floor_char_boundary(MOST_BYTES)];
        let sent = match open {
            Open::Socket(socket) => socket.send(message).map(drop),
            Open::Udp(socket) => socket.send(message).map(drop),
            Open::Tcp(stream) => {
                let mut framed = format!("{} ", message.len()).into_bytes();
                framed.extend_from_slice(message);
                stream.write_all(&framed)
            }
        };
        if sent.is_err() {
            self.open = None;
        }
        sent
    }
}

fn connect(target: &SyslogTarget) -> io::Result<Open> {
    match target {
        SyslogTarget::Socket(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(Open::Socket(socket))
        }
        SyslogTarget::Udp(place) => {
            let address = first_address(place)?;
            let own = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            let socket = UdpSocket::bind(own)?;
            socket.connect(address)?;
            Ok(Open::Udp(socket))
        }
        SyslogTarget::Tcp(place) => {
            let stream = TcpStream::connect_timeout(&first_address(place)?, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(Open::Tcp(stream))
        }
    }
}

fn first_address(place: &str) -> io::Result<std::net::SocketAddr> {
    place.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// An entry as RFC 5424 wants it: priority, version, time, host, program, process, kind, data, text.
fn message(entry: &AuditEntry) -> String {
    let line = AuditLine::from(entry);
    let severity = match entry.result {
        AuditResult::Begun | AuditResult::Succeeded | AuditResult::Unchanged => 6,
        _ => 4,
    };
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut text = format!(
        "<{}>1 {} {} memdeck {} audit [memdeck@{ENTERPRISE}",
        FACILITY * 8 + severity,
        entry.at,
        printable(&host),
        std::process::id()
    );
    let seq = entry.seq.to_string();
    let dump_id = line.dump_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let fields = [
        ("seq", seq.as_str()),
        ("action", entry.action.as_str()),
        ("result", entry.result.as_str()),
        ("actor", &entry.actor.to_json()),
        ("address", &line.address),
        ("object", &line.object),
        ("dump_id", &dump_id),
        ("request_id", entry.details.request_id.as_deref().unwrap_or_default()),
        ("hash", &line.hash),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, " {name}=\"{}\"", escaped(value));
    }
    let details = if line.details.is_empty() { String::new() } else { format!(" ({})", line.details) };
    let said =
        format!("{}: {}, {}, by {}{details}", line.action, line.object, entry.result.label(), line.actor);
    let _ = write!(text, "] {}", said.replace(char::is_control, " "));
    text
}

/// A name without what ends a field; `-` for nothing.
fn printable(name: &str) -> String {
    let name: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// A value of structured data (RFC 5424, 6.3.3).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => text.extend(['\\', c]),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use memdeck_model::Actor;
    use memdeck_model::audit::{AuditObject, NewEntry};

    use super::*;

    fn entry(n: u64, actor: &str) -> NewEntry {
        let at = "2026-11-14T08:58:23Z".parse().unwrap();
        let object = AuditObject::Host { name: format!("hv{n}") };
        NewEntry::new(at, Actor::named(actor), AuditAction::HostDrained, object)
    }

    fn catalog() -> (tempfile::TempDir, Catalog) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path()).unwrap();
        catalog.note(&entry(1, "ada")).unwrap();
        (dir, catalog)
    }

    #[test]
    fn a_target_is_a_socket_or_a_host_with_a_port() {
        let read = |text: &str| text.parse::<SyslogTarget>();
        assert_eq!(read("local"), Ok(SyslogTarget::Socket("/dev/log".into())));
        assert_eq!(read("unix:///run/log"), Ok(SyslogTarget::Socket("/run/log".into())));
        assert_eq!(read("udp://logs.example:514"), Ok(SyslogTarget::Udp("logs.example:514".to_owned())));
        assert_eq!(read("tcp://[::1]:601"), Ok(SyslogTarget::Tcp("[::1]:601".to_owned())));
        for bad in ["", "on", "udp://host", "udp://:514", "tcp://host:0", "http://host:80", "unix://log"] {
            assert_eq!(read(bad), Err(()), "{bad}");
        }
    }

    #[test]
    fn what_somebody_called_himself_ends_no_field() {
        let (_dir, catalog) = catalog();
        catalog.note(&entry(2, "a\"] b\\ <c>")).unwrap();
        let noted = catalog.audit_after(2, 1).unwrap().remove(0);
        let text = message(&noted);
        assert!(text.starts_with("<110>1 2026-11-14T08:58:23.000000Z "), "{text}");
        assert!(text.contains("action=\"host_drained\" result=\"succeeded\""), "{text}");
        assert!(text.contains(r#"actor="{\"kind\":\"named\",\"name\":\"a\\\"\] b\\\\ <c>\"}""#), "{text}");
        assert!(text.ends_with("] Host drained: host hv2, Succeeded, by a\"] b\\ <c>"), "{text}");
    }

    #[test]
    fn entries_are_sent_from_then_on_and_wait_while_nobody_listens() {
        let (dir, catalog) = catalog();
        let path = dir.path().join("log");
        let mut sender = Sender { target: SyslogTarget::Socket(path.clone()), open: None };
        assert!(!round(&catalog, &mut sender).unwrap(), "what was before is not sent");
        catalog.note(&entry(2, "ada")).unwrap();
        assert!(round(&catalog, &mut sender).is_err());
        let listener = UnixDatagram::bind(&path).unwrap();
        catalog.note(&entry(3, "ada")).unwrap();
        assert!(!round(&catalog, &mut sender).unwrap());
        let heard = || {
            let mut bytes = [0; MOST_BYTES];
            let length = listener.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..length]).into_owned()
        };
        assert!(heard().contains("host hv2") && heard().contains("host hv3"));
        assert!(!round(&catalog, &mut sender).unwrap());
        listener.set_nonblocking(true).unwrap();
        assert!(listener.recv(&mut [0; 10]).is_err(), "nothing is sent twice while all goes well");
    }

    #[test]
    fn over_tcp_each_entry_has_its_length_before_it() {
        let (_dir, catalog) = catalog();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let mut sender = Sender { target: SyslogTarget::Tcp(place), open: None };
        round(&catalog, &mut sender).unwrap();
        catalog.note(&entry(2, "größe")).unwrap();
        round(&catalog, &mut sender).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        sender.open = None;
        let mut text = String::new();
        io::Read::read_to_string(&mut stream, &mut text).unwrap();
        let (length, message) = text.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
    }
}
