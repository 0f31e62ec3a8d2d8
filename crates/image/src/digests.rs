//! A BLAKE3 digest of every frame of an image, and the root over them.
//!
//! The digests are a file of their own, `<stem>.blake3`: 32 bytes for each frame, in order, and nothing else. Digest
//! *n* is of the uncompressed bytes of frame *n*; the root is the BLAKE3 hash of that whole file.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Bytes of a digest.
pub(crate) const DIGEST_BYTES: usize = 32;
pub(crate) const DIGEST_BYTES_U64: u64 = 32;

/// The digests of an image's frames, as its manifest has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameDigestFacts {
    /// BLAKE3 hash over the digests of all frames, 64 hexadecimal digits.
    pub root: String,
}

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
