//! Reads a stored image back: any byte of it without unpacking the rest. All of it, in parallel: `export`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_model::{ByteCount, Record};

use crate::companions::{MANIFEST_SUFFIX, companion};
use crate::digests::Digests;
use crate::export::{ExportFormat, LayoutError};
use crate::hash::byte_len;
use crate::manifest::{Manifest, ManifestError, ManifestFile};
use crate::seek_table::{FrameSpan, SeekTable, SeekTableError};
use crate::unpack::{FrameFault, UnpackError, unpack_frame};
use crate::verify::{Finding, Seen, differences};

/// Why a stored image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not exist, or may not be read.
    #[error("the image {path} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory, device or pipe.
    #[error("{path} is not a regular file, so it is not a stored image")]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// Reading failed on the way.
    #[error("reading {path} failed at stored offset {offset}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Bytes from its beginning.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It has no usable seek table.
    #[error("the stored image {path} cannot be read")]
    SeekTable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SeekTableError,
    },
    /// A frame is damaged.
    #[error("frame {} is damaged (image bytes {} to {}, stored offset {})",
            span.frame, span.image.start, span.image.end, span.stored.start)]
    Frame {
        /// Which one.
        span: FrameSpan,
        /// What is wrong with it.
        source: FrameFault,
    },
    /// A frame is sound, but not the one that was stored.
    #[error("frame {} (image bytes {} to {}) is not the one that was recorded: its BLAKE3 digest is another; \
            nothing of it was handed out",
            span.frame, span.image.start, span.image.end)]
    FrameDigest {
        /// Which one.
        span: FrameSpan,
    },
    /// The digests of the frames cannot be used, so no frame can be checked.
    #[error("the frames of the image cannot be checked: {path} is not the file of digests that was recorded")]
    Digests {
        /// The file of digests.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The image or its manifest is not what the catalog's record says.
    #[error("{path} is not the image that was recorded: {}; verify it", listed(findings))]
    NotAsRecorded {
        /// The stored image.
        path: PathBuf,
        /// Everything that differs.
        findings: Vec<Finding>,
    },
    /// The exported bytes cannot be written.
    #[error("writing the exported image failed")]
    Write(#[source] io::Error),
    /// The manifest is there but cannot be used, so the export could not be checked.
    #[error("the manifest {path} cannot be used to check the image")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// The exported bytes are not those that were captured.
    #[error("the exported image's SHA-256 is {found}, but the manifest says {recorded}: do not use it")]
    HashMismatch {
        /// As the manifest says.
        recorded: String,
        /// Of the bytes that were written.
        found: String,
    },
    /// What is under the codec cannot be laid out in that format.
    #[error("{path} cannot be exported in that format")]
    Layout {
        /// The stored image.
        path: PathBuf,
        /// What is in the way.
        source: LayoutError,
    },
    /// An export has no byte there.
    #[error("the export ends after {} bytes; it has nothing at offset {offset}", length.0)]
    Offset {
        /// As asked for.
        offset: u64,
        /// Of the whole export.
        length: ByteCount,
    },
    /// The format can only be made from its beginning.
    #[error(
        "an export as {0} is made from its beginning: its parts have no known place before they are made"
    )]
    Sequential(ExportFormat),
    /// The system gives no threads.
    #[error("the threads that read an image cannot be started")]
    Threads(#[source] io::Error),
    /// A thread ended without a reason; a defect of memdeck.
    #[error("a thread that reads the image ended unexpectedly; please report this")]
    Panicked,
}

/// The first findings as a part of a sentence.
fn listed(findings: &[Finding]) -> String {
    const MOST: usize = 3;
    let mut text: Vec<String> = findings.iter().take(MOST).map(ToString::to_string).collect();
    if let Some(more @ 1..) = findings.len().checked_sub(MOST) {
        text.push(format!("and {more} more"));
    }
    text.join("; ")
}

/// A stored image as the bytes it holds. Keeps one frame in memory.
pub struct ImageReader<R = File> {
    source: R,
    table: SeekTable,
    decompressor: zstd::bulk::Decompressor<'static>,
    /// What each frame must hash to, where that is known.
    digests: Option<Arc<Digests>>,
    position: u64,
    /// The frame in `raw`.
    current: Option<FrameSpan>,
    stored: Vec<u8>,
    raw: Vec<u8>,
}

impl ImageReader<File> {
    /// Opens a stored image.
    ///
    /// # Errors
    /// It cannot be opened, is no regular file, or has no valid seek table.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(open_image(path)?).map_err(|source| ReadError::SeekTable { path: path.to_owned(), source })
    }
}

