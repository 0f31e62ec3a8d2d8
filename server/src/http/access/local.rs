//! Who on this machine needs no token: root and memdeck's own user, as the kernel sees them.
//!
//! A guest with user-mode networking calls through sockets of its QEMU. If a QEMU runs as one of these users, that
//! user is not trusted: the guest could not be distinguished from it.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::socket_owner;
use crate::ownership::own_user;

const ROOT: u32 = 0;
/// How long a look at the processes of this machine is believed.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The two ends of a connection, and whose the other one is.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The other end.
    pub remote: SocketAddr,
    /// This end, where there is a connection.
    local: Option<SocketAddr>,
    /// Once the kernel has said it.
    owner: Arc<OnceLock<u32>>,
}

impl Peer {
    /// The peer at `remote` of a connection whose end here is `local`.
    #[must_use]
    pub fn new(remote: SocketAddr, local: Option<SocketAddr>) -> Self {
        Self { remote, local, owner: Arc::default() }
    }

    /// The user that has the other end, if it is on this machine. Asked of the kernel once for a connection; again
    /// only while it has not said it.
    fn owner(&self) -> io::Result<Option<u32>> {
        if let Some(owner) = self.owner.get() {
            return Ok(Some(*owner));
        }
        let Some(local) = self.local else { return Ok(None) };
        if !self.remote.ip().to_canonical().is_loopback() {
            return Ok(None);
        }
        let owner = socket_owner::owner(self.remote, local)?;
        Ok(owner.map(|owner| *self.owner.get_or_init(|| owner)))
    }
}

/// Why callers of this machine need the token all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Nobody is trusted by their user, as was decided when the rules were made.
    NotUsed,
    /// The kernel does not say.
    KernelSilent(String),
    /// libvirt starts guests as memdeck's own user.
    SessionGuests,
    /// This process is a QEMU of a user that would be trusted.
    QemuRuns { pid: u32, user: u32 },
}

impl std::fmt::Display for Distrust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotUsed => f.write_str("no caller is trusted by its user"),
            Self::KernelSilent(why) => write!(f, "the kernel does not report who owns connections ({why})"),
            Self::SessionGuests => f.write_str(
                "LIBVIRT_URI starts guests as memdeck's own user, and a guest with user-mode networking could not be \
                 told from that user",
            ),
            Self::QemuRuns { pid, user } => write!(
                f,
                "QEMU runs as user {user} (process {pid}), and a guest with user-mode networking could not be told from \
                 that user"
            ),
        }
    }
}

/// Decides who is trusted by the user of its socket.
pub struct LocalTrust {
    /// Nobody, for a reason that lasts.
    off: Option<Distrust>,
    /// Memdeck's own user starts guests.
    session_guests: bool,
    /// Held while somebody looks: a few milliseconds, and only on threads that may block.
    look: Mutex<Option<Look>>,
}

/// Processes that may speak for a guest, each with a user that it acts as.
type GuestProcesses = Arc<[(u32, u32)]>;

/// What was seen when the processes of this machine were looked at.
struct Look {
    at: Instant,
    guests: GuestProcesses,
}

impl LocalTrust {
    /// Trust in root and in this process' own user, where nothing speaks against it.
    #[must_use]
    pub fn new(libvirt_uri: &str) -> Self {
        let off = kernel_tells().err().map(|error| Distrust::KernelSilent(error.to_string()));
        Self { off, session_guests: is_session(libvirt_uri), look: Mutex::default() }
    }

    /// Trust in nobody.
    pub(super) fn off() -> Self {
        Self { off: Some(Distrust::NotUsed), session_guests: false, look: Mutex::default() }
    }

    /// Why root or memdeck's own user are not trusted now, where one of them is not.
    pub async fn distrust(self: &Arc<Self>) -> Option<Distrust> {
        for user in [ROOT, own_user()] {
            if let Some(distrust) = self.distrust_of(user).await {
                return Some(distrust);
            }
        }
        None
    }

    /// Whether the other end of a connection is trusted.
    pub(super) async fn judge(self: &Arc<Self>, peer: &Peer) -> Result<bool, Distrust> {
        if let Some(off) = &self.off {
            return Err(off.clone());
        }
        let owner = peer.owner().map_err(|error| Distrust::KernelSilent(error.to_string()))?;
        match owner.filter(|user| *user == ROOT || *user == own_user()) {
            Some(user) => self.distrust_of(user).await.map_or(Ok(true), Err),
            None => Ok(false),
        }
    }

