//! The names of the formats.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A format in which a stored image can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// The ELF core that is stored, as it is.
    Elf,
    /// The guest's RAM alone, each byte at its guest-physical address, holes filled with zeroes.
    Raw,
    /// `LiME`, version 1: every segment of memory after a header with its place.
    Lime,
    /// AVML (`LiME`, version 2): the same, compressed with snappy.
    Avml,
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no format of an image; there are elf, raw, lime and avml")]
pub struct ParseFormatError(String);

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Elf, Self::Raw, Self::Lime, Self::Avml];

    /// Its word, which is the ending of its files too.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elf => "elf",
            Self::Raw => "raw",
            Self::Lime => "lime",
            Self::Avml => "avml",
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExportFormat {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, ParseFormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| ParseFormatError(text.chars().take(40).collect()))
    }
}
