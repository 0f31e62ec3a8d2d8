//! The files of archives of records.
//!
//! ```text
//! STATE_DIR/archives/NAME.jsonl       a line for each record, with a digest over it and the line before
//!                    NAME.csv         the same for a spreadsheet
//!                    NAME.json        what the archive is: how many records, chosen by what, the SHA-256 of both files
//!                    NAME.json.sig    Ed25519 over the bytes of NAME.json, by the key of this host
//! ```
//!
//! Files are called `.partial` until all of them are durable; the description has its name last. Everything is checked with the
//! public key alone, as manifests are (`docs/adr/0029-signed-manifests-in-a-chain.md`), and wherever the files were copied to.

mod line;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memdeck_catalog::Catalog;
use memdeck_model::archive::Archive;
use memdeck_model::{Problem, ProblemKind, with_causes};
use memdeck_operations::{ArchiveFiles, ArchiveWriter, NewArchive};
use memdeck_signing::{KeyFiles, SigningKey};
use sha2::{Digest as _, Sha256};

pub use read::{ArchiveFinding, ReadArchive, read};

use crate::signing;

/// The directory in the state directory.
const DIRECTORY: &str = "archives";
const JSONL: &str = ".jsonl";
const CSV: &str = ".csv";
const DESCRIPTION: &str = ".json";
const SIGNATURE: &str = ".json.sig";
const PARTIAL: &str = ".partial";

/// The archives of a state directory.
pub struct ArchiveDirectory {
    dir: PathBuf,
    keys: KeyFiles,
    catalog: Arc<Catalog>,
}

impl ArchiveDirectory {
    /// Those of a state directory that this process has.
    #[must_use]
    pub fn of(state_dir: &Path, catalog: Arc<Catalog>) -> Self {
        Self { dir: state_dir.join(DIRECTORY), keys: KeyFiles::of(state_dir), catalog }
    }

    /// The key that signs; it is made if this host has none yet. What nobody signs is not archived: the records would be gone.
    fn key(&self) -> Result<SigningKey, Problem> {
        drop(signing::open(self.keys.state_dir(), &self.catalog));
        let key = self.keys.read().map_err(|error| with_causes(&error));
        let key = key.and_then(|key| key.ok_or_else(|| "there is none".to_owned()));
        key.map_err(|why| {
            let detail = format!("archives are signed, and the key of this host cannot be used: {why}");
            Problem::new(ProblemKind::Unavailable, detail)
        })
    }

    /// The directory, for its owner alone, without what an archive left that was cut off.
    fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        if !self.dir.symlink_metadata()?.is_dir() {
            return Err(io::Error::other("it is no directory"));
        }
        for entry in self.dir.read_dir()? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(PARTIAL) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

impl ArchiveFiles for ArchiveDirectory {
    fn dir(&self) -> String {
        self.dir.display().to_string()
    }

    fn begin(&self, new: NewArchive) -> Result<Box<dyn ArchiveWriter>, Problem> {
        let key = self.key()?;
        self.prepare().map_err(|error| unwritable(&self.dir, &error))?;
        Ok(Box::new(write::Writer::begin(&self.dir, new, key)?))
    }

    fn remove(&self, archive: &Archive) {
        for suffix in [DESCRIPTION, SIGNATURE, CSV, JSONL] {
            let path = self.dir.join(format!("{}{suffix}", archive.name));
            if let Err(error) = fs::remove_file(&path) {
                tracing::error!(path = %path.display(), "the file of an archive whose records stay is left: {error}");
            }
        }
        // What comes back after a power failure is an archive of records that are still there.
        let _ = File::open(&self.dir).and_then(|dir| dir.sync_all());
    }
}

/// A digest as 64 lower-case hexadecimal digits.
fn hex(sha256: Sha256) -> String {
    sha256.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ProblemKind::Unavailable,
        _ => ProblemKind::Internal,
    };
    Problem::new(kind, format!("cannot write {}: {error}", path.display()))
}
