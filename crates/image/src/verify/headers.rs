//! The ELF headers at the beginning of a stored image.

use std::fs::File;
use std::io::Read;

use memdeck_model::ByteCount;

use super::finding::{Finding, sentence};
use crate::elf::{ElfCore, ElfScanner};
use crate::reader::ImageReader;

const PIECE_BYTES: usize = 64 << 10;

/// The headers, read ahead of everything else; an image that cannot be read so far gives none.
pub(super) enum Headers {
    Read(ElfCore),
    Wrong(String),
    /// A frame before their end is damaged, which is told of that frame.
    Unreadable,
}

impl Headers {
    pub(super) fn read(file: &File) -> Self {
        let mut scanner = ElfScanner::new();
        let Ok(mut image) =
            file.try_clone().map_err(|_| ()).and_then(|file| ImageReader::new(file).map_err(|_| ()))
        else {
            return Self::Unreadable;
        };
        let mut piece = vec![0; PIECE_BYTES];
        while scanner.core().is_none() {
            let read = match image.read(&mut piece) {
                Ok(0) => return Self::Wrong("the image ends within its headers".to_owned()),
                Ok(read) => read,
                Err(_) => return Self::Unreadable,
            };
            if let Err(error) = scanner.push(piece.get(..read).unwrap_or_default()) {
                return Self::Wrong(sentence(&error));
            }
        }
        scanner.into_core().map_or(Self::Unreadable, Self::Read)
    }

    pub(super) fn core(&self) -> Option<&ElfCore> {
        match self {
            Self::Read(core) => Some(core),
            Self::Wrong(_) | Self::Unreadable => None,
        }
    }

    pub(super) fn finding(&self, raw_size: ByteCount) -> Option<Finding> {
        match self {
            Self::Read(core) if core.image_size != raw_size => {
                Some(Finding::ImageSize { promised_bytes: core.image_size.0, found_bytes: raw_size.0 })
            }
            Self::Wrong(reason) => Some(Finding::Headers { reason: reason.clone() }),
            Self::Read(_) | Self::Unreadable => None,
        }
    }
}
