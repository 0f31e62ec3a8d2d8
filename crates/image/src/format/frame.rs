//! One frame of a stored image: a piece of the image as a zstd frame of its own, with zstd's checksum.
//!
//! A frame of zeroes is recognised by how it is stored, without unpacking it. So whatever writes a frame uses
//! [`compressor`], and whatever looks for zeroes uses [`ZeroFrame`].

use std::io;

use memdeck_model::{DumpId, FrameSpan};

use super::hash::byte_len;

/// Bytes of the image in every frame but the last.
pub const FRAME_BYTES: usize = 1 << 20;
pub(crate) const FRAME_BYTES_U64: u64 = 1 << 20;
const COMPRESSION_LEVEL: i32 = 1;

/// Why the content of a frame cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// zstd refuses it, or its checksum does not match its content.
    #[error("it does not decompress: {0}")]
    Undecodable(String),
    /// Its length is not the one in the seek table.
    #[error("it holds {found} bytes of the image instead of {expected}")]
    Length {
        /// According to the seek table.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// It is stored as a difference, and cannot be one.
    #[error("it is stored as a difference to another image, and {0}")]
    Difference(&'static str),
    /// It is stored as a difference to an image that is not there.
    #[error("it is stored as a difference to another image, which cannot be used")]
    NoBase,
    /// It is stored as a difference to a frame that is damaged.
    #[error("it is stored as a difference to the image of dump {dump}, and that image is damaged: {why}")]
    Base {
        /// The dump of the other image.
        dump: DumpId,
        /// What is wrong with its frame.
        why: Box<str>,
    },
}

/// The compressor of every frame that memdeck writes.
pub(crate) fn compressor() -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(COMPRESSION_LEVEL)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// A frame of that many zeroes as it is stored.
pub(crate) fn pack_zeroes(bytes: usize) -> io::Result<Vec<u8>> {
    compressor()?.compress(&vec![0; bytes])
}

/// A full frame of zeroes.
pub(crate) struct ZeroFrame {
    image_bytes: usize,
    stored: Vec<u8>,
    digest: blake3::Hash,
}

impl ZeroFrame {
    /// Of an image whose full frames have that many bytes.
    pub(crate) fn new(image_bytes: usize) -> io::Result<Self> {
        let digest = blake3::hash(&vec![0; image_bytes]);
        Ok(Self { image_bytes, stored: pack_zeroes(image_bytes)?, digest })
    }

    /// Its bytes in the stored file.
    pub(crate) fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The digest of the zeroes in it.
    pub(crate) fn digest(&self) -> blake3::Hash {
        self.digest
    }

    /// Whether a frame of that many image bytes, with these bytes in the stored file, is a full frame of zeroes.
    pub(crate) fn is_stored_as(&self, image_bytes: usize, stored: &[u8]) -> bool {
        image_bytes == self.image_bytes && stored == self.stored
    }
}

/// Decompresses one frame into `raw`.
/// It must be stored whole: see [`Unpacker`](super::difference::Unpacker).
pub(crate) fn unpack_frame(
    decompressor: &mut zstd::bulk::Decompressor<'_>,
    span: &FrameSpan,
    stored: &[u8],
    raw: &mut Vec<u8>,
) -> Result<(), FrameFault> {
    let expected = span.image.end.saturating_sub(span.image.start);
    raw.clear();
    // The seek table bounds this to 4 MiB.
    raw.reserve_exact(usize::try_from(expected).unwrap_or(0));
    decompressor
        .decompress_to_buffer(stored, raw)
        .map_err(|error| FrameFault::Undecodable(error.to_string()))?;
    let found = byte_len(raw);
    if found == expected { Ok(()) } else { Err(FrameFault::Length { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images stored by earlier versions have this frame. If it changes, their frames of zeroes are unpacked one by one,
    /// and exports of them write zeroes instead of holes: readers must then know both forms.
    #[test]
    fn a_frame_of_zeroes_is_stored_as_it_always_was() {
        let stored = ZeroFrame::new(FRAME_BYTES).unwrap();
        assert_eq!(
            crate::sha256_hex(stored.stored()),
            "b6a6ced745683ff0aecda617c19b53ae1c0f83006f6b2520f0304656b996c964"
        );
    }
}
