//! The ELF headers at the beginning of a stored image.

use std::fs::File;
use std::sync::Arc;

use memdeck_model::{ByteCount, Finding, with_causes};

use crate::format::difference::Base;
use crate::format::elf::ElfCore;
use crate::read::headers::{HeadersError, read_headers};
use crate::read::image::ImageReader;

/// The headers, read ahead of everything else.
pub(super) enum Headers {
    Read(ElfCore),
    Wrong(String),
    /// A frame before their end is damaged, which is a finding about that frame.
    Unreadable,
}

impl Headers {
    pub(super) fn read(file: &File, base: Option<Arc<Base>>) -> Self {
        let file = file.try_clone().ok();
        let Some(mut image) = file.and_then(|file| ImageReader::new(file).ok()) else {
            return Self::Unreadable;
        };
        image = image.on(base);
        match read_headers(&mut image) {
            Ok(core) => Self::Read(core),
            Err(HeadersError::Invalid(error)) => Self::Wrong(with_causes(&error)),
            Err(HeadersError::Incomplete) => Self::Wrong("the image ends within its headers".to_owned()),
            Err(HeadersError::Unreadable(_)) => Self::Unreadable,
        }
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
