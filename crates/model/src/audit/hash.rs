//! Hashes of the chain, and its end.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// SHA-256 of a row and of everything before it. 64 hexadecimal digits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, example = "9f86d081884c7d65…"))]
pub struct AuditHash(pub [u8; 32]);

impl AuditHash {
    /// What stands before the first row of all.
    pub const NONE: Self = Self([0; 32]);
}

/// A text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash of the audit has 64 hexadecimal digits")]
pub struct ParseHashError;

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for AuditHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let mut hash = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(ParseHashError);
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| pair.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(ParseHashError) };
            *byte = u8::try_from(high * 16 + low).map_err(|_| ParseHashError)?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for AuditHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The end of an audit at one moment: whoever keeps it can tell later whether the rows up to it are still those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditHead {
    /// The hash of the row that began the chain. Another one begins when a catalog was restored.
    pub chain: AuditHash,
    /// The sequence number of the newest row.
    pub seq: u64,
    /// The hash of that row.
    pub hash: AuditHash,
}

/// `CHAIN-SEQ-HASH`: in a header.
impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.chain, self.seq, self.hash)
    }
}

impl FromStr for AuditHead {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let (chain, rest) = text.split_once('-').ok_or(ParseHashError)?;
        let (seq, hash) = rest.split_once('-').ok_or(ParseHashError)?;
        let seq = seq.parse().map_err(|_| ParseHashError)?;
        Ok(Self { chain: chain.parse()?, seq, hash: hash.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_its_text_and_nothing_else_is_one() {
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n * 7);
        let hash = AuditHash(bytes);
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        let head = AuditHead { chain: hash, seq: 7, hash: AuditHash([255; 32]) };
        assert_eq!(head.to_string().parse(), Ok(head));
        assert_eq!("1-2-3".parse::<AuditHead>(), Err(ParseHashError));
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace('0', "g"), &"é".repeat(32)] {
            assert_eq!(bad.parse::<AuditHash>(), Err(ParseHashError), "{bad}");
        }
    }
}
