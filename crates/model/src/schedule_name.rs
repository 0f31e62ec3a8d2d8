//! The name by which people and calls know a schedule.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit: it stands in paths and logs as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"))]
#[serde(try_from = "String", into = "String")]
pub struct ScheduleName(String);

/// Text that cannot name a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a schedule's name has 1 to {} letters, digits, '.', '_' and '-', and begins with a letter or digit",
    ScheduleName::MAX_BYTES
)]
pub struct ParseScheduleNameError;

impl ScheduleName {
    /// The longest name.
    pub const MAX_BYTES: usize = 63;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ScheduleName {
    type Err = ParseScheduleNameError;

    fn from_str(text: &str) -> Result<Self, ParseScheduleNameError> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ScheduleName {
    type Error = ParseScheduleNameError;

    fn try_from(text: String) -> Result<Self, ParseScheduleNameError> {
        let begins_well = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if begins_well && fits && text.len() <= Self::MAX_BYTES {
            Ok(Self(text))
        } else {
            Err(ParseScheduleNameError)
        }
    }
}

impl From<ScheduleName> for String {
    fn from(name: ScheduleName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_stand_in_a_path_and_in_a_log() {
        for name in ["nightly", "web.hourly_2", "a", &"x".repeat(63)] {
            assert_eq!(name.parse::<ScheduleName>().unwrap().as_str(), name);
        }
        for no_name in ["", "a/b", ".hidden", "-x", "every night", "a\nb", "nächtlich", &"x".repeat(64)] {
            assert!(no_name.parse::<ScheduleName>().is_err(), "{no_name:?}");
        }
    }
}
