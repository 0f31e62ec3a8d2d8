//! The manifest's file: JSON, versioned. Its fields are in [`Manifest`].

use std::io::{self, Read};
use std::path::Path;

use memdeck_model::{ByteCount, DIFFERENCE_MANIFEST_VERSION, MANIFEST_VERSION, Manifest};
use serde::Deserialize;

use super::hash::{byte_len, sha256_hex};
use super::regular::open_regular;

/// Far more than the segments of any machine take; bounds what is read of a hostile file.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// Why a file is not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no such file, or it cannot be read.
    #[error("the manifest cannot be read")]
    Io(#[source] io::Error),
    /// It is larger than any manifest.
    #[error("the manifest is larger than {}", ByteCount(MAX_MANIFEST_BYTES))]
    TooLarge,
    /// It is not JSON, or a field is missing or of another type.
    #[error("the manifest is damaged")]
    Json(#[source] serde_json::Error),
    /// Another version of the format.
    #[error(
        "the manifest has version {0}; this program reads versions {MANIFEST_VERSION} and \
             {DIFFERENCE_MANIFEST_VERSION}"
    )]
    Version(u32),
}

/// A manifest as its file contains it: indented JSON that ends with a newline.
///
/// # Errors
/// None of the fields can fail to serialise today; the signature is serde's.
pub fn manifest_to_json(manifest: &Manifest) -> Result<Vec<u8>, serde_json::Error> {
    let mut json = serde_json::to_vec_pretty(manifest)?;
    json.push(b'\n');
    Ok(json)
}

/// Reads a manifest from its JSON.
///
/// # Errors
/// It is not JSON, lacks a field, or has another version.
pub fn manifest_from_json(json: &[u8]) -> Result<Manifest, ManifestError> {
    #[derive(Deserialize)]
    struct Versioned {
        manifest_version: u32,
    }
    // The version first: another version's fields may well not fit.
    let Versioned { manifest_version } = serde_json::from_slice(json).map_err(ManifestError::Json)?;
    if ![MANIFEST_VERSION, DIFFERENCE_MANIFEST_VERSION].contains(&manifest_version) {
        return Err(ManifestError::Version(manifest_version));
    }
    serde_json::from_slice(json).map_err(ManifestError::Json)
}

/// A manifest, and the hash of the file it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// The content of the file.
    pub manifest: Manifest,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
}

impl ManifestFile {
    /// Reads the manifest in that file; both are of the same bytes.
    ///
    /// # Errors
    /// The file cannot be read, or does not contain a manifest of this version.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let json = read_manifest_file(path)?;
        Ok(Self { manifest: manifest_from_json(&json)?, sha256: sha256_hex(&json) })
    }
}

/// The bytes of a file that may be a manifest.
pub(crate) fn read_manifest_file(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let mut json = Vec::new();
    let file = open_regular(path).map_err(ManifestError::Io)?;
    file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut json).map_err(ManifestError::Io)?;
    if byte_len(&json) > MAX_MANIFEST_BYTES {
        return Err(ManifestError::TooLarge);
    }
    Ok(json)
}

#[cfg(test)]
mod tests;
