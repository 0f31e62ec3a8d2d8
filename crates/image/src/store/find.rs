//! Finds what a seal left, by the dump's id.

use std::os::unix::fs::MetadataExt;

use memdeck_model::{ByteCount, DumpId, Manifest};

use super::{ImageStore, Sealed, StoreError};
use crate::format::companions::{
    CHECKSUM_SUFFIX, DIGESTS_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, PAGE_MAP_SUFFIX, SIGNATURE_SUFFIX,
    belongs_to,
};
use crate::format::manifest::ManifestFile;

impl ImageStore {
    /// The sealed image of a dump, if there is one. A seal renames the image only after everything else is durable, so
    /// an image under its final name, of the size its manifest says, is whole.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn find_sealed(&self, dump_id: &DumpId) -> Result<Option<(Manifest, Sealed)>, StoreError> {
        let list_error = |source| StoreError::List { path: self.dir().to_owned(), source };
        for name in self.directory.names().map_err(list_error)? {
            let Some(name) = name.to_str().filter(|name| belongs_to(name, dump_id)) else { continue };
            let Some(stem) = name.strip_suffix(IMAGE_SUFFIX) else { continue };
            if let Some(found) = self.sealed_as(stem, dump_id) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The sealed image of a dump whose files share that name, if there is one.
    pub(super) fn sealed_as(&self, stem: &str, dump_id: &DumpId) -> Option<(Manifest, Sealed)> {
        let beside = |suffix: &str| self.dir().join(format!("{stem}{suffix}"));
        let (image, manifest_path) = (beside(IMAGE_SUFFIX), beside(MANIFEST_SUFFIX));
        let metadata = image.symlink_metadata().ok()?;
        let ManifestFile { manifest, sha256: manifest_sha256 } = ManifestFile::read(&manifest_path).ok()?;
        let stored_size = ByteCount(metadata.len());
        let is_whole = manifest.dump_id == *dump_id && manifest.stored_size_bytes == stored_size;
        if !metadata.is_file() || !is_whole {
            return None;
        }
        let sealed = Sealed {
            image,
            manifest: manifest_path,
            manifest_sha256,
            signature: manifest.signed_by.as_ref().map(|_| beside(SIGNATURE_SUFFIX)),
            checksum: beside(CHECKSUM_SUFFIX),
            page_map: manifest.page_map.as_ref().map(|_| beside(PAGE_MAP_SUFFIX)),
            digests: manifest.frame_digests.as_ref().map(|_| beside(DIGESTS_SUFFIX)),
            stored_size,
            ctime: metadata.ctime(),
            mtime: metadata.mtime(),
            atime: metadata.atime(),
        };
        Some((manifest, sealed))
    }
}
