//! Files of the state directory: read only where nobody else can change them, and written whole before they have their name.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags};
use rustix::io::Errno;

/// Far more than a key or the end of a chain takes.
const LONGEST: u64 = 64 << 10;
/// Group or others may write.
const WRITABLE: u32 = 0o022;
/// Group or others may do anything at all.
const ANYTHING: u32 = 0o077;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{} cannot be {step}", path.display())]
    Io {
        /// `read`, `written`, ...
        step: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Somebody else owns it, and could change it at any time.
    #[error("{} belongs to user {owner}, and memdeck trusts only its own user and root", path.display())]
    Foreign { path: PathBuf, owner: u32 },
    /// Others may change it.
    #[error("{} can be changed by others (mode {mode:o}): chmod go-w {}", path.display(), path.display())]
    Writable { path: PathBuf, mode: u32 },
    /// Others may read a secret.
    #[error(
        "{} holds a secret that others can read (mode {mode:o}): replace the key, and chmod 600 {}",
        path.display(), path.display()
    )]
    Readable { path: PathBuf, mode: u32 },
}

/// Who may see a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Its owner alone.
    Secret,
    /// Others too, but nobody else may change it.
    Public,
}

/// What is to become of a file that has the name already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It stays.
    New,
    /// It is replaced.
    Instead,
}

pub fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { step, path, source }
}

/// The content of a file; `None` if there is none. A link is not followed.
pub fn read(path: &Path, kept: Kept) -> Result<Option<Vec<u8>>, FileError> {
    let no_follow = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or(0);
    let file = match OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let metadata = file.metadata().map_err(failed("read", path))?;
    check(path, &metadata, kept)?;
    let mut content = Vec::new();
    file.take(LONGEST).read_to_end(&mut content).map_err(failed("read", path))?;
    Ok(Some(content))
}

/// Whether nobody else can change what lies there.
pub fn check(path: &Path, metadata: &Metadata, kept: Kept) -> Result<(), FileError> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(FileError::Foreign { path: path.to_owned(), owner });
    }
    if mode & WRITABLE != 0 {
        return Err(FileError::Writable { path: path.to_owned(), mode });
    }
    if kept == Kept::Secret && mode & ANYTHING != 0 {
        return Err(FileError::Readable { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Writes a file for its owner alone (0600), durable with its name. False if there is one already that stays.
///
/// `aside` is what it is called until it is whole; nobody else uses that name.
pub fn write(path: &Path, aside: &Path, content: &[u8], put: Put) -> Result<bool, FileError> {
    let written = write_aside(aside, content).and_then(|()| name(aside, path, put));
    if !matches!(written, Ok(true)) {
        // What stays is nobody's, and has a name that says so.
        let _ = std::fs::remove_file(aside);
    }
    let is_written = written.map_err(failed("written", path))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed("written", path))?;
    Ok(is_written)
}

fn write_aside(aside: &Path, content: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
    file.write_all(content)?;
    file.sync_all()
}

fn name(aside: &Path, path: &Path, put: Put) -> io::Result<bool> {
    if put == Put::Instead {
        return std::fs::rename(aside, path).map(|()| true);
    }
    let named = match rustix::fs::renameat_with(CWD, aside, CWD, path, RenameFlags::NOREPLACE) {
        // Not every file system can do that.
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(aside, path).and_then(|()| std::fs::remove_file(aside))
        }
        renamed => renamed.map_err(io::Error::from),
    };
    match named {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        named => named.map(|()| true),
    }
}
