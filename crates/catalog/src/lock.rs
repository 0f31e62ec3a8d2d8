//! One process per state directory.
//!
//! The lock is `flock` on the file `lock`: the kernel releases it however the process ends. What the file says about
//! its holder is for people; only the lock itself decides. The directory is locked as well, where its volume can do that:
//! somebody may take the file for a leftover and remove it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt as _, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::no_room;
use crate::schema::create_private_dir;

/// More than any holder's description needs; a file that holds more is not read on.
const MAX_HOLDER_BYTES: usize = 4096;

/// How often an acquirer that meets somebody who only looks tries again before it gives up.
const MAX_LOOKERS: u32 = 10_000;

/// What the holder of a state directory does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockRole {
    /// `memdeck serve`
    Serve,
    /// `memdeck agent`
    Agent,
    /// `memdeck dump`
    Dump,
    /// `memdeck catalog`
    Catalog,
    /// `memdeck cancel`
    Cancel,
    /// `memdeck delete`
    Delete,
    /// `memdeck doctor --repair`
    Doctor,
    /// `memdeck restore`
    Restore,
    /// `memdeck user` or `memdeck token`
    Accounts,
    /// `memdeck signing-key`
    SigningKey,
    /// `memdeck archive`
    Archive,
}

impl fmt::Display for LockRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serve => "memdeck serve",
            Self::Agent => "memdeck agent",
            Self::Dump => "memdeck dump",
            Self::Catalog => "memdeck catalog",
            Self::Cancel => "memdeck cancel",
            Self::Delete => "memdeck delete",
            Self::Doctor => "memdeck doctor",
            Self::Restore => "memdeck restore",
            Self::Accounts => "memdeck user or token",
            Self::SigningKey => "memdeck signing-key",
            Self::Archive => "memdeck archive",
        })
    }
}

/// Who holds a state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// What it does.
    pub role: LockRole,
    /// Where it answers, once it does.
    pub url: Option<String>,
    /// Whether callers send it the token that lies in the state directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_in_state_dir: bool,
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {}", self.role, self.pid)?;
        if let Some(url) = &self.url {
            write!(f, ", {url}")?;
        }
        f.write_str(")")
    }
}

/// Why a state directory could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the state directory {} is in use by {}: stop that, or set STATE_DIR to another directory",
        dir.display(),
        holder.as_ref().map_or("another process".to_owned(), ToString::to_string)
    )]
    Held {
        /// The state directory.
        dir: PathBuf,
        /// Who has it, where the lock file says so.
        holder: Option<LockHolder>,
    },
    /// The lock file cannot be used.
    #[error("the state directory {} could not be locked", dir.display())]
    Io {
        /// The state directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LockError {
    /// Whether the volume of the state directory has no room for the lock file. That may pass.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if no_room(source))
    }
}

/// The right to use a state directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StateLock {
    dir: PathBuf,
    file: File,
    _directory: Option<File>,
}

impl StateLock {
    /// Name of the lock file in the state directory.
    pub const FILE_NAME: &'static str = "lock";

    /// Takes the directory, creating it (0700) if it is missing, and notes who took it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it; the directory or file cannot be used.
    pub fn acquire(state_dir: &Path, holder: &LockHolder) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { dir: state_dir.to_owned(), source };
        create_private_dir(state_dir).map_err(failed)?;
        let held = || {
            let file = open(state_dir, OpenOptions::new().read(true)).ok();
            LockError::Held { dir: state_dir.to_owned(), holder: file.as_ref().and_then(read_holder) }
        };
        let directory = File::open(state_dir).map_err(failed)?;
        let directory = match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(directory),
            Err(Errno::WOULDBLOCK) => return Err(held()),
            // Some volumes of a network lock files only.
            Err(_) => None,
        };
        let file = open(state_dir, OpenOptions::new().read(true).write(true).create(true)).map_err(failed)?;
        if !take(&file).map_err(failed)? {
            return Err(held());
        }
        let lock = Self { dir: state_dir.to_owned(), file, _directory: directory };
        lock.publish(holder)?;
        Ok(lock)
    }

    /// Whether the process `pid` holds the lock of `state_dir`, as the kernel says, not the file.
    #[must_use]
    pub fn is_held_by(state_dir: &Path, pid: u32) -> bool {
        let Ok(file) = open(state_dir, OpenOptions::new().read(true)) else { return false };
        let (Ok(metadata), Ok(locks)) = (file.metadata(), std::fs::read_to_string("/proc/locks")) else {
            return false;
        };
        locks.lines().any(|line| is_lock_of(line, pid, metadata.ino()))
    }

    /// Rewrites who holds the directory, for instance once its URL is known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn publish(&self, holder: &LockHolder) -> Result<(), LockError> {
        let write = || {
            let text = serde_json::to_vec(holder)?;
            self.file.write_all_at(&text, 0)?;
            // Readers stop after the first JSON value, so what is left of a longer one is harmless meanwhile.
            self.file.set_len(u64::try_from(text.len()).unwrap_or(u64::MAX))
        };
        let written: io::Result<()> = write();
        written.map_err(|source| LockError::Io { dir: self.dir.clone(), source })
    }
}

/// Who holds the state directory now; `None` when nobody does or the holder does not say.
#[must_use]
pub fn holder_of(state_dir: &Path) -> Option<LockHolder> {
    let file = open(state_dir, OpenOptions::new().read(true)).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(Errno::WOULDBLOCK) => read_holder(&file),
        // Nobody holds it. Closing the file releases the shared lock.
        _ => None,
    }
}

/// Whether a line of `/proc/locks` is the lock of a process on a file:
/// `1: FLOCK  ADVISORY  WRITE 21482 fe:00:5374096 0 EOF`. A volume may show other numbers for its device there than to
/// whoever looks at the file (btrfs), so only the inode counts.
fn is_lock_of(line: &str, pid: u32, inode: u64) -> bool {
    let mut fields = line.split_whitespace().skip(1);
    let (kind, _, access, holder, file) =
        (fields.next(), fields.next(), fields.next(), fields.next(), fields.next());
    kind == Some("FLOCK")
        && access == Some("WRITE")
        && holder.and_then(|holder| holder.parse().ok()) == Some(pid)
        && file.and_then(|file| file.rsplit(':').next()?.parse().ok()) == Some(inode)
}

fn open(state_dir: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    options.mode(0o600).custom_flags(nofollow).open(state_dir.join(StateLock::FILE_NAME))
}

/// Tries to lock without waiting; `false` when another process holds the lock.
///
/// [`holder_of`] takes the lock shared for a moment. Holders have it exclusively, so when a shared lock is granted,
/// only such a look was in the way, and it is worth trying again.
fn take(file: &File) -> io::Result<bool> {
    for _ in 0..MAX_LOOKERS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
        match flock(file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => flock(file, FlockOperation::Unlock)?,
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        std::thread::yield_now();
    }
    Ok(false)
}

fn read_holder(file: &File) -> Option<LockHolder> {
    let mut text = vec![0; MAX_HOLDER_BYTES];
    let length = file.read_at(&mut text, 0).ok()?;
    serde_json::Deserializer::from_slice(text.get(..length)?).into_iter().next()?.ok()
}
