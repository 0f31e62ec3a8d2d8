//! An image that is being taken: its files, and the capture into them.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{DumpId, Progress};
use rustix::fs::FlockOperation;

use super::capture::{Captured, Targets, capture};
use super::directory::Directory;
use super::{BaseImage, CaptureError, StoreError};
use crate::format::companions::{DIGESTS_SUFFIX, PAGE_MAP_SUFFIX, PARTIAL_SUFFIX};
use crate::pipeline::pack::Outputs;
use crate::pipeline::source::ReceivedImage;

/// The files of an image that is not sealed; dropping this removes them.
pub(super) struct Unsealed {
    pub(super) directory: Arc<Directory>,
    pub(super) names: Vec<String>,
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

impl Drop for Unsealed {
    fn drop(&mut self) {
        for name in &self.names {
            // Nobody is left to report to; `remove_partials` finds what stays.
            let _ = self.directory.remove(name);
        }
    }
}

/// An image that is being taken. Dropping it removes its files, unless it was sealed.
pub struct PartialImage {
    pub(super) unsealed: Unsealed,
    pub(super) stem: String,
    pub(super) path: PathBuf,
    pub(super) dump_id: DumpId,
    pub(super) file: File,
    pub(super) page_map: File,
    pub(super) digests: File,
    /// Whether a capture began.
    was_captured: bool,
    pub(super) captured: Option<Captured>,
}

// By hand: the buffers hold a guest's memory, which belongs in no log.
impl fmt::Debug for PartialImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartialImage").field("path", &self.path).finish_non_exhaustive()
    }
}

impl PartialImage {
    /// Creates its files.
    pub(super) fn create(
        directory: Arc<Directory>,
        stem: String,
        dump_id: &DumpId,
    ) -> Result<Self, StoreError> {
        let path = directory.path().join(format!("{stem}{PARTIAL_SUFFIX}"));
        // Whatever is created from here on is removed if the next step fails.
        let mut created = Unsealed { directory, names: Vec::new() };
        let file = created.create(format!("{stem}{PARTIAL_SUFFIX}"))?;
        // Shows other processes that this one works here, until it ends. Without working locks they do not see it.
        let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        let page_map = created.create(format!("{stem}{PAGE_MAP_SUFFIX}"))?;
        let digests = created.create(format!("{stem}{DIGESTS_SUFFIX}"))?;
        Ok(Self {
            unsealed: created,
            stem,
            path,
            dump_id: dump_id.clone(),
            file,
            page_map,
            digests,
            was_captured: false,
            captured: None,
        })
    }

    /// The partial file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores an image that was received whole.
    ///
    /// It is read twice at the same time: once to store it, and once for its hash. After every MiB, and at the end, the
    /// calling thread reports to `observer` how much was read, of how much, and asks `must_stop` before it goes on.
    ///
    /// # Errors
    /// `must_stop` says so, the pages cannot be read or differ between both readings, or the image cannot be written.
    /// The image cannot be sealed afterwards.
    pub fn capture(
        &mut self,
        image: impl ReceivedImage,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Captured, CaptureError> {
        self.capture_against(image, None, must_stop, observer)
    }

    /// The same, stored as a difference to `base` if that has its memory in the same places.
    ///
    /// # Errors
    /// As [`Self::capture`]. A base that turns out to be damaged is none: what was to come from it is stored.
    pub fn capture_against(
        &mut self,
        image: impl ReceivedImage,
        base: Option<BaseImage>,
        must_stop: &dyn Fn() -> bool,
        observer: &mut dyn FnMut(Progress),
    ) -> Result<Captured, CaptureError> {
        if std::mem::replace(&mut self.was_captured, true) {
            return Err(CaptureError::AlreadyCaptured { path: self.path.clone() });
        }
        let captured = capture(&self.targets(), image, base, must_stop, observer)?;
        self.captured = Some(captured.clone());
        Ok(captured)
    }

    fn targets(&self) -> Targets<'_> {
        let files = Outputs { image: &self.file, page_map: &self.page_map, digests: &self.digests };
        Targets { files, partial: &self.path }
    }
}
