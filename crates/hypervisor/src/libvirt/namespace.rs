//! Whether libvirt's daemon knows this process under the same process id.
//!
//! Only then may it be given a path under `/proc/<our pid>`: in another PID namespace that path belongs to a stranger,
//! whose file libvirt would overwrite. If it cannot be found out, the answer is no.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::ffi;

/// Asks the kernel who listens on the first of `sockets` that accepts a connection.
pub(super) fn is_shared_with_daemon(sockets: &[PathBuf]) -> bool {
    let daemon =
        sockets.iter().find_map(|path| UnixStream::connect(path).ok()).map(|socket| ffi::peer_pid(&socket));
    // The kernel translates the peer's id into our namespace: 0 means that it has none here. With socket activation
    // the peer is the service manager, whose namespace is also the daemon's.
    let Some(Ok(pid @ 1..)) = daemon else {
        return false;
    };
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| has_one_pid(&status))
}

/// A process of a nested namespace has an id in each: `NSpid: 4242 17`.
pub(crate) fn has_one_pid(status: &str) -> bool {
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_some_and(|ids| ids.split_ascii_whitespace().count() == 1)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_daemon_beside_us_shares_our_namespace() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("libvirt-sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(is_shared_with_daemon(&[dir.path().join("absent"), socket]));
    }

    #[test]
    fn what_cannot_be_found_out_counts_as_another_namespace() {
        assert!(!is_shared_with_daemon(&[]));
        assert!(!is_shared_with_daemon(&[PathBuf::from("/nonexistent/libvirt-sock")]));
    }

    #[test]
    fn a_process_of_a_nested_namespace_has_two_ids() {
        assert!(has_one_pid("Name:\tlibvirtd\nNSpid:\t812\nNSsid:\t812\n"));
        assert!(!has_one_pid("Name:\tlibvirtd\nNSpid:\t812\t1\n"));
        assert!(!has_one_pid("Name:\tlibvirtd\n"));
    }
}
