//! What a verification found wrong.

use std::borrow::Cow;
use std::ops::Range;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{DumpId, GuestName, GuestPhysAddr, KeyId};

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
    FurtherFrames { frames: u64 },
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
    FurtherFrameDigests { frames: u64 },
    /// The image is stored as a difference to another one, which cannot be used.
    #[error(
        "the image is stored as a difference to that of dump {dump}, which must be there as {path} and cannot be used: {reason}"
    )]
    BaseUnusable {
        /// The dump of the other image.
        dump: DumpId,
        /// Where that image must be.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
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
    FurtherPages { pages: u64 },
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
    /// The manifest is signed, and the signature is not there.
    #[error("there is no signature {path}, but the manifest says that key {key} signed it")]
    SignatureMissing {
        /// Where it should be.
        path: PathBuf,
        key: KeyId,
    },
    /// The signature cannot be read.
    #[error("the signature {path} is of no use: {reason}")]
    SignatureUnusable {
        /// Which of the files of the image.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature is of other bytes, or by another key than the manifest says.
    #[error("the signature {path} is not one of this manifest: one of both was changed or exchanged")]
    SignatureWrong {
        /// Which of the files of the image.
        path: PathBuf,
    },
    /// Signed by somebody whom nobody here believes.
    #[error(
        "the manifest is signed by key {key}, which is not among the keys that are believed here; \
             verify with its public key"
    )]
    SignedByUnknownKey { key: KeyId },
    /// A signature was asked for.
    #[error("the manifest is not signed")]
    Unsigned,
    /// The time stamp does not hold.
    #[error("the time stamp {path} does not hold for this manifest: {reason}")]
    TimeStampWrong {
        /// Which of the files of the image.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The time stamp may be right, and does not confirm what it should.
    #[error("the time stamp {path} does not confirm the manifest: {reason}")]
    TimeStampUnconfirmed {
        /// Which of the files of the image.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Stamped by an authority whom nobody here believes.
    #[error(
        "the manifest was stamped by {by}, for which none of the authorities vouches that are believed here; verify with \
             its certificate"
    )]
    StampedByUnknownAuthority {
        /// The subject of its certificate.
        by: String,
    },
    /// A time stamp was asked for.
    #[error("the manifest has no time stamp")]
    Unstamped,
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
    /// Whether something that would confirm the image is missing, rather than wrong.
    pub(crate) fn is_missing_record(&self) -> bool {
        matches!(
            self,
            Self::ManifestMissing { .. }
                | Self::ChecksumMissing { .. }
                | Self::PageMapMissing { .. }
                | Self::DigestsMissing { .. }
                | Self::SignatureMissing { .. }
                | Self::SignedByUnknownKey { .. }
                | Self::Unsigned
                | Self::TimeStampUnconfirmed { .. }
                | Self::StampedByUnknownAuthority { .. }
                | Self::Unstamped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_survive_their_json() {
        let span = FrameSpan { frame: 7, image: 7 << 20..8 << 20, stored: 900..1000 };
        let findings = [
            Finding::Frame { span: span.clone(), reason: "it does not decompress".to_owned() },
            Finding::FrameDigest { span: span.clone() },
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
}
