//! What libvirt is told to dump into: a path that leads to a pipe of ours.
//!
//! libvirt opens a path that is no regular file as it is, without creating or truncating it. As `/proc/<pid>/fd/<n>` an
//! anonymous pipe has such a path; opening it never blocks and nothing remains of it. A FIFO is for a libvirtd that
//! cannot see our `/proc`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::pipe::PipeFlags;

/// libvirt's helper writes 1 MiB at a time, and so much an unprivileged process may have.
const PIPE_BYTES: usize = 1 << 20;

/// A pipe, and the path under which libvirt opens its write end.
pub(super) struct Target {
    /// Valid until `opening` is dropped.
    pub(super) path: String,
    pub(super) reader: OwnedFd,
    /// Keep it until libvirt has opened the path or will not do so any more. Earlier, the path would lead nowhere, or
    /// to a file that was given the same number, and libvirt would create or overwrite what it finds.
    pub(super) opening: Opening,
}

#[expect(dead_code, reason = "held for what dropping it does")]
pub(super) enum Opening {
    /// Our own write end: while it is open there is no end of the stream.
    Pipe(OwnedFd),
    Fifo(FifoFile),
}

/// A FIFO in the file system; removed when dropped.
pub(super) struct FifoFile(PathBuf);

impl Drop for FifoFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "a FIFO was not removed");
        }
    }
}

impl Target {
    pub(super) fn pipe() -> io::Result<Self> {
        let (reader, writer) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        widen(&reader);
        let path = format!("/proc/{}/fd/{}", std::process::id(), writer.as_raw_fd());
        Ok(Self { path, reader, opening: Opening::Pipe(writer) })
    }

    /// A FIFO in `dir`, which libvirtd sees under the same path.
    pub(super) fn fifo(dir: &Path) -> io::Result<Self> {
        let file = dir.join(format!(".{}.fifo", uuid::Uuid::new_v4()));
        let at_path = |errno: rustix::io::Errno| io::Error::other(format!("{}: {errno}", file.display()));
        let Some(path) = file.to_str().map(str::to_owned) else {
            return Err(io::Error::other(format!("{}: not UTF-8", file.display())));
        };
        rustix::fs::mkfifoat(CWD, &file, Mode::RUSR | Mode::WUSR).map_err(at_path)?;
        let made = FifoFile(file.clone());
        // Without O_NONBLOCK this would wait for a writer; libvirt without a reader would, with the guest stopped.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let reader = rustix::fs::open(&file, flags, Mode::empty()).map_err(at_path)?;
        widen(&reader);
        Ok(Self { path, reader, opening: Opening::Fifo(made) })
    }
}

/// Best effort: a small pipe is only slower.
fn widen(pipe: &OwnedFd) {
    if let Err(error) = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES) {
        tracing::debug!(%error, "the pipe keeps its size");
    }
}

/// Makes reads of `reader` block.
pub(super) fn set_blocking(reader: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(reader)?;
    Ok(rustix::fs::fcntl_setfl(reader, flags - OFlags::NONBLOCK)?)
}

/// What happened first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// There are bytes to read.
    Bytes,
    /// libvirt's call returned, and there are none.
    Returned,
    /// Neither, in the time given.
    Nothing,
}

/// Waits until `reader` has bytes, or the other end of `returned` is closed, or `limit` is over.
pub(super) fn wait_for_bytes(
    reader: &OwnedFd,
    returned: &OwnedFd,
    limit: Option<Duration>,
) -> io::Result<Arrival> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let mut has_writer = true;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let returned = PollFd::from_borrowed_fd(returned.as_fd(), PollFlags::IN);
        // A FIFO whose writer left without a byte says so again and again: then only the call is waited for.
        let mut both = [returned.clone(), PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)];
        let mut one = [returned];
        let fds: &mut [PollFd<'_>] = if has_writer { &mut both } else { &mut one };
        match poll(fds, timeout.as_ref()) {
            Ok(0) => return Ok(Arrival::Nothing),
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        let mut events = fds.iter().map(PollFd::revents);
        let returned = events.next().is_some_and(|events| !events.is_empty());
        let read = events.next().unwrap_or(PollFlags::empty());
        if read.contains(PollFlags::IN) {
            return Ok(Arrival::Bytes);
        }
        if returned {
            return Ok(Arrival::Returned);
        }
        has_writer = has_writer && read.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};

    use super::*;

    /// As libvirt does it.
    fn open(path: &str) -> File {
        OpenOptions::new().write(true).open(path).unwrap()
    }

    fn never_returns() -> (OwnedFd, OwnedFd) {
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).unwrap()
    }

    fn each_kind(test: impl Fn(Target)) {
        let dir = tempfile::tempdir().unwrap();
        test(Target::pipe().unwrap());
        test(Target::fifo(dir.path()).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the FIFO is removed");
    }

    #[test]
    fn what_is_written_to_the_path_is_read_to_its_end() {
        each_kind(|target| {
            let (returned, _call) = never_returns();
            let mut writer = open(&target.path);
            writer.write_all(b"\x7fELF").unwrap();
            assert_eq!(wait_for_bytes(&target.reader, &returned, None).unwrap(), Arrival::Bytes);
            drop(target.opening);
            writer.write_all(b"...").unwrap();
            drop(writer);

            set_blocking(&target.reader).unwrap();
            let mut read = Vec::new();
            File::from(target.reader).read_to_end(&mut read).unwrap();
            assert_eq!(read, b"\x7fELF...");
        });
    }

    #[test]
    fn a_call_that_returns_without_a_byte_is_told_apart() {
        each_kind(|target| {
            let (returned, call) = never_returns();
            drop(open(&target.path));
            let wait = |limit| wait_for_bytes(&target.reader, &returned, limit).unwrap();
            assert_eq!(wait(Some(Duration::ZERO)), Arrival::Nothing);
            drop(call);
            assert_eq!(wait(None), Arrival::Returned);
        });
    }

    #[test]
    fn bytes_of_a_call_that_has_returned_are_not_lost() {
        each_kind(|target| {
            let (returned, call) = never_returns();
            open(&target.path).write_all(b"all").unwrap();
            drop(call);
            assert_eq!(wait_for_bytes(&target.reader, &returned, None).unwrap(), Arrival::Bytes);
        });
    }

    #[test]
    fn the_writer_notices_a_closed_reader() {
        each_kind(|target| {
            let mut writer = open(&target.path);
            drop(target.reader);
            assert_eq!(writer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_fifo_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::fifo(dir.path()).unwrap();
        let metadata = std::fs::symlink_metadata(&target.path).unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let without_reader = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(&target.path);
        assert!(without_reader.is_ok(), "a reader is there before libvirt is told the path");
    }

    #[test]
    fn a_directory_that_is_missing_is_named() {
        let error = Target::fifo(Path::new("/nonexistent/dumps")).err().unwrap().to_string();
        assert!(error.starts_with("/nonexistent/dumps/") && error.contains("No such file"), "{error}");
    }
}
