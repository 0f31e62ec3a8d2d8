//! The end of the chain of a host's dumps, in a file of the state directory.
//!
//! ```text
//! at rest ──ahead──► the next number, and where its manifest will lie ──sealed──► at rest, one further
//!                                      └── memdeck ended, or the seal failed ──► at rest, one further only if it was sealed
//! ```
//!
//! What is written ahead is looked at again before the next number is given: a dump whose manifest is there without a partial
//! image was sealed. A chain at rest is never set back, so that a manifest which is removed later is missing.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use memdeck_model::HostChainPlace;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::files::{self, FileError, Kept, Put, failed};
use crate::key::KeyFault;

const FILE: &str = "host-chain.json";
const ASIDE: &str = "host-chain.json.new";

/// Why the chain cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A file cannot be read, written or believed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no end of a chain.
    #[error("{} is damaged: move it away, and the next dump begins another chain", path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// No chain can be begun.
    #[error("no chain can be begun")]
    Begin(#[source] KeyFault),
}

/// How far the chain of a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChain {
    /// A random number, in hexadecimal digits.
    pub id: String,
    /// The newest dump; 0 before the first.
    pub number: u64,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Option<String>,
    /// The one that is being sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ahead: Option<Ahead>,
}

/// A dump that gets the next number, unless its seal fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Where its manifest will be.
    pub manifest: PathBuf,
    /// Its image, for as long as it is not sealed.
    pub partial: PathBuf,
}

/// What of a manifest tells its place.
#[derive(Deserialize)]
struct Placed {
    host_chain: Option<HostChainPlace>,
}

impl HostChain {
    /// The chain of a state directory; `None` if no dump was sealed there yet.
    ///
    /// # Errors
    /// The file cannot be read or believed, or is damaged.
    pub fn read(state_dir: &Path) -> Result<Option<Self>, ChainError> {
        let path = state_dir.join(FILE);
        let Some(json) = files::read(&path, Kept::Public)? else { return Ok(None) };
        let chain: Self =
            serde_json::from_slice(&json).map_err(|source| ChainError::Damaged { path, source })?;
        Ok(Some(chain.settled()?))
    }

    /// Writes down who comes next. Returns the place.
    pub(crate) fn give(&mut self, state_dir: &Path, ahead: Ahead) -> Result<HostChainPlace, ChainError> {
        let place = self.next();
        let next = Self { ahead: Some(ahead), ..self.clone() };
        next.write(state_dir)?;
        *self = next;
        Ok(place)
    }

    /// The dump that was written ahead is sealed.
    pub(crate) fn advance(&mut self, state_dir: &Path, manifest_sha256: String) -> Result<(), ChainError> {
        *self = self.further(manifest_sha256);
        self.write(state_dir)
    }

    pub(crate) fn begin() -> Result<Self, ChainError> {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).map_err(|_| ChainError::Begin(KeyFault::NoRandomness))?;
        let id = format!("{:032x}", u128::from_be_bytes(bytes));
        Ok(Self { id, number: 0, manifest_sha256: None, ahead: None })
    }

    fn next(&self) -> HostChainPlace {
        let number = self.number.saturating_add(1);
        HostChainPlace { id: self.id.clone(), number, previous: self.manifest_sha256.clone() }
    }

    fn further(&self, manifest_sha256: String) -> Self {
        let number = self.number.saturating_add(1);
        Self { id: self.id.clone(), number, manifest_sha256: Some(manifest_sha256), ahead: None }
    }

    /// Decides what became of the dump that was written ahead.
    fn settled(self) -> Result<Self, ChainError> {
        let Some(Ahead { manifest, partial }) = &self.ahead else { return Ok(self) };
        let given_back = || Self { ahead: None, ..self.clone() };
        if partial.symlink_metadata().is_ok() {
            return Ok(given_back());
        }
        let json = match std::fs::read(manifest) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(given_back()),
            Err(error) => return Err(failed("read", manifest)(error).into()),
        };
        let place = serde_json::from_slice(&json).ok().and_then(|Placed { host_chain }| host_chain);
        Ok(if place == Some(self.next()) { self.further(sha256_hex(&json)) } else { given_back() })
    }

    fn write(&self, state_dir: &Path) -> Result<(), ChainError> {
        let (path, aside) = (state_dir.join(FILE), state_dir.join(ASIDE));
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|source| ChainError::Damaged { path: path.clone(), source })?;
        json.push(b'\n');
        files::write(&path, &aside, &json, Put::Instead)?;
        Ok(())
    }
}

/// SHA-256 of some bytes as 64 lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
