//! What the verification of a stored image finds.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{ByteCount, Finding, Manifest, SignatureCheck, TimeStampCheck, Verdict};

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
    /// What checking the manifest's signature found. An older service looks for none.
    #[serde(default)]
    pub signature: SignatureCheck,
    /// What checking the manifest's time stamp found. An older service looks for none.
    #[serde(default)]
    pub time_stamp: TimeStampCheck,
}
