//! What may be wrong with a stored image, in words an operator understands.

use std::error::Error;
use std::fmt::{self, Write};
use std::path::PathBuf;

use memdeck_model::{DumpId, GuestName, GuestPhysAddr};
use serde::Serialize;

use crate::seek_table::FrameSpan;

/// A file with more damaged frames than this is not worth a longer list.
pub(super) const MAX_LISTED_FRAMES: u64 = 100;
/// The same for pages that are not as the page map says.
pub(super) const MAX_LISTED_PAGES: u64 = 20;

/// One thing that is not as it should be. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// The table at the end is missing or contradicts itself; frames cannot be checked.
    #[error("{reason}")]
    SeekTable {
        /// What is wrong with it.
        reason: String,
    },
    /// The file is shorter than the one that was sealed.
    #[error(
        "the file was cut short: it has {found_bytes} bytes, the manifest says {recorded_bytes} \
             (the bytes from stored offset {found_bytes} on are missing)"
    )]
    CutShort {
        /// As the manifest says.
        recorded_bytes: u64,
        /// As it is.
        found_bytes: u64,
    },
    /// The file is longer than the one that was sealed.
    #[error("the file has {found_bytes} bytes, more than the {recorded_bytes} that the manifest says")]
    TooLong {
        /// As the manifest says.
        recorded_bytes: u64,
        /// As it is.
        found_bytes: u64,
    },
    /// A frame is damaged.
    #[error("frame {} is damaged (image bytes {} to {}, stored offset {} to {}): {reason}",
            span.frame, span.image.start, span.image.end, span.stored.start, span.stored.end)]
    Frame {
        /// Which one, and where.
        #[serde(flatten)]
        span: FrameSpan,
        /// What is wrong with it.
        reason: String,
    },
    /// Damaged frames that are not listed.
    #[error("{frames} further frames are damaged")]
    FurtherFrames {
        /// How many.
        frames: u64,
    },
    /// A frame is sound, but not the one that was stored.
    #[error("frame {} (image bytes {} to {}) has another BLAKE3 digest than was recorded",
            span.frame, span.image.start, span.image.end)]
    FrameDigest {
        /// Which one, and where.
        #[serde(flatten)]
        span: FrameSpan,
    },
    /// Frames of other digests that are not listed.
    #[error("{frames} further frames have other digests")]
    FurtherFrameDigests {
        /// How many.
        frames: u64,
    },
    /// The digests are not there.
    #[error("there is no file {path} with the digests of the frames")]
    DigestsMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The digests cannot be read.
    #[error("the digests of the frames in {path} are of no use: {reason}")]
    DigestsUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The page map's entry of a page is not that of the page.
    #[error("page {page} (at {address}) is not the page that the page map describes")]
    Page {
        /// Its number, from 0.
        page: u64,
        /// Where it is in the guest's physical memory.
        address: GuestPhysAddr,
    },
    /// Pages that are not listed.
    #[error("{pages} further pages are not those that the page map describes")]
    FurtherPages {
        /// How many.
        pages: u64,
    },
    /// The page map is not there.
    #[error("there is no page map {path}")]
    PageMapMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The page map cannot be read, or is of other memory.
    #[error("the page map {path} is of no use: {reason}")]
    PageMapUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The image does not begin as an image.
    #[error("the image's headers are not valid: {reason}")]
    Headers {
        /// What is wrong with them.
        reason: String,
    },
    /// The image is not as long as its headers promise.
    #[error("the image has {found_bytes} bytes, but its ELF headers promise {promised_bytes}")]
    ImageSize {
        /// As the headers say.
        promised_bytes: u64,
        /// As it is.
        found_bytes: u64,
    },
    /// There is nothing to compare the image with.
    #[error("there is no manifest {path}: nobody can say whether these are the bytes that were captured")]
    ManifestMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The manifest cannot be read.
    #[error("the manifest {path} is of no use: {reason}")]
    ManifestUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest and the image are each sound, but of different dumps.
    #[error("the manifest {path} describes another image (dump {dump_id} of guest {guest})")]
    ManifestOfAnotherImage {
        /// The file.
        path: PathBuf,
        /// As the manifest says.
        dump_id: DumpId,
        /// As the manifest says.
        guest: GuestName,
    },
    /// A value of the manifest is not what the file has.
    #[error("the {what} is {found}, but the manifest says {recorded}")]
    ManifestMismatch {
        /// `size of the image`, `SHA-256 of the image`, ...
        what: &'static str,
        /// As the manifest says.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// The `.sha256` file is not there.
    #[error("there is no checksum file {path}")]
    ChecksumMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The `.sha256` file cannot be read.
    #[error("the checksum file {path} is of no use: {reason}")]
    ChecksumUnusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The `.sha256` file has the right digest and other text beside it.
    #[error("the checksum file {path} has the right SHA-256, but something else in it was changed")]
    ChecksumRewritten {
        /// The file.
        path: PathBuf,
    },
    /// The `.sha256` file is of other bytes.
    #[error("the SHA-256 of the image is {found}, but {path} says {recorded}")]
    ChecksumMismatch {
        /// The file.
        path: PathBuf,
        /// As it says.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// The manifest is another file than the one that was sealed.
    #[error(
        "the manifest was changed or exchanged: its SHA-256 is {found}, but the catalog's record says {recorded}"
    )]
    ManifestChanged {
        /// As the record says.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// A value of the image or of its manifest is not what the catalog recorded.
    #[error("the {what} is {found}, but the catalog's record says {recorded}")]
    RecordMismatch {
        /// `guest in the manifest`, `SHA-256 of the image`, ...
        what: &'static str,
        /// As the record says.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// The record itself is not to be believed.
    #[error(
        "the catalog's record of this dump was changed after memdeck wrote it, so it is no witness; \
             run: memdeck catalog check"
    )]
    RecordAltered,
}

impl Finding {
    /// Whether something is missing beside the image, rather than wrong.
    fn is_missing_record(&self) -> bool {
        matches!(
            self,
            Self::ManifestMissing { .. }
                | Self::ChecksumMissing { .. }
                | Self::PageMapMissing { .. }
                | Self::DigestsMissing { .. }
        )
    }
}

/// All findings in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything that was promised is true.
    Intact,
    /// Nothing is wrong with the sample of frames that was checked.
    Sampled,
    /// Nothing is wrong, but a file beside the image is missing.
    Unconfirmed,
    /// Something is wrong.
    Damaged,
}

impl Verdict {
    pub(super) fn of(findings: &[Finding], is_sample: bool) -> Self {
        if findings.is_empty() {
            if is_sample { Self::Sampled } else { Self::Intact }
        } else if findings.iter().all(Finding::is_missing_record) {
            Self::Unconfirmed
        } else {
            Self::Damaged
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intact => "intact",
            Self::Sampled => "nothing wrong in the sample",
            Self::Unconfirmed => "unconfirmed",
            Self::Damaged => "damaged",
        })
    }
}

/// An error and its causes in one sentence.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
