//! What a service manager is told: the protocol of `sd_notify(3)`, datagrams to the socket that `NOTIFY_SOCKET` names.
//!
//! Nobody waits for it, and where there is none nothing is told.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The variables of the protocol.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Tells a service manager how this service stands.
#[derive(Debug)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
    /// Within which the manager wants a sign of life.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// To the manager that started this process, if one did and wants to be told.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::of(|name| std::env::var(name).ok(), std::process::id())
    }

    fn of(variable: impl Fn(&str) -> Option<String>, own_pid: u32) -> Self {
        let [socket, limit, pid] = VARIABLES.map(variable);
        let socket = socket.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be told how memdeck stands");
                None
            }
        });
        let is_for_us = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
        let limit = limit.filter(|_| is_for_us).and_then(|limit| limit.parse().ok());
        Self { socket, watchdog: limit.filter(|limit| *limit > 0).map(Duration::from_micros) }
    }

    /// The service answers.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The service reads its configuration anew; [`Self::ready`] follows.
    pub fn reloading(&self) {
        self.tell("RELOADING=1");
    }

    /// The service ends, which may take so long.
    pub fn stopping(&self, at_most: Duration) {
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", at_most.as_micros()));
    }

    /// Gives signs of life for as long as the async runtime does. Never ends.
    pub async fn keep_alive(&self) {
        let Some(limit) = self.watchdog else { return std::future::pending().await };
        // Twice within the limit, and once more for a busy machine.
        let mut ticks = tokio::time::interval(limit / 3);
        loop {
            ticks.tick().await;
            self.tell("WATCHDOG=1");
        }
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(state.as_bytes())
        {
            tracing::debug!(%error, state, "the service manager was not told");
        }
    }
}

/// A status is one line.
fn line(status: &str) -> String {
    status.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `/run/systemd/notify`, or `@name` for a name without a file.
fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // A manager that does not read must not hold up the service.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_manager_is_told_by_a_file_or_a_name_without_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let name = format!("memdeck-test-{}", std::process::id());
        let by_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        for (socket, address) in [(by_path, path.display().to_string()), (by_name, format!("@{name}"))] {
            let notifier = Notifier::of(|wanted| (wanted == "NOTIFY_SOCKET").then(|| address.clone()), 7);
            notifier.ready("one\nline");
            assert_eq!(told(&socket), "READY=1\nSTATUS=one line");
            notifier.reloading();
            assert_eq!(told(&socket), "RELOADING=1");
            notifier.stopping(Duration::from_secs(25));
            assert_eq!(told(&socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000");
        }
    }

    #[test]
    fn signs_of_life_are_given_only_where_they_are_asked_of_this_process() {
        let of = |pid: Option<&str>| {
            let notifier = Notifier::of(
                |name| match name {
                    "WATCHDOG_USEC" => Some("3000000".to_owned()),
                    "WATCHDOG_PID" => pid.map(str::to_owned),
                    _ => None,
                },
                7,
            );
            notifier.watchdog
        };
        assert_eq!(of(Some("7")), Some(Duration::from_secs(3)));
        assert_eq!(of(None), Some(Duration::from_secs(3)));
        assert_eq!(of(Some("8")), None);
        assert_eq!(Notifier::of(|_| None, 7).watchdog, None);
    }
}
