//! Room that is kept for what must be recorded when the volume of the state directory is full.
//!
//! The file `reserve` holds 8 MiB that nobody else can take. If `SQLite` finds no room for an end, it is shortened by
//! a step and the transaction is tried again; it is made whole when the volume has room.
//!
//! ```text
//! whole ──no room for an end──► short by a step ──► … ──► the last steps: for deletions, which make room
//!   ▲                                │
//!   └───────── room again ───────────┘
//! ```
//!
//! While it is short, no new dump is accepted: what is left belongs to those that are accepted already.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use memdeck_model::ByteCount;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate};
use rustix::io::Errno;

use crate::CatalogError;

/// Name of the file in the state directory.
const FILE_NAME: &str = "reserve";
/// What it holds while it is whole.
const WHOLE: ByteCount = ByteCount::from_mib(8);
/// What it is shortened by. A transaction needs some pages of 4 KiB.
const STEP: ByteCount = ByteCount::from_mib(1);
/// What must be free for the reserve to be made anew, at most.
pub const ROOM_OF_RESERVE: ByteCount = ByteCount(WHOLE.0 + LEFT_FREE.0);
/// What stays free beside it when it is made whole: an end would have to break it up again at once otherwise.
const LEFT_FREE: ByteCount = ByteCount::from_mib(8);
/// Enough for a volume to need room for it.
const PAGE_BYTES: usize = 4096;

/// How far the reserve may be given up, by what for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For {
    /// The end of something that was accepted.
    End,
    /// The start of memdeck: without it nothing can be deleted.
    Start,
    Deletion,
}

impl For {
    /// What is left to others.
    fn leaves(self) -> ByteCount {
        match self {
            Self::End => ByteCount::from_mib(2),
            Self::Start => ByteCount::from_mib(1),
            Self::Deletion => ByteCount(0),
        }
    }
}

/// What is wrong with the volume of the state directory.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// No file can be written.
    #[error("nothing can be written in the state directory")]
    Unwritable(#[source] io::Error),
    /// The reserve cannot be made whole.
    #[error("the volume of the state directory has {free} free, and {wanted} are needed")]
    NoRoom {
        /// What is free.
        free: ByteCount,
        /// What has to be free.
        wanted: ByteCount,
    },
}

/// The reserve of one state directory.
#[derive(Debug)]
pub(crate) struct Reserve {
    dir: PathBuf,
    /// Held while its length changes.
    turn: Mutex<()>,
}

impl Reserve {
    pub(crate) fn of(state_dir: &Path) -> Self {
        Self { dir: state_dir.to_owned(), turn: Mutex::default() }
    }

    /// Does `work`; if the volume is full, releases the reserve step by step until it can be done or no more may be
    /// given up.
    pub(crate) fn behind<T>(
        &self,
        what: For,
        mut work: impl FnMut() -> Result<T, CatalogError>,
    ) -> Result<T, CatalogError> {
        loop {
            match work() {
                Err(error) if error.is_full() && self.give_up(what) => {}
                done => return done,
            }
        }
    }

    /// Whether it was given up in part and is not whole again. One that was never made is not short.
    pub(crate) fn is_short(&self) -> bool {
        self.open(false).and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.len() < WHOLE.0)
    }

    /// Makes it whole, if the volume has room for it and for more beside it.
    pub(crate) fn renew(&self) -> Result<(), VolumeError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let held = match self.open(false).and_then(|file| file.metadata()) {
            Ok(metadata) => ByteCount(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => ByteCount(0),
            Err(error) => return Err(VolumeError::Unwritable(error)),
        };
        if held >= WHOLE {
            return Ok(());
        }
        let free = self.free().map_err(VolumeError::Unwritable)?;
        let wanted = ByteCount(WHOLE.0 - held.0 + LEFT_FREE.0);
        if free < wanted {
            return Err(VolumeError::NoRoom { free, wanted });
        }
        let file = self.open(true).map_err(VolumeError::Unwritable)?;
        if let Err(error) = fill(&file, held.0) {
            // Another was quicker.
            let _ = file.set_len(held.0);
            return Err(VolumeError::Unwritable(error));
        }
        file.sync_all().map_err(VolumeError::Unwritable)
    }

    /// Whether a page can be written beside the catalog. It is written to a file without a name.
    pub(crate) fn try_write(&self) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mut file = match rustix::fs::open(&self.dir, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => File::from(file),
            // Not every file system can do that.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let path = self.dir.join("reserve.try");
                let file = options().write(true).create(true).truncate(true).open(&path)?;
                std::fs::remove_file(&path)?;
                file
            }
            Err(error) => return Err(error.into()),
        };
        file.write_all(&[0; PAGE_BYTES])
    }

    fn give_up(&self, what: For) -> bool {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let shorten = || {
            let file = self.open(false)?;
            let held = file.metadata()?.len();
            let left = held.saturating_sub(STEP.0);
            if held == 0 || left < what.leaves().0 {
                return Ok(false);
            }
            file.set_len(left)?;
            Ok(true)
        };
        let shortened: io::Result<bool> = shorten();
        shortened.unwrap_or(false)
    }

    fn open(&self, create: bool) -> io::Result<File> {
        options().read(true).write(true).create(create).open(self.dir.join(FILE_NAME))
    }

    fn free(&self) -> io::Result<ByteCount> {
        let volume = rustix::fs::statvfs(&self.dir)?;
        Ok(ByteCount(volume.f_bavail.saturating_mul(volume.f_frsize)))
    }
}

