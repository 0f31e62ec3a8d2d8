//! The directory of stored images, and an image on its way into it.
//!
//! ```text
//!  create ──► <stem>.elf.zst.partial, .pages, .blake3 ──capture──► written ──seal──► <stem>.elf.zst, .json, .sha256
//!                     └── dropped without a seal, or the seal failed: every file of it is removed
//! ```
//!
//! What a crash leaves is found again by the dump's id: [`ImageStore::remove_partials`].

mod find;
mod remove;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{ByteCount, DumpId, GuestName, Progress};

use crate::capture::{CaptureError, Captured, Targets, capture, capture_ordered, capture_read_ahead};
use crate::companions::{
    CHECKSUM_SUFFIX, DIGESTS_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, PAGE_MAP_SUFFIX, PARTIAL_SUFFIX, stem,
};
use crate::directory::Directory;
use crate::frames::{Outputs, Ring};
use crate::manifest::{Manifest, Provenance};
use crate::ordered::OrderedImage;
use crate::overflow::Outlet;

pub use self::remove::remove_stored;

/// Why the directory of images refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist and cannot be made.
    #[error("the directory for dumps {path} cannot be created")]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It exists and cannot be used.
    #[error("the directory for dumps {path} cannot be opened")]
    OpenDirectory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A link is in its place.
    #[error("the directory for dumps {path} is a symbolic link; name the directory it leads to")]
    DirectoryIsLink {
        /// The link.
        path: PathBuf,
    },
    /// Something else is in its place.
    #[error("{path} is not a directory, so dumps cannot be stored there")]
    NotADirectory {
        /// What is there.
        path: PathBuf,
    },
    /// Others could replace images.
    #[error(
        "the directory for dumps {path} may be written to by its group or by others (mode {mode:o}); \
             run: chmod go-w {path}"
    )]
    WritableByOthers {
        /// The directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The id cannot be part of a file name without doubt.
    #[error("the dump id {0} contains '_', so its files could not be told from those of other dumps")]
    AmbiguousDumpId(DumpId),
    /// The dump has a file already.
    #[error("{path} exists already; it is not overwritten")]
    Exists {
        /// What is there: a file, or a link.
        path: PathBuf,
    },
    /// The file cannot be created.
    #[error("the image {path} cannot be created")]
    CreateImage {
        /// The partial file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file of a live dump's pages cannot be created.
    #[error("a file for the pages of a live dump cannot be created in {path}")]
    CreateSpool {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory cannot be listed.
    #[error("the directory for dumps {path} cannot be listed")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be removed.
    #[error("{path} cannot be removed; remove it by hand")]
    Remove {
        /// What is left.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The volume does not tell its free space.
    #[error("the free space of {path} cannot be read")]
    FreeSpace {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a captured image did not become a stored one. Its files are removed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is nothing to seal.
    #[error("the image {path} was not captured completely, so it is not kept")]
    NotCaptured {
        /// The partial file.
        path: PathBuf,
    },
    /// The manifest cannot be expressed.
    #[error("the manifest of {path} cannot be written as JSON")]
    Manifest {
        /// The partial file.
        path: PathBuf,
        /// serde's reason.
        source: serde_json::Error,
    },
    /// A step failed on a file.
    #[error("{path} cannot be {step}")]
    File {
        /// What was done to it: `written`, `made durable`, ...
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

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
        for suffix in [IMAGE_SUFFIX, MANIFEST_SUFFIX, CHECKSUM_SUFFIX, PAGE_MAP_SUFFIX, DIGESTS_SUFFIX] {
            let name = format!("{stem}{suffix}");
            let path = self.dir().join(&name);
            match self.directory.has(&name) {
                Ok(false) => {}
                Ok(true) => return Err(StoreError::Exists { path }),
                Err(source) => return Err(StoreError::CreateImage { path, source }),
            }
        }
        let path = self.dir().join(format!("{stem}{PARTIAL_SUFFIX}"));
        let directory = Arc::clone(&self.directory);
        // Whatever is created from here on is removed if the next step fails.
        let mut created = Unsealed { directory, names: Vec::new() };
        let file = created.create(format!("{stem}{PARTIAL_SUFFIX}"))?;
        let page_map = created.create(format!("{stem}{PAGE_MAP_SUFFIX}"))?;
        let digests = created.create(format!("{stem}{DIGESTS_SUFFIX}"))?;
        Ok(PartialImage {
            unsealed: created,
            stem,
            path,
            dump_id: dump_id.clone(),
            file,
            page_map,
            digests,
            ring: None,
            was_captured: false,
            captured: None,
        })
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

    /// The bytes that may still be written to the volume.
    ///
    /// # Errors
    /// The volume does not tell.
    pub fn free_bytes(&self) -> Result<ByteCount, StoreError> {
        let error = |source| StoreError::FreeSpace { path: self.dir().to_owned(), source };
        self.directory.free_bytes().map_err(error)
    }
}

/// The files of an image that is not sealed; dropping this removes them.
struct Unsealed {
    directory: Arc<Directory>,
    names: Vec<String>,
}

impl Unsealed {
    fn create(&mut self, name: String) -> Result<File, StoreError> {
        let path = self.directory.path().join(&name);
        let file = self.directory.create(&name).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { path },
            _ => StoreError::CreateImage { path, source },
        })?;
        self.names.push(name);
        Ok(file)
    }
}

/// An image that is being taken. Dropping it removes its files, unless it was sealed.
pub struct PartialImage {
    unsealed: Unsealed,
    stem: String,
    path: PathBuf,
    dump_id: DumpId,
    file: File,
    page_map: File,
    digests: File,
    ring: Option<Ring>,
    /// Whether a capture began.
    was_captured: bool,
    captured: Option<Captured>,
}

/// A stored image: its bytes, manifest and checksum are on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The image file.
    pub image: PathBuf,
    /// Its manifest.
    pub manifest: PathBuf,
    /// Its `.sha256` file.
    pub checksum: PathBuf,
    /// Its page map, if it has one.
    pub page_map: Option<PathBuf>,
    /// The digests of its frames, if it has them.
    pub digests: Option<PathBuf>,
    /// Size of the image file.
    pub stored_size: ByteCount,
    /// Its change time, Unix seconds.
    pub ctime: i64,
    /// Its modification time, Unix seconds.
    pub mtime: i64,
    /// Its access time, Unix seconds.
    pub atime: i64,
}

// By hand: the buffers hold a guest's memory, which belongs in no log.
impl fmt::Debug for PartialImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialImage").field("path", &self.path).finish_non_exhaustive()
    }
}