impl<R: Read + Seek> ImageReader<R> {
    /// Reads a stored image from anything that can be read at any place.
    ///
    /// # Errors
    /// It has no valid seek table.
    pub fn new(mut source: R) -> Result<Self, SeekTableError> {
        let table = SeekTable::read_from(&mut source)?;
        let decompressor = zstd::bulk::Decompressor::new().map_err(SeekTableError::Io)?;
        let (stored, raw) = (Vec::new(), Vec::new());
        Ok(Self { source, table, decompressor, digests: None, position: 0, current: None, stored, raw })
    }

    /// Gives out a frame only if it has its digest.
    pub(crate) fn checked(self, digests: Option<Arc<Digests>>) -> Self {
        Self { digests, ..self }
    }

    /// The size of the uncompressed image.
    #[must_use]
    pub fn raw_size(&self) -> ByteCount {
        self.table.raw_size()
    }

    /// Where its frames lie.
    #[must_use]
    pub fn seek_table(&self) -> &SeekTable {
        &self.table
    }

    fn load(&mut self, span: &FrameSpan) -> io::Result<()> {
        // A frame that fails half-way must not look loaded.
        self.current = None;
        self.source.seek(SeekFrom::Start(span.stored.start))?;
        let length = span.stored.end.saturating_sub(span.stored.start);
        self.stored.clear();
        self.source.by_ref().take(length).read_to_end(&mut self.stored)?;
        if byte_len(&self.stored) != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        unpack_frame(&mut self.decompressor, span, &self.stored, &mut self.raw).map_err(|source| {
            io::Error::new(io::ErrorKind::InvalidData, ReadError::Frame { span: span.clone(), source })
        })?;
        if let Some(digests) = &self.digests
            && !digests.has(span.frame, &blake3::hash(&self.raw))
        {
            self.raw.clear();
            let error = ReadError::FrameDigest { span: span.clone() };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        self.current = Some(span.clone());
        Ok(())
    }
}

impl<R: Read + Seek> Read for ImageReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(span) = self.table.span_at(self.position).filter(|span| span.image.contains(&self.position))
        else {
            return Ok(0);
        };
        if self.current.as_ref() != Some(&span) {
            self.load(&span)?;
        }
        let start = usize::try_from(self.position.saturating_sub(span.image.start)).unwrap_or(usize::MAX);
        let count = self.raw.get(start..).unwrap_or_default().read(buffer)?;
        self.position = self.position.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for ImageReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.raw_size().0.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the image's first byte")
        })?;
        Ok(self.position)
    }
}

pub(crate) fn open_image(path: &Path) -> Result<File, ReadError> {
    let open_error = |source| ReadError::Open { path: path.to_owned(), source };
    // Asked before opening: opening a pipe would wait for a writer.
    if !path.metadata().map_err(open_error)?.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(open_error)
}

pub(crate) fn unpack_error<E>(
    error: UnpackError<E>,
    path: &Path,
    sink: impl FnOnce(E) -> ReadError,
) -> ReadError {
    match error {
        UnpackError::Read { offset, source } => ReadError::Read { path: path.to_owned(), offset, source },
        UnpackError::Spawn(source) => ReadError::Threads(source),
        UnpackError::Panicked => ReadError::Panicked,
        UnpackError::Sink(error) => sink(error),
    }
}

/// The manifest beside an image; `None` where there is none. The image itself need not be there.
///
/// # Errors
/// It cannot be read, or is no manifest of this version.
pub fn read_manifest(image: &Path) -> Result<Option<ManifestFile>, ReadError> {
    let path = companion(image, MANIFEST_SUFFIX);
    match ManifestFile::read(&path) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(ManifestError::Io(source)) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::Manifest { path, source }),
    }
}

/// The manifest beside the image of a dump that the catalog has a record of; `None` where there is none. The image itself
/// need not be there.
///
/// # Errors
/// As [`read_manifest`]; also where the manifest is not what the record says.
pub fn read_recorded_manifest(image: &Path, record: &Record) -> Result<Option<Manifest>, ReadError> {
    let Some(file) = read_manifest(image)? else { return Ok(None) };
    let seen = Seen {
        manifest: Some((&file.manifest, &file.sha256)),
        sha256: None,
        digests_root: None,
        stored_size: None,
        raw_size: None,
    };
    let findings = differences(record, &seen);
    if findings.is_empty() {
        Ok(Some(file.manifest))
    } else {
        Err(ReadError::NotAsRecorded { path: image.to_owned(), findings })
    }
}

#[cfg(test)]
mod tests;
