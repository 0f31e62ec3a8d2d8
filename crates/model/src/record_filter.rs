//! Which records are meant: what the table, the REST calls and the export select by. The catalog answers the same
//! question with SQL, which asks [`SearchText::is_in`] about every row; [`RecordFilter::matches`] is what its answer
//! means, and what the page asks of a record that has just arrived.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{CaptureMode, Record, Remark, Timestamp};

/// What somebody searches for: part of a guest's name, libvirt id, SHA-256, case number or note. Letters match in either
/// case, in every script: both sides are folded by [`folded`]. No character has a special meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SearchText {
    text: String,
    folded: String,
    is_hexadecimal: bool,
}

impl SearchText {
    /// The longest one.
    pub const MAX_CHARS: usize = 200;

    /// Without the white space around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a record that says this has it.
    #[must_use]
    pub fn is_in(&self, said: Said<'_>) -> bool {
        self.is_part_of(said.dom)
            || self.is_part_of(said.vmid)
            || said.case.is_some_and(|case| self.is_part_of(case))
            || said.note.is_some_and(|note| self.is_part_of(note))
            || self.is_hexadecimal && said.sha256.is_some_and(|hash| self.is_part_of(hash))
    }

    /// Whether `text` contains it, whatever the case of the letters.
    #[must_use]
    pub fn is_part_of(&self, text: &str) -> bool {
        // Nearly every text of nearly every record is ASCII, and then nothing is folded or copied.
        if text.is_ascii() {
            has_ascii(text.as_bytes(), self.folded.as_bytes())
        } else {
            folded(text).contains(&self.folded)
        }
    }
}

/// Whether ASCII `text` has `wanted`, whatever the case of both.
fn has_ascii(text: &[u8], wanted: &[u8]) -> bool {
    let Some((first, rest)) = wanted.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    text.windows(wanted.len()).any(|part| match part.split_first() {
        Some((begins, goes_on)) => {
            (*begins == lower || *begins == upper) && goes_on.eq_ignore_ascii_case(rest)
        }
        None => false,
    })
}

/// The text with each letter in upper and then in lower case, so that letters that differ only in case become the same:
/// `GRÖSSE`, `größe` and `Größe` are all `grösse`. Accents count.
#[cfg(not(target_arch = "wasm32"))]
#[must_use]
pub fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// The same by the browser, which has the tables of all letters already; the page would have to load them. It ends in upper case,
/// because the browser writes a Greek word's last letter in its own way in lower case.
#[cfg(target_arch = "wasm32")]
#[must_use]
pub fn folded(text: &str) -> String {
    js_sys::JsString::from(text).to_lower_case().to_upper_case().into()
}

/// What of a record is searched.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The guest's name.
    pub dom: &'a str,
    /// The guest's libvirt id.
    pub vmid: &'a str,
    /// The SHA-256 of the image.
    pub sha256: Option<&'a str>,
    /// The case number.
    pub case: Option<&'a str>,
    pub note: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// By that record.
    #[must_use]
    pub fn by(record: &'a Record) -> Self {
        Self {
            dom: &record.dom.0,
            vmid: &record.vmid,
            sha256: record.sha256.as_deref(),
            case: record.case.as_ref().map(Remark::as_str),
            note: record.note.as_ref().map(Remark::as_str),
        }
    }
}

impl TryFrom<String> for SearchText {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        let text = text.trim();
        if (1..=Self::MAX_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            let is_hexadecimal = text.bytes().all(|b| b.is_ascii_hexdigit());
            Ok(Self { text: text.to_owned(), folded: folded(text), is_hexadecimal })
        } else {
            Err(FilterError::Search)
        }
    }
}

impl FromStr for SearchText {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::try_from(text.to_owned())
    }
}

impl From<SearchText> for String {
    fn from(search: SearchText) -> Self {
        search.text
    }
}

/// The name of a hypervisor's host, as records have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// The longest one that can be asked for, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// As records have it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, FilterError> {
        if (1..=Self::MAX_BYTES).contains(&text.len()) && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(FilterError::Host)
        }
    }
}

impl FromStr for HostName {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::try_from(text.to_owned())
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

/// How a recorded dump ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RecordState {
    /// There is a whole image.
    Complete,
    /// The service that recorded it says that it failed.
    Failed,
}

impl RecordState {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Complete, Self::Failed];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }

    /// The state of that record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        if record.ok { Self::Complete } else { Self::Failed }
    }
}

impl FromStr for RecordState {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(FilterError::State)
    }
}

/// Why a filter cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The text that is searched for.
    #[error("a search has 1 to {} characters and no control characters", SearchText::MAX_CHARS)]
    Search,
    #[error("a host name has 1 to {} bytes and no control characters", HostName::MAX_BYTES)]
    Host,
    #[error("a state is complete or failed")]
    State,
    #[error("a mode is live or frozen")]
    Mode,
    #[error("the end of the time range lies before its start")]
    Range,
}

/// Which records are meant. What is `None` does not restrict them; what is given holds together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordFilter {
    /// Text in them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchText>,
    /// Begun at this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Begun before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// How they ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RecordState>,
    /// Taken on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// Taken in this mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<CaptureMode>,
}

impl RecordFilter {
    /// Whether it means every record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether its parts go together.
    ///
    /// # Errors
    /// The time range ends before it starts.
    pub fn check(&self) -> Result<(), FilterError> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if to < from => Err(FilterError::Range),
            _ => Ok(()),
        }
    }

    /// Whether it means `record`.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        self.search.as_ref().is_none_or(|search| search.is_in(Said::by(record)))
            && self.from.is_none_or(|from| record.timestamp >= from)
            && self.to.is_none_or(|to| record.timestamp < to)
            && self.state.is_none_or(|state| RecordState::of(record) == state)
            && self.host.as_ref().is_none_or(|host| record.host.as_deref() == Some(host.as_str()))
            && self.mode.is_none_or(|mode| record.mode == Some(mode))
    }
}

#[cfg(test)]
mod tests;
