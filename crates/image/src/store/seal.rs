//! Turns a captured image into a stored one.

use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use memdeck_model::{ByteCount, Manifest, with_causes};
use memdeck_signing::{Ahead, HostSigner, Turn};

use super::{PartialImage, Provenance, SealError};
use crate::format::checksum::checksum_line;
use crate::format::companions::{
    CHECKSUM_SUFFIX, DIGESTS_SUFFIX, IMAGE_SUFFIX, MANIFEST_SUFFIX, PAGE_MAP_SUFFIX, PARTIAL_SUFFIX,
    SIGNATURE_SUFFIX,
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
    /// The signature of the manifest, if it has one.
    pub signature: Option<PathBuf>,
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

/// A manifest as it was written.
struct Written {
    manifest: Manifest,
    path: PathBuf,
    sha256: String,
    signature: Option<PathBuf>,
}

impl PartialImage {
    /// Makes the image durable and gives it its name, without a signature and without a place in the chain of its host: see
    /// [`seal_signed`](Self::seal_signed).
    ///
    /// # Errors
    /// The capture did not succeed, or a step failed; then every file of the dump is removed.
    pub fn seal(self, provenance: Provenance) -> Result<Sealed, SealError> {
        self.seal_by(provenance, None).map(|(_, sealed)| sealed)
    }

    /// Makes the image durable and gives it its name: fsync of the image, the page map and the digests; checksum, signature and
    /// manifest written and fsynced; the image renamed; fsync of the directory. Also returns the manifest. What the signer cannot
    /// do is no error: the manifest says so.
    ///
    /// # Errors
    /// The capture did not succeed, or a step failed; then every file of the dump is removed.
    pub fn seal_signed(
        self,
        provenance: Provenance,
        signer: &HostSigner,
    ) -> Result<(Manifest, Sealed), SealError> {
        self.seal_by(provenance, Some(signer))
    }

    fn seal_by(
        mut self,
        provenance: Provenance,
        signer: Option<&HostSigner>,
    ) -> Result<(Manifest, Sealed), SealError> {
        let Some(captured) = self.captured.take() else {
            return Err(SealError::NotCaptured { path: self.path.clone() });
        };
        let manifest = provenance.into_manifest(self.dump_id.clone(), captured);
        self.file.sync_all().map_err(failed("made durable", &self.path))?;
        let page_map = self.seal_page_map(manifest.page_map.is_some())?;
        let digests = self.beside(DIGESTS_SUFFIX);
        self.digests.sync_all().map_err(failed("made durable", &digests))?;
        let checksum = self.write_companion(CHECKSUM_SUFFIX, checksum_line(&manifest.sha256).as_bytes())?;

        // From here on other dumps wait, so everything that takes long is done.
        let ahead = Ahead { manifest: self.beside(MANIFEST_SUFFIX), partial: self.path.clone() };
        let mut turn = signer.map(|signer| signer.turn(ahead));
        let (written, image, metadata) = match self.name(manifest, turn.as_mut()) {
            Ok(named) => named,
            Err(error) => {
                // The files go before another dump gets the number.
                drop(self);
                return Err(error);
            }
        };
        if let Some(turn) = turn {
            turn.sealed(&written.sha256);
        }
        self.unsealed.names.clear();
        let sealed = Sealed {
            image,
            manifest: written.path,
            manifest_sha256: written.sha256,
            signature: written.signature,
            checksum,
            page_map,
            digests: Some(digests),
            stored_size: ByteCount(metadata.len()),
            ctime: metadata.ctime(),
            mtime: metadata.mtime(),
            atime: metadata.atime(),
        };
        Ok((written.manifest, sealed))
    }

    /// Writes the manifest and gives the image its name.
    fn name(
        &mut self,
        manifest: Manifest,
        turn: Option<&mut Turn<'_>>,
    ) -> Result<(Written, PathBuf, Metadata), SealError> {
        let written = self.write_manifest(manifest, turn)?;
        let image = self.rename()?;
        let directory = &self.unsealed.directory;
        directory.sync().map_err(failed("made durable", directory.path()))?;
        let metadata = self.file.metadata().map_err(failed("examined", &image))?;
        Ok((written, image, metadata))
    }

    /// The signature first, so that a manifest never promises one that cannot be kept.
    fn write_manifest(
        &mut self,
        mut manifest: Manifest,
        turn: Option<&mut Turn<'_>>,
    ) -> Result<Written, SealError> {
        if let Some(turn) = &turn {
            place(&mut manifest, turn);
        }
        let mut json = self.json(&manifest)?;
        let mut signature = None;
        if let Some(turn) = turn
            && let Some(signed) = turn.sign(&json)
        {
            match self.write_companion(SIGNATURE_SUFFIX, &signed) {
                Ok(path) => signature = Some(path),
                Err(error) => {
                    self.discard(SIGNATURE_SUFFIX);
                    turn.give_up_signing(with_causes(&error));
                    place(&mut manifest, turn);
                    json = self.json(&manifest)?;
                }
            }
        }
        let path = self.write_companion(MANIFEST_SUFFIX, &json)?;
        Ok(Written { manifest, path, sha256: sha256_hex(&json), signature })
    }

    fn json(&self, manifest: &Manifest) -> Result<Vec<u8>, SealError> {
        manifest_to_json(manifest).map_err(|source| SealError::Manifest { path: self.path.clone(), source })
    }

    /// Removes what a step that failed may have left.
    fn discard(&mut self, suffix: &str) {
        let name = format!("{}{suffix}", self.stem);
        let _ = self.unsealed.directory.remove(&name);
        self.unsealed.names.retain(|unsealed| *unsealed != name);
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

/// Completes a manifest by what its turn gives it.
fn place(manifest: &mut Manifest, turn: &Turn<'_>) {
    manifest.signed_by = turn.signed_by();
    manifest.host_chain = turn.place();
    manifest.unsigned_because = turn.unsigned_because();
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SealError {
    let path = path.to_owned();
    move |source| SealError::File { step, path, source }
}
