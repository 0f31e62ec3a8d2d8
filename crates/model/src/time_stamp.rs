//! What checking the time stamp of a manifest found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a time stamp (RFC 3161) says of the manifest beside which it lies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TimeStampCheck {
    /// Nobody looked, or there is no readable manifest.
    #[default]
    NotChecked,
    /// There is none.
    None,
    /// An authority that is believed says that the manifest was there at that time.
    Valid {
        at: Timestamp,
        /// The subject of the authority's certificate.
        by: String,
    },
    /// The same, but nobody who is believed vouches for that authority.
    UnknownAuthority { at: Timestamp, by: String },
    /// It is there, and it does not hold for these bytes.
    Wrong,
}

impl fmt::Display for TimeStampCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotChecked => f.write_str("not checked"),
            Self::None => f.write_str("none"),
            Self::Valid { at, by } => write!(f, "the manifest was there at {at}, says {by}"),
            Self::UnknownAuthority { at, by } => {
                write!(
                    f,
                    "{by} claims that the manifest was there at {at}, and nobody who is believed here vouches for it"
                )
            }
            Self::Wrong => f.write_str("wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_survives_its_json() {
        let valid = TimeStampCheck::Valid {
            at: "2026-11-27T08:00:00Z".parse().unwrap(),
            by: "CN=tsa.example".to_owned(),
        };
        let json = serde_json::to_value(&valid).unwrap();
        let expected = serde_json::json!({"state": "valid", "at": "2026-11-27T08:00:00.000000Z", "by": "CN=tsa.example"});
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<TimeStampCheck>(json).unwrap(), valid);
        assert_eq!(serde_json::to_value(TimeStampCheck::None).unwrap(), serde_json::json!({"state": "none"}));
    }
}
