//! Turns a captured image into a stored one.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use memdeck_model::ByteCount;

use super::{PartialImage, Provenance, SealError};
use crate::format::checksum::checksum_line;
use crate::format::companions::{
    CHECKSUM_SUFFIX, DIGESTS_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, PAGE_MAP_SUFFIX, PARTIAL_SUFFIX,
};
use crate::format::hash::sha256_hex;
use crate::format::manifest::manifest_to_json;

/// A stored image: its bytes, manifest and checksum are on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The image file.
    pub image: PathBuf,
    pub manifest: PathBuf,
    /// SHA-256 of the manifest file, 64 hexadecimal digits.
    pub manifest_sha256: String,
    /// Its `.sha256` file.
    pub checksum: PathBuf,
    /// Its page map, if it has one.
    pub page_map: Option<PathBuf>,
    /// The digests of its frames, if it has them.
    pub digests: Option<PathBuf>,
    /// Size of the image file.
    pub stored_size: ByteCount,
    /// Its change time, Unix seconds.
    pub ctime: i64,
    /// Its modification time, Unix seconds.
    pub mtime: i64,
    /// Its access time, Unix seconds.
    pub atime: i64,
}

impl PartialImage {
    /// Makes the image durable and gives it its name: fsync of the image, the page map and the digests; manifest and
    /// checksum written and fsynced; the image renamed; fsync of the directory.
    ///
    /// # Errors
    /// The capture did not succeed, or a step failed; then every file of the dump is removed.
    pub fn seal(mut self, provenance: Provenance) -> Result<Sealed, SealError> {
        let Some(captured) = self.captured.take() else {
            return Err(SealError::NotCaptured { path: self.path.clone() });
        };
        let manifest = provenance.into_manifest(self.dump_id.clone(), captured);
        let json = manifest_to_json(&manifest)
            .map_err(|source| SealError::Manifest { path: self.path.clone(), source })?;
        let checksum = checksum_line(&manifest.sha256);

        self.file.sync_all().map_err(failed("made durable", &self.path))?;
        let page_map = self.seal_page_map(manifest.page_map.is_some())?;
        let digests = self.beside(DIGESTS_SUFFIX);
        self.digests.sync_all().map_err(failed("made durable", &digests))?;
        let manifest_path = self.write_companion(MANIFEST_SUFFIX, &json)?;
        let checksum_path = self.write_companion(CHECKSUM_SUFFIX, checksum.as_bytes())?;
        let image = self.rename()?;
        let directory = &self.unsealed.directory;
        directory.sync().map_err(failed("made durable", directory.path()))?;
        let metadata = self.file.metadata().map_err(failed("examined", &image))?;
        self.unsealed.names.clear();
        Ok(Sealed {
            image,
            manifest: manifest_path,
            manifest_sha256: sha256_hex(&json),
            checksum: checksum_path,
            page_map,
            digests: Some(digests),
            stored_size: ByteCount(metadata.len()),
            ctime: metadata.ctime(),
            mtime: metadata.mtime(),
            atime: metadata.atime(),
        })
    }

    /// Where the file of this dump with that suffix is.
    fn beside(&self, suffix: &str) -> PathBuf {
        self.unsealed.directory.path().join(format!("{}{suffix}", self.stem))
    }

    /// Makes the page map durable, or removes its empty file if there is none.
    fn seal_page_map(&mut self, has_one: bool) -> Result<Option<PathBuf>, SealError> {
        let path = self.beside(PAGE_MAP_SUFFIX);
        if has_one {
            self.page_map.sync_all().map_err(failed("made durable", &path))?;
            return Ok(Some(path));
        }
        let name = format!("{}{PAGE_MAP_SUFFIX}", self.stem);
        self.unsealed.directory.remove(&name).map_err(failed("removed", &path))?;
        self.unsealed.names.retain(|unsealed| *unsealed != name);
        Ok(None)
    }

    fn write_companion(&mut self, suffix: &str, content: &[u8]) -> Result<PathBuf, SealError> {
        let path = self.beside(suffix);
        let name = format!("{}{suffix}", self.stem);
        let mut file = self.unsealed.directory.create(&name).map_err(failed("created", &path))?;
        self.unsealed.names.push(name);
        file.write_all(content).map_err(failed("written", &path))?;
        file.sync_all().map_err(failed("made durable", &path))?;
        Ok(path)
    }

    fn rename(&mut self) -> Result<PathBuf, SealError> {
        let partial = format!("{}{PARTIAL_SUFFIX}", self.stem);
        let name = format!("{}{IMAGE_SUFFIX}", self.stem);
        let path = self.beside(IMAGE_SUFFIX);
        self.unsealed.directory.rename(&partial, &name).map_err(failed("put in place", &path))?;
        self.unsealed.names.push(name);
        self.unsealed.names.retain(|name| *name != partial);
        Ok(path)
    }
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SealError {
    let path = path.to_owned();
    move |source| SealError::File { step, path, source }
}