impl PartialImage {
    /// The partial file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Allocates the buffers of [`Self::capture`], so that no guest waits for them. Without this it does so itself.
    pub fn prepare(&mut self) {
        if self.ring.is_none() {
            self.ring = Some(Ring::new());
        }
    }

    /// Reads the stream to its end, once, and stores it.
    ///
    /// The calling thread reads; everything else happens on threads of its own, up to 64 MiB behind. After every
    /// MiB, and at the end, the calling thread tells `observer` how much was read; it must return at once, since the
    /// guest waits for it. What is expected is 0 until the headers have passed, and exact afterwards. To abort, let
    /// `stream` return an error (of another kind than [`io::ErrorKind::Interrupted`], which is retried). The stream
    /// is dropped as soon as reading ends.
    ///
    /// # Errors
    /// The stream fails, is no ELF core, or is not as long as its headers promise; or the image cannot be written.
    /// The image cannot be sealed afterwards.
    pub fn capture(
        &mut self,
        stream: impl Read,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Captured, CaptureError> {
        self.begin_capture()?;
        let ring = self.ring.take().unwrap_or_else(Ring::new);
        let captured = capture(ring, &self.targets(), stream, observer)?;
        self.captured = Some(captured.clone());
        Ok(captured)
    }

    /// Stores what is read ahead of it. As [`Self::capture`], but `must_stop` is asked before every MiB.
    ///
    /// # Errors
    /// As [`Self::capture`]; or `must_stop` says so.
    pub fn capture_read_ahead(
        &mut self,
        outlet: Outlet,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Captured, CaptureError> {
        self.begin_capture()?;
        let ring = self.ring.take().unwrap_or_else(Ring::new);
        let captured = capture_read_ahead(ring, &self.targets(), outlet, must_stop, observer)?;
        self.captured = Some(captured.clone());
        Ok(captured)
    }

    /// Stores a live dump that was received whole. As [`Self::capture`], but `must_stop` is asked before every MiB, and
    /// the image is read twice at the same time: once to store it, and once for its hash.
    ///
    /// # Errors
    /// `must_stop` says so, the pages cannot be read or differ between both readings, or the image cannot be written.
    /// The image cannot be sealed afterwards.
    pub fn capture_ordered(
        &mut self,
        image: OrderedImage,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Captured, CaptureError> {
        self.begin_capture()?;
        let captured = capture_ordered(Ring::without_guest(), &self.targets(), image, must_stop, observer)?;
        self.captured = Some(captured.clone());
        Ok(captured)
    }

    fn begin_capture(&mut self) -> Result<(), CaptureError> {
        if std::mem::replace(&mut self.was_captured, true) {
            return Err(CaptureError::AlreadyCaptured { path: self.path.clone() });
        }
        Ok(())
    }

    fn targets(&self) -> Targets<'_> {
        let files = Outputs { image: &self.file, page_map: &self.page_map, digests: &self.digests };
        Targets { files, partial: &self.path }
    }

    /// Makes the image durable and gives it its name: fsync of the image, the page map and the digests; manifest and
    /// checksum written and fsynced; the image renamed; fsync of the directory.
    ///
    /// # Errors
    /// The capture did not succeed, or a step failed; then every file of the dump is removed.
    pub fn seal(mut self, provenance: Provenance) -> Result<Sealed, SealError> {
        let Some(captured) = self.captured.take() else {
            return Err(SealError::NotCaptured { path: self.path.clone() });
        };
        let manifest = Manifest::new(self.dump_id.clone(), provenance, captured);
        let json =
            manifest.to_json().map_err(|source| SealError::Manifest { path: self.path.clone(), source })?;
        let checksum = format!("{}  -\n", manifest.sha256);

        self.file.sync_all().map_err(failed("made durable", &self.path))?;
        let page_map = self.seal_page_map(manifest.page_map.is_some())?;
        let digests = self.beside(DIGESTS_SUFFIX);
        self.digests.sync_all().map_err(failed("made durable", &digests))?;
        let manifest_path = self.write_companion(MANIFEST_SUFFIX, &json)?;
        let checksum_path = self.write_companion(CHECKSUM_SUFFIX, checksum.as_bytes())?;
        let image = self.rename()?;
        let directory = &self.unsealed.directory;
        directory.sync().map_err(failed("made durable", directory.path()))?;
        let metadata = self.file.metadata().map_err(failed("examined", &image))?;
        self.unsealed.names.clear();
        Ok(Sealed {
            image,
            manifest: manifest_path,
            checksum: checksum_path,
            page_map,
            digests: Some(digests),
            stored_size: ByteCount(metadata.len()),
            ctime: metadata.ctime(),
            mtime: metadata.mtime(),
            atime: metadata.atime(),
        })
    }

    /// Where the file of this dump with that suffix is.
    fn beside(&self, suffix: &str) -> PathBuf {
        self.unsealed.directory.path().join(format!("{}{suffix}", self.stem))
    }

    /// Makes the page map durable, or removes its empty file where there is none.
    fn seal_page_map(&mut self, has_one: bool) -> Result<Option<PathBuf>, SealError> {
        let path = self.beside(PAGE_MAP_SUFFIX);
        if has_one {
            self.page_map.sync_all().map_err(failed("made durable", &path))?;
            return Ok(Some(path));
        }
        let name = format!("{}{PAGE_MAP_SUFFIX}", self.stem);
        self.unsealed.directory.remove(&name).map_err(failed("removed", &path))?;
        self.unsealed.names.retain(|unsealed| *unsealed != name);
        Ok(None)
    }

    fn write_companion(&mut self, suffix: &str, content: &[u8]) -> Result<PathBuf, SealError> {
        let path = self.beside(suffix);
        let name = format!("{}{suffix}", self.stem);
        let mut file = self.unsealed.directory.create(&name).map_err(failed("created", &path))?;
        self.unsealed.names.push(name);
        file.write_all(content).map_err(failed("written", &path))?;
        file.sync_all().map_err(failed("made durable", &path))?;
        Ok(path)
    }

    fn rename(&mut self) -> Result<PathBuf, SealError> {
        let partial = format!("{}{PARTIAL_SUFFIX}", self.stem);
        let name = format!("{}{IMAGE_SUFFIX}", self.stem);
        let path = self.beside(IMAGE_SUFFIX);
        self.unsealed.directory.rename(&partial, &name).map_err(failed("put in place", &path))?;
        self.unsealed.names.push(name);
        self.unsealed.names.retain(|name| *name != partial);
        Ok(path)
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SealError {
    let path = path.to_owned();
    move |source| SealError::File { step, path, source }
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        for name in &self.names {
            // Nobody is left to tell; `remove_partials` finds what stays.
            let _ = self.directory.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
