//! The signature of the manifest beside an image.

use std::io::{self, Read as _};
use std::path::Path;

use memdeck_model::{Finding, Manifest, SignatureCheck, Verdict, VerifyReport, with_causes};
use memdeck_signing::{KnownKeys, PublicKey, SIGNATURE_BYTES};

use crate::format::companions::{MANIFEST_SUFFIX, SIGNATURE_SUFFIX, companion};
use crate::format::hash::{byte_len, sha256_hex};
use crate::format::manifest::read_manifest_file;
use crate::format::regular::open_regular;
use crate::read::manifest::read_manifest;
use crate::store::StoredDump;

/// Checks who signed the manifest of a verified image: what is wrong becomes a finding. Without a readable manifest there is
/// nothing to check.
pub fn check_signature(report: &mut VerifyReport, keys: &KnownKeys) {
    let (Some(manifest), Some(sha256)) = (&report.manifest, &report.manifest_sha256) else { return };
    let (found, finding) = check(&report.path, manifest, sha256, keys);
    report.signature = found;
    report.findings.extend(finding);
    report.verdict = Verdict::of(&report.findings, report.sample.is_some());
}

/// Checks who signed the manifest of a stored dump; its image need not be there.
#[must_use]
pub fn signature_of_stored(dump: &StoredDump, keys: &KnownKeys) -> SignatureCheck {
    check(&dump.image, &dump.manifest, &dump.manifest_sha256, keys).0
}

/// Checks who signed the manifest beside an image that may have been deleted; `None` where there is no readable manifest.
#[must_use]
pub fn signature_beside(image: &Path, keys: &KnownKeys) -> Option<SignatureCheck> {
    let file = read_manifest(image).ok().flatten()?;
    Some(check(image, &file.manifest, &file.sha256, keys).0)
}

fn check(
    image: &Path,
    manifest: &Manifest,
    sha256: &str,
    keys: &KnownKeys,
) -> (SignatureCheck, Option<Finding>) {
    let path = companion(image, SIGNATURE_SUFFIX);
    let signature = match read(&path) {
        Ok(signature) => signature,
        Err(error) => {
            let reason = with_causes(&error);
            return (SignatureCheck::Wrong, Some(Finding::SignatureUnusable { path, reason }));
        }
    };
    let (key, signature) = match (manifest.signed_by.clone(), signature) {
        (None, None) => {
            let found = SignatureCheck::Unsigned { reason: manifest.unsigned_because.clone() };
            let finding = keys.is_doubtful(&found).then_some(Finding::Unsigned);
            return (found, finding);
        }
        // A manifest that memdeck signed says so.
        (None, Some(_)) => return (SignatureCheck::Wrong, Some(Finding::SignatureWrong { path })),
        (Some(key), None) => {
            let found = SignatureCheck::Missing { key: key.clone() };
            return (found, Some(Finding::SignatureMissing { path, key }));
        }
        (Some(key), Some(signature)) => (key, signature),
    };
    let named: Vec<&PublicKey> = keys.named(&key).collect();
    if named.is_empty() {
        let found = SignatureCheck::UnknownKey { key: key.clone() };
        let finding = keys.is_doubtful(&found).then_some(Finding::SignedByUnknownKey { key });
        return (found, finding);
    }
    // The very bytes that were read as a manifest, and no others.
    let json = read_manifest_file(&companion(image, MANIFEST_SUFFIX)).ok();
    let json = json.filter(|json| sha256_hex(json) == sha256);
    if json.is_some_and(|json| named.iter().any(|key| key.verifies(&json, &signature))) {
        (SignatureCheck::Valid { key }, None)
    } else {
        (SignatureCheck::Wrong, Some(Finding::SignatureWrong { path }))
    }
}

/// The signature in a file; `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let longest = u64::try_from(SIGNATURE_BYTES).unwrap_or(u64::MAX);
    let mut signature = Vec::new();
    file.take(longest.saturating_add(1)).read_to_end(&mut signature)?;
    if byte_len(&signature) == longest {
        Ok(Some(signature))
    } else {
        let reason = format!("it has not the {SIGNATURE_BYTES} bytes of a signature");
        Err(io::Error::new(io::ErrorKind::InvalidData, reason))
    }
}
