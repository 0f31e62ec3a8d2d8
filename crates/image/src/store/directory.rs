//! The directory that holds images. Every file operation names a file inside of the directory that was opened once,
//! so that nobody can lead one elsewhere by exchanging a path for a link.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use memdeck_model::ByteCount;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::StoreError;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// Group or other may create, replace and remove files.
const WRITABLE_BY_OTHERS: u32 = 0o022;

#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        // `components` drops a trailing slash, which would make the system follow a link.
        let path: PathBuf = std::path::absolute(dir)
            .map_err(|source| StoreError::OpenDirectory { path: dir.to_owned(), source })?
            .components()
            .collect();
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(&path).or_else(|source| {
            // A file or dangling link in its place is reported below, in words.
            let in_its_place = path.symlink_metadata().is_ok();
            if in_its_place {
                Ok(())
            } else {
                Err(StoreError::CreateDirectory { path: path.clone(), source })
            }
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(&path, flags, Mode::empty()).map_err(|errno| {
            if path.is_symlink() {
                StoreError::DirectoryIsLink { path: path.clone() }
            } else if errno == Errno::NOTDIR {
                StoreError::NotADirectory { path: path.clone() }
            } else {
                StoreError::OpenDirectory { path: path.clone(), source: errno.into() }
            }
        })?;
        let stat = rustix::fs::fstat(&fd)
            .map_err(|errno| StoreError::OpenDirectory { path: path.clone(), source: errno.into() })?;
        let mode = stat.st_mode & 0o7777;
        if mode & WRITABLE_BY_OTHERS != 0 {
            return Err(StoreError::WritableByOthers { path, mode });
        }
        Ok(Self { path, fd })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A new file that only its owner may read, open for writing.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, FILE_MODE)?.into())
    }

    /// A new file without a name, which only this process can read and which ends with it, open for both.
    pub(crate) fn create_nameless(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, ".", flags, FILE_MODE) {
            Ok(fd) => Ok(fd.into()),
            // Not every file system can do that.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => self.create_unlinked(),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The same where a file must have a name first: it loses it at once.
    fn create_unlinked(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut attempt = 0_u32;
        loop {
            let name = spool_name(std::process::id(), attempt);
            match rustix::fs::openat(&self.fd, &name, flags, FILE_MODE) {
                Ok(fd) => {
                    self.remove(&name)?;
                    return Ok(fd.into());
                }
                Err(Errno::EXIST) if attempt < u32::MAX => attempt += 1,
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Opens a file to read it; a link is not followed.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?.into())
    }

    /// Whether anything has that name, a dangling link included.
    pub(crate) fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Removes a file, or the link itself where it is one.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    /// Makes created, renamed and removed names durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        self.path.read_dir()?.map(|entry| Ok(entry?.file_name())).collect()
    }

    /// What an unprivileged user may still write to the volume.
    pub(crate) fn free_bytes(&self) -> io::Result<ByteCount> {
        let volume = rustix::fs::fstatvfs(&self.fd)?;
        Ok(ByteCount(volume.f_bavail.saturating_mul(volume.f_frsize)))
    }
}

fn spool_name(process: u32, attempt: u32) -> String {
    format!(".spool-{process}-{attempt}")
}

/// The process whose spool file that is, by its name.
pub(crate) fn process_of_spool(name: &str) -> Option<u32> {
    let (process, attempt) = name.strip_prefix(".spool-")?.split_once('-')?;
    let (process, attempt) = (process.parse().ok()?, attempt.parse().ok()?);
    (spool_name(process, attempt) == name).then_some(process)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};

    use super::*;

    #[test]
    fn a_nameless_file_is_for_its_owner_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(&dir.path().join("dumps")).unwrap();
        for file in [directory.create_nameless().unwrap(), directory.create_unlinked().unwrap()] {
            let metadata = file.metadata().unwrap();
            assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o600, 0));
            file.write_all_at(b"page", 4096).unwrap();
            let mut read = [0; 4];
            file.read_exact_at(&mut read, 4096).unwrap();
            assert_eq!(&read, b"page");
        }
        assert_eq!(directory.names().unwrap(), Vec::<OsString>::new());
    }

    #[test]
    fn a_leftover_of_that_name_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(&dir.path().join("dumps")).unwrap();
        let name = format!(".spool-{}-0", std::process::id());
        std::fs::write(directory.path().join(&name), "theirs").unwrap();
        directory.create_unlinked().unwrap();
        assert_eq!(std::fs::read(directory.path().join(&name)).unwrap(), b"theirs");
    }
}
