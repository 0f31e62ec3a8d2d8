//! What names guests in a rule about them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{NamePattern, ParseNamePatternError, VmRef};

/// Guests by host, name or UUID, as text: a pattern for names (`web-*`), a UUID, or one of the two behind a pattern for hosts
/// and a slash (`kvm-01/web-*`, `kvm-*/*`). What looks like a UUID is one, whatever a guest is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, min_length = 1, max_length = 401))]
#[serde(try_from = "String", into = "String")]
pub struct GuestSelector(pub(super) Selected);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selected {
    /// The hosts; all of them where it names none.
    pub(super) host: Option<NamePattern>,
    pub(super) guest: Named,
}

/// How a selector names guests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Named {
    Pattern(NamePattern),
    /// In lower case.
    Uuid(String),
}

/// Text that selects no guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "guests are named by a pattern for names such as web-*, a UUID, or one of them behind a host, such as kvm-01/*; a pattern has \
     1 to {} characters",
    NamePattern::MAX_CHARS
)]
pub struct ParseGuestSelectorError;

impl From<ParseNamePatternError> for ParseGuestSelectorError {
    fn from(_: ParseNamePatternError) -> Self {
        Self
    }
}

impl fmt::Display for GuestSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selected { host, guest } = &self.0;
        if let Some(host) = host {
            write!(f, "{host}/")?;
        }
        match guest {
            Named::Pattern(pattern) => pattern.fmt(f),
            Named::Uuid(uuid) => f.write_str(uuid),
        }
    }
}

impl FromStr for GuestSelector {
    type Err = ParseGuestSelectorError;

    fn from_str(text: &str) -> Result<Self, ParseGuestSelectorError> {
        let (host, guest) = match text.trim().split_once('/') {
            Some((host, guest)) => (Some(host.parse()?), guest),
            None => (None, text.trim()),
        };
        let guest = match VmRef::new(guest).ok().and_then(|vm| vm.as_uuid()) {
            Some(uuid) => Named::Uuid(uuid),
            None => Named::Pattern(guest.parse()?),
        };
        Ok(Self(Selected { host, guest }))
    }
}

impl TryFrom<String> for GuestSelector {
    type Error = ParseGuestSelectorError;

    fn try_from(text: String) -> Result<Self, ParseGuestSelectorError> {
        text.parse()
    }
}

impl From<GuestSelector> for String {
    fn from(selector: GuestSelector) -> Self {
        selector.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_written_as_it_is_read() {
        let uuid = "00000000-0000-4000-8000-00000000000A";
        for text in ["web-*", "kvm-01/web-??", "*/*", &uuid.to_ascii_lowercase()] {
            let selector: GuestSelector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
            let json = serde_json::to_string(&selector).unwrap();
            assert_eq!(serde_json::from_str::<GuestSelector>(&json).unwrap(), selector);
        }
        let selector: GuestSelector = uuid.parse().unwrap();
        assert_eq!(selector.0.guest, Named::Uuid(uuid.to_ascii_lowercase()));
        for bad in ["", "/", "kvm-01/", "/web", "a\nb", &"x".repeat(201)] {
            assert_eq!(bad.parse::<GuestSelector>(), Err(ParseGuestSelectorError), "{bad:?}");
        }
    }
}
