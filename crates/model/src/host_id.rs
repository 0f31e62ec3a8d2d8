//! The name by which a dashboard knows one of its hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name that the configuration gives a host: letters, digits, `.`, `_` and `-`, beginning with a letter or digit. It
/// has no `/`, so `host/guest` names one guest of all hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
#[serde(try_from = "String", into = "String")]
pub struct HostId(String);

/// Text that cannot name a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a host's name has 1 to {} letters, digits, '.', '_' and '-', and begins with a letter or digit",
    HostId::MAX_BYTES
)]
pub struct ParseHostIdError;

impl HostId {
    /// The longest name, as of a label in DNS.
    pub const MAX_BYTES: usize = 63;

    /// The name of this machine where nobody gave it one.
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// The name of a service where nobody gave it one: the host in its URL as far as that can be a name.
    #[must_use]
    pub fn of_service(host: Option<&str>) -> Self {
        host.and_then(|host| host.parse().ok()).unwrap_or_else(|| Self("service".to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How a request names `guest` of this host.
    #[must_use]
    pub fn qualify(&self, guest: &str) -> String {
        format!("{self}/{guest}")
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HostId {
    type Err = ParseHostIdError;

    fn from_str(text: &str) -> Result<Self, ParseHostIdError> {
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if begins_well && fits && text.len() <= Self::MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseHostIdError)
        }
    }
}

impl TryFrom<String> for HostId {
    type Error = ParseHostIdError;

    fn try_from(text: String) -> Result<Self, ParseHostIdError> {
        text.parse()
    }
}

impl From<HostId> for String {
    fn from(host: HostId) -> Self {
        host.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_before_a_slash_in_a_path_and_in_a_log() {
        for name in ["kvm-01", "KVM_2", "10.0.0.5", "a", &"x".repeat(63)] {
            assert_eq!(name.parse::<HostId>().unwrap().as_str(), name);
        }
        for no_name in ["", "a/b", ".hidden", "-x", "kvm 01", "kvm\n01", "höst", "[::1]", &"x".repeat(64)] {
            assert!(no_name.parse::<HostId>().is_err(), "{no_name:?}");
            assert!(serde_json::from_value::<HostId>(no_name.into()).is_err(), "{no_name:?}");
        }
    }

    #[test]
    fn a_service_without_a_name_is_called_by_its_address() {
        let name = |host| HostId::of_service(host).to_string();
        assert_eq!([name(Some("kvm-01")), name(Some("10.0.0.5"))], ["kvm-01", "10.0.0.5"]);
        assert_eq!([name(Some("[::1]")), name(None)], ["service", "service"]);
    }
}
