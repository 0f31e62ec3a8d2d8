//! The ELF headers at the beginning of a stored image.

use std::io::{self, Read};

use super::error::{LayoutError, ReadError};
use super::evidence::Evidence;
use crate::format::elf::{ElfCore, ElfError, ElfScanner};

const PIECE_BYTES: usize = 64 << 10;

/// Why the headers of an image are not known.
pub(crate) enum HeadersError {
    Invalid(ElfError),
    /// The image ends before they do.
    Incomplete,
    Unreadable(io::Error),
}

/// Reads an image from its beginning to the end of its headers.
pub(crate) fn read_headers(image: &mut impl Read) -> Result<ElfCore, HeadersError> {
    let mut scanner = ElfScanner::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = match image.read(&mut piece) {
            Ok(0) => return Err(HeadersError::Incomplete),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(HeadersError::Unreadable(error)),
        };
        let seen = scanner.push(piece.get(..count).unwrap_or_default());
        if let Some(core) = seen.map_err(HeadersError::Invalid)? {
            return Ok(core.clone());
        }
    }
}

/// The headers of an image whose bytes are checked.
pub(crate) fn checked_headers(evidence: &Evidence) -> Result<ElfCore, ReadError> {
    let path = || evidence.path.clone();
    read_headers(&mut evidence.reader()?).map_err(|error| match error {
        HeadersError::Invalid(error) => {
            ReadError::Layout { path: path(), source: LayoutError::Headers(error) }
        }
        HeadersError::Incomplete => {
            ReadError::Layout { path: path(), source: LayoutError::HeadersIncomplete }
        }
        HeadersError::Unreadable(source) => match source.downcast::<ReadError>() {
            Ok(error) => error,
            Err(source) => ReadError::Read { path: path(), offset: 0, source },
        },
    })
}
