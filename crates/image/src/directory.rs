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

use crate::StoreError;

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
