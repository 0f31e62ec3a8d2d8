//! The directory of stored images, and an image on its way into it.
//!
//! ```text
//!  create ──► <stem>.elf.zst.partial, .pages, .blake3 ──capture──► written ──seal──► <stem>.elf.zst, .json, .json.sig, .sha256
//!                     └── dropped without a seal, or the seal failed: every file of it is removed
//! ```
//!
//! What a crash leaves is found again by the dump's id: [`ImageStore::remove_partials`]; what nobody knows of any more is
//! swept: [`ImageStore::sweep`]. A deleted image leaves its manifest and what vouches for that.

mod base;
mod beside;
mod capture;
mod directory;
mod error;
mod find;
mod partial;
mod provenance;
mod remove;
mod seal;
mod stored;
mod sweep;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{ByteCount, DumpId, GuestName};

use self::directory::Directory;
use crate::format::companions::{
    CHECKSUM_SUFFIX, DIGESTS_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, PAGE_MAP_SUFFIX, SIGNATURE_SUFFIX,
    TIME_STAMP_SUFFIX, stem,
};

pub use self::base::{BaseImage, NoBase};
pub use self::beside::{keep_inside, keep_time_stamp, kept_inside};
pub use self::capture::Captured;
pub use self::error::{CaptureError, SealError, SpoolError, StoreError};
pub use self::partial::PartialImage;
pub use self::provenance::Provenance;
pub use self::remove::{check_removable, remove_stored};
pub use self::seal::Sealed;
pub use self::stored::{StoredDump, StoredDumps};

/// Enough for a volume to need room for it.
const PAGE_BYTES: usize = 4096;

/// The directory that holds stored images. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImageStore {
    directory: Arc<Directory>,
}

impl ImageStore {
    /// Opens the directory; one that does not exist is created with its parents, for its owner alone (0700).
    ///
    /// # Errors
    /// It is a link or no directory, may be written to by others than its owner, or cannot be created or opened.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { directory: Arc::new(Directory::open(dir)?) })
    }

    /// The directory's absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// Creates the files of a new dump, for its owner alone (0600).
    ///
    /// # Errors
    /// The dump has files already, the id contains `_`, or the file cannot be created.
    pub fn create(&self, guest: &GuestName, dump_id: &DumpId) -> Result<PartialImage, StoreError> {
        let stem = stem(guest, dump_id).ok_or_else(|| StoreError::AmbiguousDumpId(dump_id.clone()))?;
        for suffix in [
            IMAGE_SUFFIX,
            MANIFEST_SUFFIX,
            SIGNATURE_SUFFIX,
            TIME_STAMP_SUFFIX,
            CHECKSUM_SUFFIX,
            PAGE_MAP_SUFFIX,
            DIGESTS_SUFFIX,
        ] {
            let name = format!("{stem}{suffix}");
            let path = self.dir().join(&name);
            match self.directory.has(&name) {
                Ok(false) => {}
                Ok(true) => return Err(StoreError::Exists { path }),
                Err(source) => return Err(StoreError::CreateImage { path, source }),
            }
        }
        PartialImage::create(Arc::clone(&self.directory), stem, dump_id)
    }

    /// Creates an empty file without a name in the directory (0600): its room is free again once it is closed,
    /// however memdeck ends.
    ///
    /// # Errors
    /// It cannot be created.
    pub fn create_spool(&self) -> Result<File, StoreError> {
        let error = |source| StoreError::CreateSpool { path: self.dir().to_owned(), source };
        self.directory.create_nameless().map_err(error)
    }

    /// Removes every file of a dump that was not recorded: the partial one, and what a seal had already renamed when
    /// memdeck ended. Only for a dump that is not being taken now and has no record. Returns what it removed.
    ///
    /// # Errors
    /// The directory cannot be listed, or a file cannot be removed; files before it are.
    pub fn remove_partials(&self, dump_id: &DumpId) -> Result<Vec<PathBuf>, StoreError> {
        remove::remove_all(&self.directory, dump_id)
    }

    /// Writes a page to a file without a name, which is gone when this returns.
    ///
    /// # Errors
    /// The directory takes no file, or the volume no bytes.
    pub fn try_write(&self) -> Result<(), StoreError> {
        let error = |source| StoreError::Unwritable { path: self.dir().to_owned(), source };
        let mut file = self.directory.create_nameless().map_err(error)?;
        file.write_all(&[0; PAGE_BYTES]).map_err(error)
    }

    /// The bytes that may still be written to the volume.
    ///
    /// # Errors
    /// The volume does not report it.
    pub fn free_bytes(&self) -> Result<ByteCount, StoreError> {
        let error = |source| StoreError::FreeSpace { path: self.dir().to_owned(), source };
        self.directory.free_bytes().map_err(error)
    }
}

#[cfg(test)]
mod tests;
