//! What a libvirt URI says before a connection exists: `driver[+transport]://[user@][host][:port]/[path][?options]`.

use std::path::{Path, PathBuf};

/// A libvirt URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uri {
    /// As it was given, for libvirt.
    pub(crate) text: String,
    /// Without user and password, for people.
    pub(crate) shown: String,
    /// The daemon is on another host, or is reached as if it were.
    pub(crate) is_remote: bool,
    /// The directory of the user's daemon, or that of the system's.
    pub(crate) run_dir: Option<PathBuf>,
    /// Unix sockets on which the daemon may listen, most likely first.
    pub(crate) sockets: Vec<PathBuf>,
}

impl Uri {
    pub(crate) fn new(text: &str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let transport = scheme.split_once('+').map(|(_, transport)| transport);
        // A password may hold a character that ends the part before it: then the sign stands behind that part.
        let shown = match path.rsplit_once('@').filter(|_| !authority.is_empty()) {
            Some((_, place)) => format!("{scheme}://{place}"),
            None if host == authority => text.to_owned(),
            None => format!("{scheme}://{host}{path}"),
        };
        let run_dir = run_dir(path);
        Self {
            text: text.to_owned(),
            shown,
            is_remote: !host.is_empty() || transport.is_some_and(|transport| transport != "unix"),
            sockets: sockets(path, run_dir.as_deref()),
            run_dir,
        }
    }

    /// Where QEMU's driver keeps a file with the number of each guest's process; `None` if that is on another host, or of
    /// another driver.
    pub(crate) fn process_files(&self) -> Option<PathBuf> {
        if self.is_remote || !self.text.starts_with("qemu") {
            return None;
        }
        let dir = self.run_dir.as_ref()?.join("libvirt/qemu");
        Some(if self.text.contains("/session") { dir.join("run") } else { dir })
    }
}

fn run_dir(path: &str) -> Option<PathBuf> {
    if path.split('?').next() == Some("/session") {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
    } else {
        Some(PathBuf::from("/run"))
    }
}

/// The monolithic daemon's socket and the one of the modular QEMU daemon, or the one that the URI names.
fn sockets(path: &str, run_dir: Option<&Path>) -> Vec<PathBuf> {
    let (_, options) = path.split_once('?').unwrap_or((path, ""));
    if let Some(socket) = options.split('&').find_map(|option| option.strip_prefix("socket=")) {
        return vec![PathBuf::from(socket)];
    }
    let names = ["libvirt-sock", "virtqemud-sock"];
    run_dir.into_iter().flat_map(|dir| names.map(|name| dir.join("libvirt").join(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_with_a_host_or_a_network_transport_is_remote() {
        for local in ["qemu:///system", "qemu:///session", "qemu+unix:///system", "test:///default"] {
            assert!(!Uri::new(local).is_remote, "{local}");
        }
        for remote in [
            "qemu+ssh://kvm-02/system",
            "qemu+ssh:///system",
            "qemu+tcp://127.0.0.1/system",
            "qemu://localhost/system",
            "qemu+tls://kvm-02:16514",
        ] {
            assert!(Uri::new(remote).is_remote, "{remote}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let shown = |text| Uri::new(text).shown;
        assert_eq!(
            shown("qemu+ssh://root:secret@kvm-02:22/system?no_tty=1"),
            "qemu+ssh://kvm-02:22/system?no_tty=1"
        );
        assert_eq!(shown("qemu+ssh://root:se/cr?et@kvm-02/system"), "qemu+ssh://kvm-02/system");
        assert_eq!(shown("qemu+ssh://root:s@e/cret@kvm-02/system"), "qemu+ssh://kvm-02/system");
        for plain in ["qemu:///system", "qemu+unix:///system?socket=/run/a@b"] {
            assert_eq!(shown(plain), plain);
        }
    }

    #[test]
    fn the_daemon_socket_follows_from_the_uri() {
        let system = ["/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"].map(PathBuf::from);
        assert_eq!(Uri::new("qemu:///system").sockets, system);
        assert_eq!(Uri::new("qemu+unix:///system?socket=/tmp/s&x=1").sockets, [PathBuf::from("/tmp/s")]);
    }
}
