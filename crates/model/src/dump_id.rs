//! The name of a dump.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of a dump. A UUID when memdeck made it; other services may use other short identifiers.
///
/// Holds 1 to 64 ASCII letters, digits, `-` and `_`, so it is safe in a URL and in a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$"))]
#[serde(try_from = "String", into = "String")]
pub struct DumpId(String);

/// Text that cannot be a dump's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a dump id has 1 to 64 letters, digits, '-' and '_'")]
pub struct ParseDumpIdError;

impl DumpId {
    /// The hyphenated form of a UUID given as its 128 bits.
    #[must_use]
    pub fn from_uuid_bits(bits: u128) -> Self {
        Self(Uuid::from_u128(bits).hyphenated().to_string())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DumpId {
    type Error = ParseDumpIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text))
        } else {
            Err(ParseDumpIdError)
        }
    }
}

impl std::str::FromStr for DumpId {
    type Err = ParseDumpIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<DumpId> for String {
    fn from(id: DumpId) -> Self {
        id.0
    }
}

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_id_is_safe_in_urls_and_file_names() {
        assert!("0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11".parse::<DumpId>().is_ok());
        for bad in ["", "..", "a/b", "a b", "é", "a\0", &"x".repeat(65)] {
            assert_eq!(bad.parse::<DumpId>(), Err(ParseDumpIdError), "{bad:?}");
        }
    }

    #[test]
    fn a_dump_id_is_a_uuid_in_its_hyphenated_form() {
        let id = DumpId::from_uuid_bits(0x0d5e_2d7c_6f0e_4f2e_9d5b_0f6d_7f3a_9a11);
        assert_eq!(id.as_str(), "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11");
        assert_eq!(DumpId::from_uuid_bits(0).as_str(), "00000000-0000-0000-0000-000000000000");
    }
}
