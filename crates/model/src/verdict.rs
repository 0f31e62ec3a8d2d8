//! What the verification of a stored image finds.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{ByteCount, DumpId, GuestName, GuestPhysAddr, Manifest};

/// One frame of a stored image; ranges are half-open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameSpan {
    /// Its number, from 0.
    pub frame: u64,
    /// The bytes of the image it contains.
    pub image: Range<u64>,
    /// Where it lies in the stored file.
    pub stored: Range<u64>,
}

/// One thing that is not as it should be. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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
        /// Which of the files of the image.
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
        /// Which of the files of the image.
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
        /// Which of the files of the image.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest and the image are each sound, but of different dumps.
    #[error("the manifest {path} describes another image (dump {dump_id} of guest {guest})")]
    ManifestOfAnotherImage {
        /// Which of the files of the image.
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
        what: Cow<'static, str>,
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
        /// Which of the files of the image.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The `.sha256` file has the right digest and other text beside it.
    #[error("the checksum file {path} has the right SHA-256, but something else in it was changed")]
    ChecksumRewritten {
        /// Which of the files of the image.
        path: PathBuf,
    },
    /// The `.sha256` file is of other bytes.
    #[error("the SHA-256 of the image is {found}, but {path} says {recorded}")]
    ChecksumMismatch {
        /// Which of the files of the image.
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
        what: Cow<'static, str>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The verdict on an image with these findings.
    #[must_use]
    pub fn of(findings: &[Finding], is_sample: bool) -> Self {
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

/// Whether an image agrees with the catalog's record of its dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordCheck {
    /// There was none to compare with: nobody can say whether these are the files of this dump.
    NotChecked,
    /// All of it agrees, the hash of the manifest included.
    Agrees,
    /// What it records agrees; the version that made it did not record the manifest's hash.
    AgreesWithoutManifest,
    /// It agrees, but was made anew from this manifest, so it is no witness against it.
    Rebuilt,
    /// Something differs.
    Differs,
}

/// A sample of an image's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Frames that were read and checked.
    pub frames: u64,
    /// Those among them for which there was a digest to compare with.
    pub compared: u64,
    /// Frames that there are.
    pub of: u64,
}

/// The state of a file beside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Companion {
    /// This image has none: it was stored before there were any.
    None,
    /// The manifest promises it, and it is not there.
    Missing,
    /// It is there, and as it should be, as far as this was checked.
    Intact,
    /// It is there, and something about it is wrong.
    Damaged,
}

/// What checking a stored image found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The image.
    pub path: PathBuf,
    /// The findings in a word.
    pub verdict: Verdict,
    /// What was checked, if that was not everything.
    pub sample: Option<Sample>,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// Size of the stored file.
    pub stored_size: ByteCount,
    /// SHA-256 of the stored file, if all of it was read.
    pub file_sha256: Option<String>,
    /// Size of the uncompressed image, if there is a seek table.
    pub raw_size: Option<ByteCount>,
    /// SHA-256 of the uncompressed image, if every frame could be read.
    pub sha256: Option<String>,
    /// Frames, if there is a seek table.
    pub frames: Option<u64>,
    /// The page map.
    pub page_map: Companion,
    /// The digests of the frames.
    pub frame_digests: Companion,
    /// The manifest, if there is a readable one.
    pub manifest: Option<Box<Manifest>>,
    /// SHA-256 of the manifest file, if it is a readable one.
    pub manifest_sha256: Option<String>,
    /// BLAKE3 root over the digests of the frames as they are; in a sample, over the recorded digests.
    pub digests_root: Option<String>,
    /// The result of the comparison with the catalog's record.
    pub record: RecordCheck,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> FrameSpan {
        FrameSpan { frame: 7, image: 7 << 20..8 << 20, stored: 900..1000 }
    }

    #[test]
    fn findings_survive_their_json() {
        let findings = [
            Finding::Frame { span: span(), reason: "it does not decompress".to_owned() },
            Finding::FrameDigest { span: span() },
            Finding::Page { page: 3, address: GuestPhysAddr(0x3000) },
            Finding::ManifestMismatch {
                what: "size of the image".into(),
                recorded: "1".to_owned(),
                found: "2".to_owned(),
            },
            Finding::RecordAltered,
        ];
        let json = serde_json::to_value(&findings).unwrap();
        assert_eq!(
            json[1],
            serde_json::json!({
                "kind": "frame_digest", "frame": 7, "image": {"start": 7 << 20, "end": 8 << 20},
                "stored": {"start": 900, "end": 1000},
            })
        );
        assert_eq!(serde_json::from_value::<Vec<Finding>>(json).unwrap(), findings);
    }

    #[test]
    fn only_missing_files_leave_an_image_unconfirmed() {
        let missing = Finding::ManifestMissing { path: "/dumps/a.json".into() };
        let frame = Finding::FrameDigest { span: span() };
        assert_eq!(Verdict::of(&[], false), Verdict::Intact);
        assert_eq!(Verdict::of(&[], true), Verdict::Sampled);
        assert_eq!(Verdict::of(std::slice::from_ref(&missing), true), Verdict::Unconfirmed);
        assert_eq!(Verdict::of(&[missing, frame], false), Verdict::Damaged);
    }
}
