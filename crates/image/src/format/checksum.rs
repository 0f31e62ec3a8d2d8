//! The `.sha256` file beside an image, in the form that `sha256sum` writes.

use std::io::{self, Read};

use super::hash::is_hex_digest;

/// A digest, two spaces and a file name.
const MAX_CHECKSUM_BYTES: u64 = 64 + 2 + 4096;

/// The content of the checksum file of an image.
pub(crate) fn checksum_line(sha256: &str) -> String {
    format!("{sha256}  -\n")
}

/// The digest in a file that `sha256sum` writes or reads.
pub(crate) fn read_checksum(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_CHECKSUM_BYTES).read_to_string(&mut text)?;
    let digest = text.split_whitespace().next().unwrap_or_default();
    if is_hex_digest(digest) {
        Ok(digest.to_owned())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin with a SHA-256"))
    }
}

/// The digest in a checksum file, and whether the whole file is as memdeck writes it.
pub(crate) fn read_checksum_file(file: impl Read) -> io::Result<(String, bool)> {
    let mut text = Vec::new();
    file.take(MAX_CHECKSUM_BYTES).read_to_end(&mut text)?;
    let digest = read_checksum(text.as_slice())?;
    let is_as_written = text == checksum_line(&digest).as_bytes();
    Ok((digest, is_as_written))
}
