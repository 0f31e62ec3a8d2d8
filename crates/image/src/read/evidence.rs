//! A stored image opened together with what its bytes must be, before any of them is handed out.
//!
//! ```text
//! record of the catalog ──► manifest ──► root ──► digests ──► each frame, as it is read
//!   (where there is one)     its hash     BLAKE3     BLAKE3
//! ```
//!
//! What differs is an error here. An image that was stored without digests can only be checked as a whole.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{ByteCount, Manifest, Record};

use super::error::ReadError;
use super::image::{ImageReader, open_image};
use super::manifest::read_manifest;
use super::recorded::{Seen, differences};
use crate::format::companions::{DIGESTS_SUFFIX, companion};
use crate::format::difference::Base;
use crate::format::digests::Digests;
use crate::format::manifest::ManifestFile;
use crate::format::seek_table::SeekTable;

/// The image, and what its bytes must be.
pub(crate) struct Evidence {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) table: SeekTable,
    pub(crate) manifest: Option<Manifest>,
    /// `None` if the image was stored without, or nothing says what they must be.
    pub(crate) digests: Option<Arc<Digests>>,
    /// What it is a difference to, if it is one.
    pub(crate) base: Option<Arc<Base>>,
    /// SHA-256 of the whole image, as the manifest says, or else the record.
    pub(crate) sha256: Option<String>,
}

impl Evidence {
    /// Opens an image; with the record of its dump, it must be that dump's.
    ///
    /// # Errors
    /// It cannot be opened or read, its manifest or its digests are unusable, or something is not as it was recorded.
    pub(crate) fn open(path: &Path, record: Option<&Record>) -> Result<Self, ReadError> {
        let manifest = read_manifest(path)?;
        Self::with_manifest(path, manifest, record)
    }

    /// The same where the manifest is known or known to be of no use.
    pub(crate) fn with_manifest(
        path: &Path,
        manifest: Option<ManifestFile>,
        record: Option<&Record>,
    ) -> Result<Self, ReadError> {
        let mut file = open_image(path)?;
        let io_error = |source| ReadError::Read { path: path.to_owned(), offset: 0, source };
        let stored_size = ByteCount(file.metadata().map_err(io_error)?.len());
        let table = SeekTable::read_from(&mut file);
        if let Some(record) = record {
            let seen = Seen {
                manifest: manifest.as_ref().map(|file| (&file.manifest, file.sha256.as_str())),
                sha256: None,
                digests_root: None,
                stored_size: Some(stored_size),
                raw_size: table.as_ref().ok().map(SeekTable::raw_size),
            };
            let findings = differences(record, &seen);
            if !findings.is_empty() {
                return Err(ReadError::NotAsRecorded { path: path.to_owned(), findings });
            }
        }
        let table = table.map_err(|source| ReadError::SeekTable { path: path.to_owned(), source })?;
        let manifest = manifest.map(|file| file.manifest);
        let of_manifest = manifest.as_ref().and_then(|manifest| manifest.frame_digests.as_ref());
        let of_record = record.and_then(|record| record.digests_root.as_deref());
        let roots: Vec<&str> =
            [of_manifest.map(|digests| digests.root.as_str()), of_record].into_iter().flatten().collect();
        let digests = if roots.is_empty() {
            None
        } else {
            let digests = Digests::read_beside(path, table.frames(), &roots)
                .map_err(|source| ReadError::Digests { path: companion(path, DIGESTS_SUFFIX), source })?;
            Some(Arc::new(digests))
        };
        let base = manifest.as_ref().map(|manifest| base_of(path, manifest)).transpose()?.flatten();
        let of_manifest = manifest.as_ref().map(|manifest| manifest.sha256.clone());
        let sha256 = of_manifest.or_else(|| record.and_then(|record| record.sha256.clone()));
        Ok(Self { path: path.to_owned(), file, table, manifest, digests, base, sha256 })
    }

    /// The image as the bytes it holds, each frame checked.
    pub(crate) fn reader(&self) -> Result<ImageReader, ReadError> {
        Ok(ImageReader::open(&self.path)?.checked(self.digests.clone()).on(self.base.clone()))
    }
}

/// What the image of this manifest is a difference to; `None` if it is stored whole.
///
/// # Errors
/// The other image cannot be used.
pub(crate) fn base_of(image: &Path, manifest: &Manifest) -> Result<Option<Arc<Base>>, ReadError> {
    let Some(facts) = &manifest.difference else { return Ok(None) };
    match Base::open_beside(image, facts, manifest.raw_size_bytes.0) {
        Ok(base) => Ok(Some(Arc::new(base))),
        Err(source) => Err(ReadError::Base {
            image: image.to_owned(),
            dump: facts.base.clone(),
            base: Base::path_beside(image, facts),
            source: Box::new(source),
        }),
    }
}
