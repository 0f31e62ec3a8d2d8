//! The time stamp of the manifest beside an image.

use std::io::{self, Read as _};
use std::path::Path;

use memdeck_model::{Finding, Millis, TimeStampCheck, Verdict, VerifyReport};
use memdeck_signing::{Authorities, StampFault, TIME_STAMP_MOST_BYTES, TimeStamp};

use crate::format::companions::{TIME_STAMP_SUFFIX, companion};
use crate::format::hash::hex;
use crate::format::regular::open_regular;
use crate::read::manifest::{manifest_digest, read_manifest};

/// More than this no two clocks that are looked after differ.
const CLOCKS_DIFFER: Millis = Millis(5 * 60 * 1000);

/// Checks when the manifest of a verified image was there, and who says so: what is wrong becomes a finding. Without a readable
/// manifest there is nothing to check.
pub fn check_time_stamp(report: &mut VerifyReport, believed: &Authorities) {
    let (Some(manifest), Some(sha256)) = (&report.manifest, &report.manifest_sha256) else { return };
    let (found, mut findings) = check(&report.path, sha256, believed);
    if let TimeStampCheck::Valid { at, .. } = &found
        && at.plus(CLOCKS_DIFFER) < manifest.started_at
    {
        let path = companion(&report.path, TIME_STAMP_SUFFIX);
        let reason = format!("it tells {at}, before the dump began: a clock was wrong");
        findings.push(Finding::TimeStampUnconfirmed { path, reason });
    }
    report.time_stamp = found;
    report.findings.extend(findings);
    report.verdict = Verdict::of(&report.findings, report.sample.is_some());
}

/// Checks the time stamp of the manifest beside an image that may have been deleted; `None` where there is no readable manifest.
#[must_use]
pub fn time_stamp_beside(image: &Path, believed: &Authorities) -> Option<TimeStampCheck> {
    let file = read_manifest(image).ok().flatten()?;
    Some(check(image, &file.sha256, believed).0)
}

fn check(image: &Path, manifest_sha256: &str, believed: &Authorities) -> (TimeStampCheck, Vec<Finding>) {
    let path = companion(image, TIME_STAMP_SUFFIX);
    let wrong = |reason: String| {
        (TimeStampCheck::Wrong, vec![Finding::TimeStampWrong { path: path.clone(), reason }])
    };
    let unconfirmed = |reason: String| Finding::TimeStampUnconfirmed { path: path.clone(), reason };
    let response = match read(&path) {
        Ok(Some(response)) => response,
        Ok(None) => {
            let found = TimeStampCheck::None;
            let finding = believed.is_doubtful(&found).then_some(Finding::Unstamped);
            return (found, finding.into_iter().collect());
        }
        Err(error) => return wrong(error.to_string()),
    };
    // The very bytes that were read as a manifest, and no others.
    let sha256 = manifest_digest(image).ok().filter(|sha256| hex(sha256) == manifest_sha256);
    let Some(sha256) = sha256 else { return wrong("the manifest was exchanged a moment ago".to_owned()) };
    match memdeck_signing::check_time_stamp(&response, &sha256, believed) {
        Ok(TimeStamp { at, by, is_believed: true, is_bare }) => {
            let more =
                (!is_bare).then(|| unconfirmed("nobody vouches for something that is in it, too".to_owned()));
            (TimeStampCheck::Valid { at, by }, more.into_iter().collect())
        }
        Ok(TimeStamp { at, by, .. }) => {
            let found = TimeStampCheck::UnknownAuthority { at, by: by.clone() };
            let finding = believed.is_doubtful(&found).then_some(Finding::StampedByUnknownAuthority { by });
            (found, finding.into_iter().collect())
        }
        // That may be a good one.
        Err(fault @ StampFault::Unsupported(_)) => {
            (TimeStampCheck::NotChecked, vec![unconfirmed(fault.to_string())])
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
