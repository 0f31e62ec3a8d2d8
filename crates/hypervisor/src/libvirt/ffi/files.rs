//! A table of file descriptors for one thread alone.

use std::io;

/// Gives the calling thread a table of its own, in which nothing is open but the three standard streams. What the others
/// open from now on is not in it, and what it opens is in no other: neither their end nor a volume that they wait for
/// concerns it. Descriptors of other threads mean nothing here any more, so the caller must hold none.
pub(in crate::libvirt) fn own_table() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: the call takes numbers only. It changes what descriptors mean on this thread, which holds none.
    let result =
        unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    fn is_open(number: i32, table: &str) -> bool {
        std::fs::symlink_metadata(format!("{table}/{number}")).is_ok()
    }

    #[test]
    fn a_thread_with_a_table_of_its_own_holds_nothing_of_the_process_and_the_process_nothing_of_it() {
        let file = tempfile::tempfile().unwrap();
        let theirs = file.as_raw_fd();
        let (send, receive) = std::sync::mpsc::sync_channel(0);
        let thread = std::thread::spawn(move || {
            super::own_table().unwrap();
            let table = format!("/proc/self/task/{}/fd", rustix::thread::gettid().as_raw_nonzero());
            assert!(!is_open(theirs, &table), "a file of the process");
            let own = (0..64).map(|_| std::fs::File::open("/dev/null").unwrap()).collect::<Vec<_>>();
            let highest = own.iter().map(AsRawFd::as_raw_fd).max().unwrap();
            assert!(is_open(highest, &table));
            send.send(highest).unwrap();
            send.send(highest).unwrap();
        });
        let highest = receive.recv().unwrap();
        let link = std::fs::read_link(format!("/proc/self/fd/{highest}")).unwrap_or_default();
        assert_ne!(link.to_str(), Some("/dev/null"), "its file is none of the process");
        assert!(is_open(theirs, "/proc/self/fd"), "the process keeps its own");
        receive.recv().unwrap();
        thread.join().unwrap();
    }
}
