//! The manifest beside an image.

use std::io;
use std::path::Path;

use memdeck_model::{Manifest, Record};
use sha2::{Digest as _, Sha256};

use super::error::ReadError;
use super::recorded::{Seen, differences};
use crate::format::companions::{MANIFEST_SUFFIX, companion};
use crate::format::manifest::{ManifestError, ManifestFile, manifest_from_json, read_manifest_file};

/// The manifest beside an image; `None` if there is none. The image itself need not be there.
///
/// # Errors
/// It cannot be read, or is no manifest of this version.
pub fn read_manifest(image: &Path) -> Result<Option<ManifestFile>, ReadError> {
    let path = companion(image, MANIFEST_SUFFIX);
    match ManifestFile::read(&path) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(ManifestError::Io(source)) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::Manifest { path, source }),
    }
}

/// SHA-256 of the manifest beside an image, which is one that can be read.
///
/// # Errors
/// It cannot be read, or is no manifest of this version.
pub fn manifest_digest(image: &Path) -> Result<[u8; 32], ManifestError> {
    let json = read_manifest_file(&companion(image, MANIFEST_SUFFIX))?;
    manifest_from_json(&json)?;
    Ok(Sha256::digest(&json).into())
}

/// The manifest beside the image of a dump that the catalog has a record of; `None` if there is none. The image itself
/// need not be there.
///
/// # Errors
/// As [`read_manifest`]; also if the manifest is not what the record says.
pub fn read_recorded_manifest(image: &Path, record: &Record) -> Result<Option<Manifest>, ReadError> {
    let Some(file) = read_manifest(image)? else { return Ok(None) };
    let seen = Seen {
        manifest: Some((&file.manifest, &file.sha256)),
        sha256: None,
        digests_root: None,
        stored_size: None,
        raw_size: None,
    };
    let findings = differences(record, &seen);
    if findings.is_empty() {
        Ok(Some(file.manifest))
    } else {
        Err(ReadError::NotAsRecorded { path: image.to_owned(), findings })
    }
}
