//! Every dump that has a manifest in the directory.

use std::path::PathBuf;

use memdeck_model::{DumpId, Manifest, with_causes};

use super::{ImageStore, Sealed, StoreError};
use crate::format::companions::{IMAGE_SUFFIX, MANIFEST_SUFFIX, PARTIAL_SUFFIX, companion, dump_id_in};
use crate::format::manifest::ManifestFile;

/// A dump as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDump {
    /// What the manifest says.
    pub manifest: Manifest,
    /// SHA-256 of the manifest file, 64 hexadecimal digits.
    pub manifest_sha256: String,
    /// Where the image is, or was.
    pub image: PathBuf,
    /// The image; `None` if there is none: it was deleted.
    pub sealed: Option<Sealed>,
}

impl StoredDump {
    /// Where its manifest is.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        companion(&self.image, MANIFEST_SUFFIX)
    }
}

/// What a directory of images holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredDumps {
    /// Dumps, by the time at which they began.
    pub dumps: Vec<StoredDump>,
    /// Manifests that are of no use, or whose image is another than they say; and why.
    pub unusable: Vec<(PathBuf, String)>,
}

impl ImageStore {
    /// Reads every manifest of the directory. Dumps that are being taken, or that were cut off, are left out. The images
    /// themselves are not read.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn stored(&self) -> Result<StoredDumps, StoreError> {
        self.listed(true)
    }

    /// The same without a look at the images: every dump as if its image were deleted.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn manifests(&self) -> Result<StoredDumps, StoreError> {
        self.listed(false)
    }

    fn listed(&self, with_images: bool) -> Result<StoredDumps, StoreError> {
        let list_error = |source| StoreError::List { path: self.dir().to_owned(), source };
        let mut found = StoredDumps::default();
        for name in self.directory.names().map_err(list_error)? {
            let Some(name) = name.to_str() else { continue };
            let Some(dump_id) = dump_id_in(name, MANIFEST_SUFFIX) else { continue };
            let stem = name.strip_suffix(MANIFEST_SUFFIX).unwrap_or(name);
            let has = |suffix: &str| self.directory.has(&format!("{stem}{suffix}"));
            if has(PARTIAL_SUFFIX).map_err(list_error)? {
                continue;
            }
            let image = self.dir().join(format!("{stem}{IMAGE_SUFFIX}"));
            let has_image = with_images && has(IMAGE_SUFFIX).map_err(list_error)?;
            match self.read(stem, &dump_id, image, has_image) {
                Ok(dump) => found.dumps.push(dump),
                Err(why) => found.unusable.push((self.dir().join(name), why)),
            }
        }
        found.dumps.sort_by_key(|dump| dump.manifest.started_at);
        found.unusable.sort();
        Ok(found)
    }

    fn read(
        &self,
        stem: &str,
        dump_id: &DumpId,
        image: PathBuf,
        has_image: bool,
    ) -> Result<StoredDump, String> {
        if has_image && let Some((manifest, sealed)) = self.sealed_as(stem, dump_id) {
            let manifest_sha256 = sealed.manifest_sha256.clone();
            return Ok(StoredDump { manifest, manifest_sha256, image, sealed: Some(sealed) });
        }
        let file = ManifestFile::read(&self.dir().join(format!("{stem}{MANIFEST_SUFFIX}")));
        let ManifestFile { manifest, sha256 } = file.map_err(|error| with_causes(&error))?;
        if manifest.dump_id != *dump_id {
            return Err(format!("it is the manifest of dump {}", manifest.dump_id));
        }
        if has_image {
            return Err("the image beside it is not the one that it describes".to_owned());
        }
        Ok(StoredDump { manifest, manifest_sha256: sha256, image, sealed: None })
    }
}