    async fn distrust_of(self: &Arc<Self>, user: u32) -> Option<Distrust> {
        if self.off.is_some() {
            return self.off.clone();
        }
        if self.session_guests && user == own_user() {
            return Some(Distrust::SessionGuests);
        }
        let seen =
            self.look.lock().as_ref().filter(|look| look.at.elapsed() < LOOK_AGAIN_AFTER).map(Look::guests);
        let guests = if let Some(guests) = seen {
            guests
        } else {
            let this = Arc::clone(self);
            memdeck_operations::blocking(move || this.look_again()).await
        };
        let (pid, user) = *guests.iter().find(|(_, of)| *of == user)?;
        Some(Distrust::QemuRuns { pid, user })
    }

    /// Those who come meanwhile wait for this look, and do not look themselves.
    fn look_again(&self) -> GuestProcesses {
        let mut look = self.look.lock();
        if let Some(look) = look.as_ref().filter(|look| look.at.elapsed() < LOOK_AGAIN_AFTER) {
            return look.guests();
        }
        let at = Instant::now();
        look.insert(Look { at, guests: guest_processes().into() }).guests()
    }
}

impl Look {
    fn guests(&self) -> GuestProcesses {
        Arc::clone(&self.guests)
    }
}

fn is_session(libvirt_uri: &str) -> bool {
    let path = libvirt_uri.split_once("://").map_or("", |(_, rest)| rest);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split_once('/').is_some_and(|(_, path)| path == "session")
}

/// Asks for the owner of a connection with ourselves. The first question may load a module of the kernel.
fn kernel_tells() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    match socket_owner::owner(client.local_addr()?, client.peer_addr()?)? {
        Some(user) if user == own_user() => Ok(()),
        _ => Err(io::Error::other("it does not know our own")),
    }
}

/// Process and user of everything that may speak for a guest: QEMU, and passt, which is its network.
fn guest_processes() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| speaks_for_guests(*pid))
        .flat_map(|pid| users(pid).map(move |user| (pid, user)))
        .collect()
}

fn speaks_for_guests(pid: u32) -> bool {
    is_named_like_it(pid)
        && !runs_no_guest(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// Whether it was only asked what it can do, by a person or by libvirt.
fn runs_no_guest(command_line: &[u8]) -> bool {
    let arguments: Vec<&[u8]> = command_line.split(|byte| *byte == 0).skip(1).collect();
    let asks = arguments
        .iter()
        .any(|argument| matches!(*argument, b"-version" | b"--version" | b"-help" | b"--help" | b"help"));
    asks || arguments
        .windows(2)
        .any(|pair| matches!(pair, [b"-machine" | b"-M", machine] if *machine == b"none" || machine.starts_with(b"none,")))
}

fn is_named_like_it(pid: u32) -> bool {
    let is_it = |name: &str| {
        name.starts_with("qemu-system-") || name.starts_with("passt") || name == "qemu-kvm" || name == "kvm"
    };
    let told = std::fs::read_to_string(format!("/proc/{pid}/comm"));
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    told.is_ok_and(|name| is_it(name.trim_end()))
        || program.is_ok_and(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_it))
}

/// The users that a process acts as: real, effective, saved, for files.
fn users(pid: u32) -> impl Iterator<Item = u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let users: Vec<u32> = line.split_whitespace().filter_map(|user| user.parse().ok()).collect();
    users.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_from_a_system_by_the_path_of_the_uri() {
        for session in ["qemu:///session", "qemu+unix:///session?socket=/run/x", "qemu+ssh://host/session"] {
            assert!(is_session(session), "{session}");
        }
        for system in ["qemu:///system", "test:///default", "qemu:///system?session", "session", ""] {
            assert!(!is_session(system), "{system}");
        }
    }

    #[test]
    fn a_qemu_that_was_only_asked_what_it_can_do_runs_no_guest() {
        for line in ["qemu\0--version\0", "qemu\0-cpu\0help\0", "qemu\0-S\0-machine\0none,accel=kvm:tcg\0"] {
            assert!(runs_no_guest(line.as_bytes()), "{line}");
        }
        for line in
            ["qemu\0-machine\0q35\0", "none\0", "qemu\0-name\0none\0", "qemu\0-machine\0nonesuch\0", ""]
        {
            assert!(!runs_no_guest(line.as_bytes()), "{line}");
        }
    }

    #[tokio::test]
    async fn where_guests_run_as_our_own_user_that_user_is_not_trusted() {
        let trust = Arc::new(LocalTrust::new("qemu:///session"));
        assert_eq!(trust.distrust_of(own_user()).await, Some(Distrust::SessionGuests));
    }
}
