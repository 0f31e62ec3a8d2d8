//! What kind of content a page of memory has.

use serde::{Deserialize, Serialize};

/// What kind of content a page has. The first that applies, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PageClass {
    /// Zeroes only.
    Zero,
    /// One byte other than zero, repeated.
    Uniform,
    /// At least 3892 of its bytes are printable ASCII, tab, line feed or carriage return.
    Text,
    /// At least 3072 of its bytes are zero.
    Sparse,
    /// An entropy of 7.8 bits or more: compressed, encrypted or random.
    HighEntropy,
    /// Everything else: machine code, tables, heaps.
    Binary,
}

impl PageClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Zero, Self::Uniform, Self::Text, Self::Sparse, Self::HighEntropy, Self::Binary];

    /// The word that is stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Uniform => "uniform",
            Self::Text => "text",
            Self::Sparse => "sparse",
            Self::HighEntropy => "high_entropy",
            Self::Binary => "binary",
        }
    }

    /// Its number in the file of a page map (`docs/image-format.md`).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Zero => 0,
            Self::Uniform => 1,
            Self::Text => 2,
            Self::Sparse => 3,
            Self::HighEntropy => 4,
            Self::Binary => 5,
        }
    }

    /// The class of that number.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Zero,
            1 => Self::Uniform,
            2 => Self::Text,
            3 => Self::Sparse,
            4 => Self::HighEntropy,
            5 => Self::Binary,
            _ => return None,
        })
    }
}
