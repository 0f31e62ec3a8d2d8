//! Why a stored image cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, DumpId, ExportFormat, Finding, FrameSpan};

use crate::format::difference::BaseError;
use crate::format::elf::ElfError;
use crate::format::frame::FrameFault;
use crate::format::manifest::ManifestError;
use crate::format::seek_table::SeekTableError;
use crate::pipeline::unpack::UnpackError;

/// Why a stored image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not exist, or may not be read.
    #[error("the image {path} cannot be opened")]
    Open {
        /// Which of the files of the image.
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
        /// Which of the files of the image.
        path: PathBuf,
        /// Bytes from its beginning.
        offset: u64,
        /// What the system says.
        source: io::Error,
    },
    /// It has no usable seek table.
    #[error("the stored image {path} cannot be read")]
    SeekTable {
        /// Which of the files of the image.
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
    /// The image is stored as a difference to another one, which cannot be used.
    #[error("{} is stored as a difference to the image of dump {dump}, which must be beside it as {}", image.display(), base.display())]
    Base {
        /// The stored image.
        image: PathBuf,
        /// The dump of the other image.
        dump: DumpId,
        /// Where that image must be.
        base: PathBuf,
        /// What is wrong with it.
        source: Box<BaseError>,
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
    Manifest { path: PathBuf, source: ManifestError },
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
    /// Whoever had it read wants no more of it.
    #[error("the reading was stopped")]
    Stopped,
    /// The system refuses to start threads.
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

/// Why an image has no layout in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Its headers are not those of a core.
    #[error("the image's headers are not valid")]
    Headers(#[source] ElfError),
    /// It ends within its headers.
    #[error("the image ends within its headers")]
    HeadersIncomplete,
    /// A segment reaches beyond the image's last byte.
    #[error("the segment at guest-physical {address:#x} reaches beyond the end of the image")]
    BeyondImage {
        /// Where its memory begins in the guest.
        address: u64,
    },
    /// Two segments claim the same memory, and nothing shows which is right.
    #[error("two segments hold the memory at guest-physical {address:#x}; only the ELF core can hold both")]
    Overlap {
        /// Where the second begins in the guest.
        address: u64,
    },
    /// The export would be longer than a file can be.
    #[error("the memory ends beyond 2^64 bytes")]
    TooLong,
}

impl ReadError {
    /// What ended the unpacking of that image.
    pub(crate) fn from_unpack(error: UnpackError<Self>, path: &Path) -> Self {
        match error {
            UnpackError::Start(source) => Self::Threads(source),
            UnpackError::Read { offset, source } => Self::Read { path: path.to_owned(), offset, source },
            UnpackError::Panicked => Self::Panicked,
            UnpackError::Collect(error) => error,
        }
    }
}
