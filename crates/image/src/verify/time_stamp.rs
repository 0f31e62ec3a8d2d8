//! The time stamp of the manifest beside an image.

use std::io::{self, Read as _};
use std::path::Path;

use memdeck_model::{Finding, TimeStampCheck, Verdict, VerifyReport};
use memdeck_signing::{Authorities, TIME_STAMP_MOST_BYTES, TimeStamp};

use crate::format::companions::{TIME_STAMP_SUFFIX, companion};
use crate::format::hash::hex;
use crate::format::regular::open_regular;
use crate::read::manifest::{manifest_digest, read_manifest};

/// Checks when the manifest of a verified image was there, and who says so: what is wrong becomes a finding. Without a readable
/// manifest there is nothing to check.
pub fn check_time_stamp(report: &mut VerifyReport, believed: &Authorities) {
    let Some(sha256) = &report.manifest_sha256 else { return };
    let (found, finding) = check(&report.path, sha256, believed);
    report.time_stamp = found;
    report.findings.extend(finding);
    report.verdict = Verdict::of(&report.findings, report.sample.is_some());
}

/// Checks the time stamp of the manifest beside an image that may have been deleted; `None` where there is no readable manifest.
#[must_use]
pub fn time_stamp_beside(image: &Path, believed: &Authorities) -> Option<TimeStampCheck> {
    let file = read_manifest(image).ok().flatten()?;
    Some(check(image, &file.sha256, believed).0)
}

fn check(image: &Path, manifest_sha256: &str, believed: &Authorities) -> (TimeStampCheck, Option<Finding>) {
    let path = companion(image, TIME_STAMP_SUFFIX);
    let wrong = |reason: String| {
        (TimeStampCheck::Wrong, Some(Finding::TimeStampWrong { path: path.clone(), reason }))
    };
    let response = match read(&path) {
        Ok(Some(response)) => response,
        Ok(None) => {
            let found = TimeStampCheck::None;
            let finding = believed.is_doubtful(&found).then_some(Finding::Unstamped);
            return (found, finding);
        }
        Err(error) => return wrong(error.to_string()),
    };
    // The very bytes that were read as a manifest, and no others.
    let sha256 = manifest_digest(image).ok().filter(|sha256| hex(sha256) == manifest_sha256);
    let Some(sha256) = sha256 else { return wrong("the manifest was exchanged a moment ago".to_owned()) };
    match memdeck_signing::check_time_stamp(&response, &sha256, believed) {
        Ok(TimeStamp { at, by, is_believed: true }) => (TimeStampCheck::Valid { at, by }, None),
        Ok(TimeStamp { at, by, is_believed: false }) => {
            let found = TimeStampCheck::UnknownAuthority { at, by: by.clone() };
            let finding = believed.is_doubtful(&found).then_some(Finding::StampedByUnknownAuthority { by });
            (found, finding)
        }
        Err(fault) => wrong(fault.to_string()),
    }
}

/// What is in a file; `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // One byte more than is allowed is seen to be too long.
    let most = u64::try_from(TIME_STAMP_MOST_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut response = Vec::new();
    file.take(most).read_to_end(&mut response)?;
    Ok(Some(response))
}
