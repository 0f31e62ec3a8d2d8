//! Recomputes everything that was promised about a stored image, and reports what is wrong and where.
//!
//! Every promise is checked, whatever the others turn out to be: the seek table, every frame, the ELF headers, the page
//! map, the digests of the frames, the manifest, the `.sha256` file. An error of [`verify`] means that the image could
//! not be checked at all; an image that is damaged is a [`VerifyReport`] with findings.
//!
//! That these are the files of this dump, and not those of another that was put in their place, only the catalog's record
//! can say: [`compare_with_record`]. Who vouches for them says the signature of the manifest: [`check_signature`]; since
//! when they are what they are, its time stamp: [`check_time_stamp`].
//!
//! [`verify_sample`] checks a few frames against their digests instead of all, and says so.

mod base;
mod contents;
mod digests;
mod headers;
mod page_map;
mod records;
mod sample;
mod signature;
mod time_stamp;

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;

use memdeck_model::{
    ByteCount, Companion, Finding, Progress, Record, RecordCheck, Sample, SignatureCheck, TimeStampCheck,
    Verdict, VerifyReport,
};

use self::records::Records;
use crate::read::error::ReadError;
use crate::read::image::open_image;
use crate::read::recorded::{Seen, differences};

pub use self::signature::{check_signature, signature_beside, signature_of_stored};
pub use self::time_stamp::{check_time_stamp, time_stamp_beside};

/// A file with more damaged frames than this is not worth a longer list.
const MAX_LISTED_FRAMES: u64 = 100;
/// The same for pages that are not as the page map says.
const MAX_LISTED_PAGES: u64 = 20;

/// Compares a verified image and its manifest with the catalog's record of the dump: what differs becomes findings.
pub fn compare_with_record(report: &mut VerifyReport, record: &Record) {
    let manifest = report.manifest.as_deref().zip(report.manifest_sha256.as_deref());
    let seen = Seen {
        manifest,
        sha256: report.sha256.as_deref(),
        digests_root: report.digests_root.as_deref(),
        stored_size: Some(report.stored_size),
        raw_size: report.raw_size,
    };
    let different = differences(record, &seen);
    report.record = match (different.is_empty(), &record.manifest_sha256, record.rebuilt_at) {
        (false, _, _) => RecordCheck::Differs,
        (true, _, Some(_)) => RecordCheck::Rebuilt,
        (true, Some(_), None) => RecordCheck::Agrees,
        (true, None, None) => RecordCheck::AgreesWithoutManifest,
    };
    report.findings.extend(different);
    report.verdict = Verdict::of(&report.findings, report.sample.is_some());
}

/// What the stored file contains, and what lies beside it.
struct Contents {
    sample: Option<Sample>,
    stored_size: ByteCount,
    /// `None` if not all of it was read.
    file_sha256: Option<String>,
    raw_size: Option<ByteCount>,
    /// `None` if a frame was not read.
    sha256: Option<String>,
    frames: Option<u64>,
    page_map: page_map::Checked,
    digests: digests::Checked,
    findings: Vec<Finding>,
}

/// Checks a stored image against itself and against the files beside it. Reads it once. After every frame, the calling
/// thread reports to `observer` how much of the image was checked.
///
/// # Errors
/// The file cannot be opened or read: nothing is known about the image.
pub fn verify(path: &Path, observer: &mut dyn FnMut(Progress)) -> Result<VerifyReport, ReadError> {
    verify_while(path, &mut |progress| {
        observer(progress);
        ControlFlow::Continue(())
    })
}

/// The same, as fast as `observer` returns, and only until it breaks.
///
/// # Errors
/// As of [`verify`]; [`ReadError::Stopped`] if `observer` broke it off.
pub fn verify_while(
    path: &Path,
    observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<VerifyReport, ReadError> {
    let mut file = open_image(path)?;
    let contents = contents::check_all_frames(&mut file, path, observer)?;
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
    let contents = sample::check_sample(&mut file, path, frames, observer)?;
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
        signature: SignatureCheck::NotChecked,
        time_stamp: TimeStampCheck::NotChecked,
    }
}

#[cfg(test)]
mod tests;
