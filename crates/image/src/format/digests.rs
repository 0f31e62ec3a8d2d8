//! A BLAKE3 digest of every frame of an image, and the root over them.
//!
//! The digests are a file of their own, `<stem>.blake3`: 32 bytes for each frame, in order, and nothing else. Digest
//! *n* is of the uncompressed bytes of frame *n*; the root is the BLAKE3 hash of that whole file.

use std::io::{self, Read, Write};
use std::path::Path;

use super::companions::{DIGESTS_SUFFIX, companion};
use super::hash::byte_len;
use super::regular::open_regular;

/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 32;
pub(crate) const DIGEST_BYTES_U64: u64 = 32;

/// The root over digests that come in order.
#[derive(Default)]
pub(crate) struct Root(blake3::Hasher);

impl Root {
    pub(crate) fn push(&mut self, digest: &blake3::Hash) {
        self.0.update(digest.as_bytes());
    }

    pub(crate) fn finish(&self) -> blake3::Hash {
        self.0.finalize()
    }
}

/// Writes digests in order.
pub(crate) struct DigestWriter<W> {
    out: W,
    root: Root,
}

impl<W: Write> DigestWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, root: Root::default() }
    }

    pub(crate) fn push(&mut self, digest: &blake3::Hash) -> io::Result<()> {
        self.root.push(digest);
        self.out.write_all(digest.as_bytes())
    }

    pub(crate) fn finish(mut self) -> io::Result<blake3::Hash> {
        self.out.flush()?;
        Ok(self.root.finish())
    }
}

/// The digests of all frames of an image, as its `.blake3` file has them. In memory, so that what was held against the
/// root is what frames are compared with: 32 bytes for each frame of 1 MiB.
#[derive(Debug)]
pub(crate) struct Digests(Vec<[u8; DIGEST_BYTES]>);

impl Digests {
    /// Reads the digests beside an image of so many frames, which must hash to each of these roots. What is wrong with
    /// them is the error's text.
    pub(crate) fn read_beside(image: &Path, frames: u64, roots: &[&str]) -> io::Result<Self> {
        let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
        let wanted = frames.saturating_mul(DIGEST_BYTES_U64);
        let mut bytes = Vec::new();
        let file = open_regular(&companion(image, DIGESTS_SUFFIX))?;
        file.take(wanted.saturating_add(1)).read_to_end(&mut bytes)?;
        let (digests, rest) = bytes.as_chunks::<DIGEST_BYTES>();
        if byte_len(&bytes) != wanted || !rest.is_empty() {
            return Err(invalid(format!(
                "it does not have {DIGEST_BYTES} bytes for each of {frames} frames"
            )));
        }
        let root = blake3::hash(&bytes).to_hex();
        match roots.iter().find(|recorded| **recorded != root.as_str()) {
            Some(recorded) => Err(invalid(format!("it hashes to {root} instead of {recorded}"))),
            None => Ok(Self(digests.to_vec())),
        }
    }

    /// Whether that is the digest of that frame.
    pub(crate) fn has(&self, frame: u64, digest: &blake3::Hash) -> bool {
        let recorded = usize::try_from(frame).ok().and_then(|frame| self.0.get(frame));
        recorded == Some(digest.as_bytes())
    }
}
