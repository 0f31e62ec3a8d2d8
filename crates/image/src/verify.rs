//! Recomputes everything that was promised about a stored image, and says what is wrong and where.
//!
//! Every promise is checked, whatever the others turn out to be: the seek table, every frame, the ELF headers, the page
//! map, the digests of the frames, the manifest, the `.sha256` file. An error of [`verify`] means that the image could
//! not be checked at all; an image that is damaged is a [`VerifyReport`] with findings.
//!
//! That these are the files of this dump, and not those of another that was put in their place, only the catalog's record
//! can say: [`VerifyReport::hold_against`].
//!
//! [`verify_sample`] checks a few frames against their digests instead of all, and says so.

mod against;
mod contents;
mod digests;
mod finding;
mod headers;
mod page_map;
pub(crate) mod records;
mod sample;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, Progress, Record};
use serde::Serialize;

pub(crate) use self::against::{Seen, differences};
pub(crate) use self::finding::sentence;
pub use self::finding::{Finding, Verdict};
use self::records::Records;
use crate::manifest::Manifest;
use crate::reader::{ReadError, open_image};

/// What checking a stored image found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The image.
    pub path: PathBuf,
    /// The findings in a word.
    pub verdict: Verdict,
    /// What was checked, where that was not everything.
    pub sample: Option<Sample>,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
    /// Size of the stored file.
    pub stored_size: ByteCount,
    /// SHA-256 of the stored file, where all of it was read.
    pub file_sha256: Option<String>,
    /// Size of the uncompressed image, where there is a seek table.
    pub raw_size: Option<ByteCount>,
    /// SHA-256 of the uncompressed image, where every frame could be read.
    pub sha256: Option<String>,
    /// Frames, where there is a seek table.
    pub frames: Option<u64>,
    /// The page map.
    pub page_map: Companion,
    /// The digests of the frames.
    pub frame_digests: Companion,
    /// The manifest, where there is a readable one.
    pub manifest: Option<Box<Manifest>>,
    /// SHA-256 of the manifest file, where it is a readable one.
    pub manifest_sha256: Option<String>,
    /// BLAKE3 root over the digests of the frames as they are; in a sample, over the recorded digests.
    pub digests_root: Option<String>,
    /// What the catalog's record says.
    pub record: RecordCheck,
}

/// How an image stands to the catalog's record of its dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordCheck {
    /// There was none to compare with: that these are the files of this dump, nobody can say.
    NotChecked,
    /// All of it agrees, the hash of the manifest included.
    Agrees,
    /// What it has agrees; the version that made it did not record the manifest's hash.
    AgreesWithoutManifest,
    /// It agrees, but was made anew from this manifest, so it is no witness against it.
    Rebuilt,
    /// Something differs.
    Differs,
}

impl VerifyReport {
    /// Compares the image and its manifest with the catalog's record of the dump: what differs becomes findings.
    pub fn hold_against(&mut self, record: &Record) {
        let manifest = self.manifest.as_deref().zip(self.manifest_sha256.as_deref());
        let seen = Seen {
            manifest,
            sha256: self.sha256.as_deref(),
            digests_root: self.digests_root.as_deref(),
            stored_size: Some(self.stored_size),
            raw_size: self.raw_size,
        };
        let different = differences(record, &seen);
        self.record = match (different.is_empty(), &record.manifest_sha256, record.rebuilt_at) {
            (false, _, _) => RecordCheck::Differs,
            (true, _, Some(_)) => RecordCheck::Rebuilt,
            (true, Some(_), None) => RecordCheck::Agrees,
            (true, None, None) => RecordCheck::AgreesWithoutManifest,
        };
        self.findings.extend(different);
        self.verdict = Verdict::of(&self.findings, self.sample.is_some());
    }
}

/// A sample of an image's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Frames that were read and checked.
    pub frames: u64,
    /// Those among them for which there was a digest to compare with.
    pub compared: u64,
    /// Frames that there are.
    pub of: u64,
}

/// How a file beside the image was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// What the stored file itself told, and what lies beside it.
struct Contents {
    sample: Option<Sample>,
    stored_size: ByteCount,
    /// `None` where not all of it was read.
    file_sha256: Option<String>,
    raw_size: Option<ByteCount>,
    /// `None` where a frame was not read.
    sha256: Option<String>,
    frames: Option<u64>,
    page_map: page_map::Checked,
    digests: digests::Checked,
    findings: Vec<Finding>,
}

/// Checks a stored image against itself and against the files beside it. Reads it once. After every frame, the calling
/// thread tells `observer` how much of the image was checked.
///
/// # Errors
/// The file cannot be opened or read: nothing is known about the image.
pub fn verify(path: &Path, observer: &mut dyn FnMut(Progress)) -> Result<VerifyReport, ReadError> {
    let mut file = open_image(path)?;
    let contents = contents::read(&mut file, path, observer)?;
    Ok(report(path, contents))
}

/// Checks a sample of a stored image's frames: the first, the last, and so many in all (or as many as there are), spread
/// evenly from a random offset on. Each is compared with its digest, and the digests and the page map with the manifest.
/// What lies in other frames is not looked at.
///
/// # Errors
/// The file cannot be opened or read: nothing is known about the image.
pub fn verify_sample(
    path: &Path,
    frames: NonZero<u64>,
    observer: &mut dyn FnMut(Progress),
) -> Result<VerifyReport, ReadError> {
    let mut file = open_image(path)?;
    let contents = sample::read(&mut file, path, frames, observer)?;
    Ok(report(path, contents))
}

fn report(path: &Path, mut contents: Contents) -> VerifyReport {
    let records = Records::beside(path);
    let mut findings = std::mem::take(&mut contents.findings);
    let is_sound = findings.is_empty();
    let (page_map, digests) = (&mut contents.page_map, &mut contents.digests);
    for (state, own) in
        [(&mut page_map.state, &mut page_map.findings), (&mut digests.state, &mut digests.findings)]
    {
        if !own.is_empty() {
            *state = Companion::Damaged;
        }
        findings.append(own);
    }
    findings.extend(records.compare(&mut contents, is_sound));
    let (manifest, manifest_sha256) =
        records.into_manifest().map(|file| (Box::new(file.manifest), file.sha256)).unzip();
    let digests = &contents.digests;
    let of_sample = digests.file_root.as_ref().filter(|_| contents.sample.is_some());
    let digests_root = digests.image_root.as_ref().or(of_sample).cloned();
    VerifyReport {
        path: path.to_owned(),
        verdict: Verdict::of(&findings, contents.sample.is_some()),
        sample: contents.sample,
        findings,
        stored_size: contents.stored_size,
        file_sha256: contents.file_sha256,
        raw_size: contents.raw_size,
        sha256: contents.sha256,
        frames: contents.frames,
        page_map: contents.page_map.state,
        frame_digests: contents.digests.state,
        manifest,
        manifest_sha256,
        digests_root,
        record: RecordCheck::NotChecked,
    }
}

#[cfg(test)]
mod tests;
