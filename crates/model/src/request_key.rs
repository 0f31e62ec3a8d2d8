//! The name by which a request is known again when it is repeated.

use std::fmt;
use std::str::FromStr;

use crate::HostId;

/// What a caller sends as the header `Idempotency-Key`: 1 to [`Self::MAX_BYTES`] visible ASCII characters. Whoever repeats a
/// request under the same key gets the first answer again, and nothing happens twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey(String);

/// Text that cannot be such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the header Idempotency-Key has 1 to {} visible ASCII characters, none of them a blank",
    RequestKey::MAX_BYTES
)]
pub struct ParseRequestKeyError;

impl RequestKey {
    /// The longest one.
    pub const MAX_BYTES: usize = 200;
    /// The header that carries it.
    pub const HEADER: &str = "Idempotency-Key";

    /// The key of the part of a request that goes to `host`. It has as many characters as the name of the host and one more
    /// beyond this one, and is cut at the front where that is too long.
    #[must_use]
    pub fn of_host(&self, host: &HostId) -> Self {
        self.part(host.as_str())
    }

    /// The key of one of several calls that a request is sent in.
    #[must_use]
    pub fn of_call(&self, number: usize) -> Self {
        self.part(&number.to_string())
    }

    /// The end distinguishes the parts of one request, the rest distinguishes requests.
    fn part(&self, name: &str) -> Self {
        let room = Self::MAX_BYTES.saturating_sub(name.len() + 1);
        let kept = self.0.get(self.0.len().saturating_sub(room)..).unwrap_or_default();
        Self(format!("{kept}.{name}"))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestKey {
    type Err = ParseRequestKeyError;

    fn from_str(text: &str) -> Result<Self, ParseRequestKeyError> {
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible && (1..=Self::MAX_BYTES).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseRequestKeyError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_bounded_and_can_be_printed() {
        for key in ["a", "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11", "~!\"{}", &"x".repeat(200)] {
            assert_eq!(key.parse::<RequestKey>().unwrap().as_str(), key);
        }
        for no_key in ["", " ", "a b", "a\n", "ä", "a\u{7f}", &"x".repeat(201)] {
            assert_eq!(no_key.parse::<RequestKey>(), Err(ParseRequestKeyError), "{no_key:?}");
        }
    }

    #[test]
    fn the_parts_of_a_request_have_keys_of_their_own() {
        let key: RequestKey = "k".parse().unwrap();
        let host: HostId = "kvm-01".parse().unwrap();
        assert_eq!(key.of_host(&host).of_call(1).as_str(), "k.kvm-01.1");
        let longest: RequestKey = format!("{}z", "x".repeat(199)).parse().unwrap();
        let part = longest.of_host(&host);
        assert!(part.as_str().ends_with("xz.kvm-01") && part.as_str().parse() == Ok(part.clone()));
    }
}
