//! An image that is being taken: its files, and the capture into them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{DumpId, Progress};

use super::StoreError;
use crate::capture::{CaptureError, Captured, Targets, capture, capture_ordered, capture_read_ahead};
use crate::companions::{DIGESTS_SUFFIX, PAGE_MAP_SUFFIX, PARTIAL_SUFFIX};
use crate::directory::Directory;
use crate::frames::{Outputs, Ring};
use crate::ordered::OrderedImage;
use crate::overflow::Outlet;

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
            // Nobody is left to tell; `remove_partials` finds what stays.
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
    ring: Option<Ring>,
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
            ring: None,
            was_captured: false,
            captured: None,
        })
    }

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
}
