//! The path that libvirt dumps into, which leads to a pipe of ours.
//!
//! libvirt opens a path that is no regular file as it is, without creating or truncating it. As
//! `/proc/<pid>/task/<tid>/fd/<n>` an anonymous pipe has such a path; opening it never blocks and nothing remains of it. A
//! FIFO is for a libvirtd that cannot see our `/proc`.
//!
//! Either is opened by the pump's thread, in a table of descriptors of its own.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::pipe::PipeFlags;

use super::ffi::files;
use crate::stream::Pipe;

/// libvirt's helper writes 1 MiB at a time, and so much an unprivileged process may have.
const PIPE_BYTES: usize = 1 << 20;

/// A kind of pipe.
pub(super) enum Target {
    Anonymous,
    Fifo(FifoFile),
}

/// A FIFO in the file system; removed when dropped. Keep it until libvirt has opened it or will not do so any more.
pub(super) struct FifoFile(PathBuf);

impl Drop for FifoFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a FIFO was not removed");
        }
    }
}

impl Target {
    /// A FIFO in `dir`, which libvirtd sees under the same path.
    pub(super) fn fifo(dir: &Path) -> io::Result<Self> {
        let file = dir.join(format!(".{}.fifo", uuid::Uuid::new_v4()));
        if file.to_str().is_none() {
            return Err(io::Error::other(format!("{}: not UTF-8", file.display())));
        }
        rustix::fs::mkfifoat(CWD, &file, Mode::RUSR | Mode::WUSR).map_err(|errno| at_path(&file, errno))?;
        Ok(Self::Fifo(FifoFile(file)))
    }

    /// Opens the pipe; for the pump's thread.
    pub(super) fn opener(&self) -> impl FnOnce() -> io::Result<Pipe> + Send + 'static {
        let fifo = match self {
            Self::Anonymous => None,
            Self::Fifo(file) => Some(file.0.clone()),
        };
        move || {
            if let Err(error) = files::own_table() {
                // A container's rules may forbid it.
                tracing::warn!(%error, "the pipe of a dump shares its descriptors with the process: if memdeck is killed \
                                        while a volume hangs, the guest may stand still until the volume is back");
            }
            match fifo {
                None => open_anonymous(),
                Some(file) => open_fifo(&file),
            }
        }
    }
}

fn open_anonymous() -> io::Result<Pipe> {
    let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    widen(&reader);
    let thread = rustix::thread::gettid().as_raw_nonzero();
    let path = format!("/proc/{}/task/{thread}/fd/{}", std::process::id(), writer.as_raw_fd());
    // Kept until libvirt has opened the path. Earlier, it would lead nowhere, or to a file that was given the same number,
    // and libvirt would create or overwrite what it finds.
    Ok(Pipe { reader, writer: Some(writer), path })
}

fn open_fifo(file: &Path) -> io::Result<Pipe> {
    // Without O_NONBLOCK this would wait for a writer; libvirt without a reader would, with the guest stopped.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let reader = rustix::fs::open(file, flags, Mode::empty()).map_err(|errno| at_path(file, errno))?;
    widen(&reader);
    Ok(Pipe { reader, writer: None, path: file.display().to_string() })
}

fn at_path(file: &Path, errno: rustix::io::Errno) -> io::Error {
    io::Error::other(format!("{}: {errno}", file.display()))
}

/// Best effort: a small pipe is only slower.
fn widen(pipe: &OwnedFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
    use std::time::Duration;

    use super::*;
    use crate::DumpSigns;
    use crate::stream::{Arrival, Ending, Pump};

    const LONG: Duration = Duration::from_mins(1);

    /// As libvirt does it.
    fn open(path: &str) -> File {
        OpenOptions::new().write(true).open(path).unwrap()
    }

    fn start(target: &Target, limit: Duration) -> (Pump, DumpSigns) {
        let signs = DumpSigns::default();
        (Pump::start(Ending::Close, signs.clone(), limit, target.opener()).unwrap(), signs)
    }

    fn each_kind(test: impl Fn(Target)) {
        let dir = tempfile::tempdir().unwrap();
        test(Target::Anonymous);
        test(Target::fifo(dir.path()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the FIFO is removed");
    }

    #[test]
    fn what_is_written_to_the_path_is_read_to_its_end() {
        each_kind(|target| {
            let (mut pump, _) = start(&target, LONG);
            let mut writer = open(&pump.path);
            writer.write_all(b"\x7fELF").unwrap();
            assert_eq!(pump.arrivals.recv().unwrap(), Arrival::Bytes);
            writer.write_all(b"...").unwrap();
            drop(writer);
            let mut read = Vec::new();
            pump.stream.read_to_end(&mut read).unwrap();
            assert_eq!(read, b"\x7fELF...");
        });
    }

    #[test]
    fn a_call_that_returns_without_a_byte_is_told_apart() {
        each_kind(|target| {
            let (pump, signs) = start(&target, Duration::ZERO);
            drop(open(&pump.path));
            assert_eq!(pump.arrivals.recv().unwrap(), Arrival::Nothing);
            signs.call_returned();
            assert_eq!(pump.arrivals.recv().unwrap(), Arrival::Returned);
        });
    }

    #[test]
    fn bytes_of_a_call_that_has_returned_are_not_lost() {
        each_kind(|target| {
            let (pump, signs) = start(&target, LONG);
            open(&pump.path).write_all(b"all").unwrap();
            signs.call_returned();
            assert_eq!(pump.arrivals.recv().unwrap(), Arrival::Bytes);
        });
    }

    #[test]
    fn the_process_has_no_descriptor_of_the_pipe_so_its_end_closes_it_whatever_its_threads_wait_for() {
        let (pump, _) = start(&Target::Anonymous, LONG);
        let number = pump.path.rsplit('/').next().unwrap();
        let pipe = std::fs::read_link(&pump.path).unwrap();
        let ours = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
        assert_ne!(ours, pipe);
    }

    #[test]
    fn a_fifo_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::fifo(dir.path()).unwrap();
        let (pump, _) = start(&target, LONG);
        let metadata = std::fs::symlink_metadata(&pump.path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let without_reader = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&pump.path);
        assert!(without_reader.is_ok(), "a reader is there before libvirt is told the path");
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let error = Target::fifo(Path::new("/nonexistent/dumps")).err().unwrap().to_string();
        assert!(error.starts_with("/nonexistent/dumps/") && error.contains("No such file"), "{error}");
    }
}
