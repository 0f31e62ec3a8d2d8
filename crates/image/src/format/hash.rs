//! SHA-256 as text.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The length of a slice, as files count.
pub(crate) fn byte_len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A piece of zeroes that stays in the fastest cache.
static ZEROES: [u8; 16 << 10] = [0; 16 << 10];

/// Hashes that many zeroes.
pub(crate) fn update_with_zeroes(sha256: &mut Sha256, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let piece = ZEROES.get(..left).unwrap_or(&ZEROES);
        sha256.update(piece);
        left -= piece.len();
    }
}

/// The digest as 64 lower-case hexadecimal digits.
pub(crate) fn hex_digest(sha256: Sha256) -> String {
    hex(&sha256.finalize())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whether text is a digest as [`hex_digest`] writes it.
pub(crate) fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The SHA-256 of some bytes as 64 lower-case hexadecimal digits.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex_digest(Sha256::new_with_prefix(bytes))
}
