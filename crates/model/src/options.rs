//! What a request for dumps may ask for beyond the guests.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Millis;

/// The mode a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ModeChoice {
    /// Live if possible, else frozen; the record says why.
    #[default]
    Auto,
    /// The guest runs while its memory is copied and stops for the last pages only. Fails if that is not possible.
    Live,
    /// The guest is stopped while its memory is read.
    Frozen,
}

impl ModeChoice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Live, Self::Frozen];

    /// The word on the wire, on the command line and in the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Live => "live",
            Self::Frozen => "frozen",
        }
    }
}

impl fmt::Display for ModeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ModeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| format!("a mode is auto, live or frozen, not '{text}'"))
    }
}

/// A case number or a note: text of an operator, kept with the dump.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 500))]
#[serde(try_from = "String", into = "String")]
pub struct Remark(String);

/// Text that cannot be a remark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a case number or note has 1 to {} characters and no control characters but line breaks",
    Remark::MAX_CHARS
)]
pub struct ParseRemarkError;

impl Remark {
    /// The longest one.
    pub const MAX_CHARS: usize = 500;

    /// As it was written; its lines end with a line feed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Remark {
    type Error = ParseRemarkError;

    /// Line ends of other systems and of forms (CR LF) become a line feed.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = if text.contains('\r') { text.replace("\r\n", "\n") } else { text };
        let allowed = |c: char| !c.is_control() || c == '\n';
        if !text.trim().is_empty() && text.chars().count() <= Self::MAX_CHARS && text.chars().all(allowed) {
            Ok(Self(text))
        } else {
            Err(ParseRemarkError)
        }
    }
}

impl FromStr for Remark {
    type Err = ParseRemarkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<Remark> for String {
    fn from(remark: Remark) -> Self {
        remark.0
    }
}

/// How a dump is to be taken, and what is to be kept with it. Everything has a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DumpOptions {
    pub mode: ModeChoice,
    /// The longest the guest may be stopped in live mode, up to 60000; the server's setting if it is not given.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "pause_budget")]
    pub pause_budget_ms: Option<Millis>,
    /// MiB per second that a live dump may read from the running guest, 0 for as fast as it can; the server's setting
    /// if it is not given. A guest that is stopped is always read as fast as it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth_mibps: Option<u64>,
    /// Case number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<Remark>,
    /// Note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Remark>,
    /// Whether a guest with encrypted memory may be dumped: its image is ciphertext.
    pub accept_encrypted: bool,
    /// Whether the image may be stored as a difference to the newest whole one of the guest. Where that cannot be, or it is time
    /// for another whole one, it is stored whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub difference: bool,
}

/// The longest pause budget that a setting or a request may name.
pub const MAX_PAUSE_BUDGET: Millis = Millis(60_000);

fn pause_budget<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let budget = Option::<Millis>::deserialize(deserializer)?;
    match budget {
        Some(budget) if budget > MAX_PAUSE_BUDGET => {
            let why = format!(
                "pause_budget_ms is {}; allowed are up to {} milliseconds",
                budget.0, MAX_PAUSE_BUDGET.0
            );
            Err(D::Error::custom(why))
        }
        budget => Ok(budget),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_cannot_ask_for_a_longer_pause_than_the_setting_allows() {
        let read = |ms: &str| serde_json::from_str::<DumpOptions>(&format!(r#"{{"pause_budget_ms": {ms}}}"#));
        assert_eq!(read("60000").unwrap().pause_budget_ms, Some(MAX_PAUSE_BUDGET));
        assert_eq!(read("null").unwrap().pause_budget_ms, None);
        for ms in ["60001", "18446744073709551615"] {
            let error = read(ms).unwrap_err().to_string();
            assert!(error.contains("allowed are up to 60000 milliseconds"), "{error}");
        }
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(serde_json::from_str::<DumpOptions>("{}").unwrap(), DumpOptions::default());
    }

    #[test]
    fn a_mode_is_one_of_three_words() {
        for mode in ModeChoice::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
        }
        assert_eq!(
            "Live".parse::<ModeChoice>(),
            Err("a mode is auto, live or frozen, not 'Live'".to_owned())
        );
    }

    #[test]
    fn a_remark_is_short_text() {
        assert_eq!("IR-2026-17\nsecond line".parse::<Remark>().unwrap().as_str(), "IR-2026-17\nsecond line");
        for bad in ["", "  ", "a\0b", "a\rb", "a\u{1b}[31mb", &"x".repeat(501)] {
            assert_eq!(bad.parse::<Remark>(), Err(ParseRemarkError), "{bad:?}");
        }
        assert!("é".repeat(500).parse::<Remark>().is_ok());
    }

    #[test]
    fn a_remark_with_the_line_ends_of_a_form_is_kept_with_line_feeds() {
        let note: Remark = serde_json::from_str(r#""first\r\nsecond\r\n\r\nthird""#).unwrap();
        assert_eq!(note.as_str(), "first\nsecond\n\nthird");
        let longest = format!("{}\r\n{}", "x".repeat(249), "y".repeat(250));
        assert_eq!(longest.parse::<Remark>().unwrap().as_str().chars().count(), Remark::MAX_CHARS);
    }
}
