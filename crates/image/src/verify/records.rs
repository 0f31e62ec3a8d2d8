//! The manifest and the checksum file beside an image, and what they say against what it is.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Contents;
use super::finding::{Finding, sentence};
use crate::companions::{CHECKSUM_SUFFIX, MANIFEST_SUFFIX, companion};
use crate::hash::is_hex_digest;
use crate::manifest::{Manifest, ManifestError};

/// A digest, two spaces and a file name.
const MAX_CHECKSUM_BYTES: u64 = 64 + 2 + 4096;

pub(super) struct Records {
    manifest_path: PathBuf,
    manifest: Result<Manifest, ManifestError>,
    checksum_path: PathBuf,
    checksum: io::Result<String>,
}

impl Records {
    pub(super) fn beside(image: &Path) -> Self {
        let manifest_path = companion(image, MANIFEST_SUFFIX);
        let checksum_path = companion(image, CHECKSUM_SUFFIX);
        Self {
            manifest: Manifest::read(&manifest_path),
            checksum: File::open(&checksum_path).and_then(read_checksum),
            manifest_path,
            checksum_path,
        }
    }

    pub(super) fn into_manifest(self) -> Option<Manifest> {
        self.manifest.ok()
    }

    /// What these records say against the contents. `is_sound` tells that the contents agree with themselves.
    pub(super) fn compare(&self, contents: &Contents, is_sound: bool) -> Vec<Finding> {
        let mut findings = match &self.manifest {
            Ok(manifest) => self.compare_manifest(manifest, contents, is_sound),
            Err(error) => vec![self.unreadable_manifest(error)],
        };
        findings.extend(self.compare_checksum(contents));
        findings
    }

    fn compare_manifest(&self, manifest: &Manifest, contents: &Contents, is_sound: bool) -> Vec<Finding> {
        let same_file = manifest.file_sha256 == contents.file_sha256;
        let same_image = contents.sha256.as_ref() == Some(&manifest.sha256);
        if is_sound && !same_file && !same_image {
            let (dump_id, guest) = (manifest.dump_id.clone(), manifest.guest.name.clone());
            return vec![Finding::ManifestOfAnotherImage {
                path: self.manifest_path.clone(),
                dump_id,
                guest,
            }];
        }
        let mut findings = Vec::new();
        let (recorded_bytes, found_bytes) = (manifest.stored_size_bytes.0, contents.stored_size.0);
        if found_bytes < recorded_bytes {
            findings.push(Finding::CutShort { recorded_bytes, found_bytes });
        } else if found_bytes > recorded_bytes {
            findings.push(Finding::TooLong { recorded_bytes, found_bytes });
        }
        let raw_size = contents.raw_size.map(|size| size.0.to_string());
        let file_sha256 = Some(contents.file_sha256.clone());
        for (what, recorded, found) in [
            ("size of the image", manifest.raw_size_bytes.0.to_string(), raw_size),
            ("SHA-256 of the image", manifest.sha256.clone(), contents.sha256.clone()),
            ("SHA-256 of the stored file", manifest.file_sha256.clone(), file_sha256),
        ] {
            if let Some(found) = found.filter(|found| *found != recorded) {
                findings.push(Finding::ManifestMismatch { what, recorded, found });
            }
        }
        findings
    }

    fn unreadable_manifest(&self, error: &ManifestError) -> Finding {
        let path = self.manifest_path.clone();
        match error {
            ManifestError::Io(source) if source.kind() == io::ErrorKind::NotFound => {
                Finding::ManifestMissing { path }
            }
            error => Finding::ManifestUnusable { path, reason: sentence(error) },
        }
    }

    fn compare_checksum(&self, contents: &Contents) -> Option<Finding> {
        let path = self.checksum_path.clone();
        match (&self.checksum, &contents.sha256) {
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
                Some(Finding::ChecksumMissing { path })
            }
            (Err(error), _) => Some(Finding::ChecksumUnusable { path, reason: sentence(error) }),
            (Ok(recorded), Some(found)) if recorded != found => {
                Some(Finding::ChecksumMismatch { path, recorded: recorded.clone(), found: found.clone() })
            }
            _ => None,
        }
    }
}

/// The digest in a file that `sha256sum` writes or reads.
pub(crate) fn read_checksum(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_CHECKSUM_BYTES).read_to_string(&mut text)?;
    let digest = text.split_whitespace().next().unwrap_or_default();
    if is_hex_digest(digest) {
        Ok(digest.to_owned())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin with a SHA-256"))
    }
}
