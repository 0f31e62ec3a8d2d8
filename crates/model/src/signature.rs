//! Who signed a manifest, which of a host's dumps it is, and what checking that found.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Message, Timestamp};

/// The name of a key: the first 16 hexadecimal digits of SHA-256 over the public key (`SubjectPublicKeyInfo`, DER).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[0-9a-f]{16}$"))]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

/// Text that cannot name a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is named by {} lower-case hexadecimal digits", KeyId::DIGITS)]
pub struct ParseKeyIdError;

impl KeyId {
    /// Digits of a name.
    pub const DIGITS: usize = 16;

    /// The name of the key whose encoding has this SHA-256.
    #[must_use]
    pub fn of_digest(sha256: [u8; 32]) -> Self {
        let begin = sha256.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Self(format!("{begin:016x}"))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyId {
    type Err = ParseKeyIdError;

    fn from_str(text: &str) -> Result<Self, ParseKeyIdError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for KeyId {
    type Error = ParseKeyIdError;

    fn try_from(text: String) -> Result<Self, ParseKeyIdError> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_id = text.len() == Self::DIGITS && text.bytes().all(is_digit);
        if is_id { Ok(Self(text)) } else { Err(ParseKeyIdError) }
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.0
    }
}

/// Which of a host's dumps one is. Each names the one before it by the hash of its manifest.
///
/// ```text
/// number n−1: manifest ──SHA-256──► number n: previous ──SHA-256──► number n+1
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostChainPlace {
    /// The chain: a random number that was made when it began, in hexadecimal digits.
    pub id: String,
    /// From 1, in the order in which dumps were sealed.
    pub number: u64,
    /// SHA-256 of the manifest with the number before, 64 hexadecimal digits; `None` for the first.
    pub previous: Option<String>,
}

/// A key with which a host signs manifests, or whose signatures it believes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostKey {
    pub id: KeyId,
    /// When it was made; `None` for a key of another host, or one of which that is not known.
    pub made_at: Option<Timestamp>,
    /// Whether this host signs with it now.
    pub signs: bool,
    /// Its public half, in PEM.
    pub public_key: String,
}

/// How far the chain of a host is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostChainEnd {
    /// Made at random with the chain: tells it from those of other hosts.
    pub id: String,
    /// The number of the newest dump; 0 before the first.
    pub number: u64,
    /// SHA-256 of its manifest.
    pub manifest_sha256: Option<String>,
}

/// What others need to check what a host signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostSigning {
    /// The key that signs first, then the newest first.
    pub keys: Vec<HostKey>,
    /// `None` until the first dump is sealed.
    pub chain: Option<HostChainEnd>,
}

/// A key in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotatedKey {
    /// The key that signed until now; `None` if there was none that could be used.
    pub before: Option<KeyId>,
    /// The key that signs from now on.
    pub key: HostKey,
}

/// What checking the signature of a manifest found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SignatureCheck {
    /// Nobody looked, or there is no readable manifest.
    #[default]
    NotChecked,
    /// There is none, and the manifest promises none: an older version took the dump, or the manifest says why.
    Unsigned { reason: Option<Message> },
    /// It is of these bytes, by that key.
    Valid { key: KeyId },
    /// By a key that is not among those that are believed: nobody can say whether it is right.
    UnknownKey { key: KeyId },
    /// The manifest says that this key signed it, and there is no signature.
    Missing { key: KeyId },
    /// It is there, and it is not of these bytes.
    Wrong,
}

impl fmt::Display for SignatureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChecked => f.write_str("not checked"),
            Self::Unsigned { reason: None } => {
                f.write_str("none: the version that took the dump did not sign")
            }
            Self::Unsigned { reason: Some(reason) } => write!(f, "none: {reason}"),
            Self::Valid { key } => write!(f, "valid, by key {key}"),
            Self::UnknownKey { key } => write!(f, "by key {key}, which is not known here: not checked"),
            Self::Missing { key } => write!(f, "missing: the manifest says that key {key} signed it"),
            Self::Wrong => f.write_str("wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_digits_and_by_nothing_else() {
        assert_eq!("0123456789abcdef".parse::<KeyId>().unwrap().as_str(), "0123456789abcdef");
        assert_eq!(KeyId::of_digest([0x0f; 32]).as_str(), "0f0f0f0f0f0f0f0f");
        for no_id in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF", "../../etc/passwd"] {
            assert_eq!(no_id.parse::<KeyId>(), Err(ParseKeyIdError), "{no_id:?}");
        }
        assert!(serde_json::from_str::<KeyId>("\"../../etc/passwd\"").is_err());
    }

    #[test]
    fn what_was_found_survives_its_json() {
        let key: KeyId = "0123456789abcdef".parse().unwrap();
        let valid = SignatureCheck::Valid { key };
        let json = serde_json::to_value(&valid).unwrap();
        assert_eq!(json, serde_json::json!({"state": "valid", "key": "0123456789abcdef"}));
        assert_eq!(serde_json::from_value::<SignatureCheck>(json).unwrap(), valid);
    }
}