fn options() -> OpenOptions {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(nofollow);
    options
}

/// Allocates what is missing behind `held`. A file without blocks would keep no room.
fn fill(file: &File, held: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), held, WHOLE.0 - held) {
        Err(Errno::OPNOTSUPP) => {
            use std::os::unix::fs::FileExt as _;
            let page = [0xff; PAGE_BYTES];
            (held..WHOLE.0).step_by(PAGE_BYTES).try_for_each(|at| file.write_all_at(&page, at))
        }
        allocated => Ok(allocated?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn reserve() -> (tempfile::TempDir, Reserve) {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(dir.path());
        (dir, reserve)
    }

    fn full() -> CatalogError {
        let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        CatalogError::from(rusqlite::Error::SqliteFailure(full, None))
    }

    /// How often work is tried that never finds room.
    fn tries(reserve: &Reserve, what: For) -> usize {
        let mut tries = 0;
        let done = reserve.behind(what, || {
            tries += 1;
            Err::<(), _>(full())
        });
        assert!(done.unwrap_err().is_full());
        tries
    }

    #[test]
    fn what_it_holds_is_allocated_and_for_its_owner_alone() {
        let (dir, reserve) = reserve();
        reserve.renew().unwrap();
        let metadata = dir.path().join(FILE_NAME).metadata().unwrap();
        assert_eq!((metadata.len(), metadata.mode() & 0o7777), (WHOLE.0, 0o600));
        assert!(metadata.blocks() * 512 >= WHOLE.0, "{} blocks", metadata.blocks());
    }

    #[test]
    fn ends_leave_something_to_the_start_and_the_start_to_deletions() {
        let (_dir, reserve) = reserve();
        assert!(!reserve.is_short(), "never made");
        reserve.renew().unwrap();
        assert!(!reserve.is_short());
        // The first try comes before the first step.
        assert_eq!(tries(&reserve, For::End), 1 + 6);
        assert!(reserve.is_short());
        assert_eq!(tries(&reserve, For::End), 1);
        assert_eq!(tries(&reserve, For::Start), 1 + 1);
        assert_eq!(tries(&reserve, For::Deletion), 1 + 1);
        assert_eq!(tries(&reserve, For::Deletion), 1);
        reserve.renew().unwrap();
        assert!(!reserve.is_short());
    }

    #[test]
    fn nothing_is_given_up_for_another_failure_or_where_there_is_no_reserve() {
        let (dir, reserve) = reserve();
        assert_eq!(tries(&reserve, For::Deletion), 1);
        reserve.renew().unwrap();
        let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let busy = || CatalogError::from(rusqlite::Error::SqliteFailure(busy, None));
        assert!(reserve.behind(For::Deletion, || Err::<(), _>(busy())).is_err());
        assert_eq!(dir.path().join(FILE_NAME).metadata().unwrap().len(), WHOLE.0);
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let (dir, reserve) = reserve();
        let theirs = dir.path().join("theirs");
        std::fs::write(&theirs, "theirs").unwrap();
        std::os::unix::fs::symlink(&theirs, dir.path().join(FILE_NAME)).unwrap();
        assert!(matches!(reserve.renew(), Err(VolumeError::Unwritable(_))));
        assert_eq!(tries(&reserve, For::Deletion), 1);
        assert_eq!(std::fs::read(&theirs).unwrap(), b"theirs");
    }
}
