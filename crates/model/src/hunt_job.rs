//! A hunt that memdeck carries out: what was asked, how far it is, what it came to.
//!
//! ```text
//! queued ──► running ──► completed
//!    │          ├──────► failed: no image could be searched, or memdeck failed
//!    │          ├──────► interrupted: memdeck was stopped
//!    └──────────┴──────► cancelled
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Actor, ByteCount, DumpId, GuestName, GuestPhysAddr, HuntedPattern, MemoryOwners, Message, PatternKind,
    Timestamp,
};

/// The name of a hunt: a UUID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "String", into = "String")]
pub struct HuntId(String);

/// Text that cannot be the id of a hunt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hunt is named by a UUID")]
pub struct ParseHuntIdError;

impl HuntId {
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

impl TryFrom<String> for HuntId {
    type Error = ParseHuntIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for HuntId {
    type Err = ParseHuntIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uuid = Uuid::try_parse(text).map_err(|_| ParseHuntIdError)?;
        Ok(Self::from_uuid_bits(uuid.as_u128()))
    }
}

impl From<HuntId> for String {
    fn from(id: HuntId) -> Self {
        id.0
    }
}

impl fmt::Display for HuntId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is looked for, and how it is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sought {
    /// The patterns, each a text of its own. In a request, empty ones and those that begin with `#` do not count, so that
    /// these may be the lines of a file.
    pub patterns: Vec<String>,
    /// What they are.
    #[serde(default)]
    pub kind: PatternKind,
    /// Text is looked for as UTF-16, little-endian, as well.
    #[serde(default)]
    pub utf16: bool,
    /// ASCII letters stand for both cases.
    #[serde(default)]
    pub ignore_case: bool,
}

impl Sought {
    /// Whether a line of a list of patterns is one.
    #[must_use]
    pub fn counts(line: &str) -> bool {
        !line.trim().is_empty() && !line.starts_with('#')
    }

    /// The patterns that count.
    pub fn counted(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(String::as_str).filter(|line| Self::counts(line))
    }
}

/// A hunt that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewHunt {
    #[serde(flatten)]
    pub sought: Sought,
    /// The dumps whose images are searched.
    #[serde(default)]
    pub dump_ids: Vec<DumpId>,
    /// The guests whose images are searched, by name.
    #[serde(default)]
    pub guests: Vec<GuestName>,
    /// Every image that is kept here is searched.
    #[serde(default)]
    pub all: bool,
    /// Of `guests` and `all`, only the newest image of each guest is searched.
    #[serde(default)]
    pub newest_only: bool,
    /// The hunt ends after so many hits, 1 to 10000; 1000 if missing.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10000))]
    pub limit: Option<u32>,
}

impl NewHunt {
    /// Hits after which a hunt ends where nobody says how many.
    pub const USUAL_LIMIT: u32 = 1_000;
    /// The most hits that are kept of a hunt.
    pub const MOST_HITS: u32 = 10_000;
    /// The most patterns of a hunt.
    pub const MOST_PATTERNS: usize = 10_000;
    /// The most images of a hunt.
    pub const MOST_DUMPS: usize = 1_000;
}

/// How far a hunt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HuntState {
    /// Another one runs.
    Queued,
    Running,
    /// It went through all images, or ended at its limit of hits.
    Completed,
    /// Somebody cancelled it.
    Cancelled,
    /// No image could be searched, or memdeck failed.
    Failed,
    /// memdeck was stopped while it ran.
    Interrupted,
}

impl HuntState {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Completed, Self::Cancelled, Self::Failed, Self::Interrupted];

    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The word on the wire and in the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl std::str::FromStr for HuntState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// Why a hunt did not go through all its images. On the wire an object whose `kind` says which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HuntReason {
    /// It ended at its limit of hits: there may be more.
    LimitOfHits,
    /// Somebody cancelled it.
    Cancelled { by: Actor },
    /// memdeck was stopped while it ran.
    ServiceStopped,
    /// None of its images could be searched: each dump says why.
    NothingSearched,
    /// memdeck failed: its log says why.
    Failed,
}

impl HuntReason {
    /// How a hunt stands that ended for it.
    #[must_use]
    pub fn state(&self) -> HuntState {
        match self {
            Self::LimitOfHits => HuntState::Completed,
            Self::Cancelled { .. } => HuntState::Cancelled,
            Self::ServiceStopped => HuntState::Interrupted,
            Self::NothingSearched | Self::Failed => HuntState::Failed,
        }
    }
}

impl fmt::Display for HuntReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitOfHits => f.write_str("it ended at its limit of hits: there may be more"),
            Self::Cancelled { by } => write!(f, "cancelled by {by}"),
            Self::ServiceStopped => f.write_str("memdeck was stopped while it ran"),
            Self::NothingSearched => f.write_str("none of its images could be searched"),
            Self::Failed => f.write_str("memdeck failed; its log says why"),
        }
    }
}

/// How far a hunt has come, or had come when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntTally {
    /// Memory of dumps that is done with.
    pub bytes_done: ByteCount,
    /// Memory of all its dumps; 0 before it runs.
    pub bytes_expected: ByteCount,
    /// Dumps that are done with.
    pub dumps_done: u32,
    /// What was found.
    pub hits: u32,
}

/// A hunt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hunt {
    pub id: HuntId,
    /// Who asked for it.
    pub requested_by: Actor,
    pub requested_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub state: HuntState,
    /// Why it did not go through all its images.
    pub reason: Option<HuntReason>,
    /// What its patterns are.
    pub kind: PatternKind,
    pub utf16: bool,
    pub ignore_case: bool,
    /// How many patterns there are.
    pub pattern_count: u32,
    /// The first three of them.
    pub first_patterns: Vec<String>,
    /// How many dumps there are.
    pub dump_count: u32,
    /// It ends after so many hits.
    pub limit: u32,
    #[serde(flatten)]
    pub tally: HuntTally,
}

/// A dump of a hunt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntDump {
    pub dump_id: DumpId,
    /// Whose memory it is.
    pub guest: GuestName,
    /// When the dump began.
    pub taken_at: Timestamp,
    /// How much of it was unpacked and searched; the rest is zeroes, or was searched in an earlier dump of this hunt. `null`
    /// if the hunt did not come to it.
    pub searched_bytes: Option<ByteCount>,
    /// How often anything was found.
    pub hits: u32,
    /// Why it was not searched to its end. What was found until then counts.
    pub problem: Option<Message>,
}

/// A hunt with all its patterns and dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntDetails {
    #[serde(flatten)]
    pub hunt: Hunt,
    pub patterns: Vec<HuntedPattern>,
    /// In the order in which they are searched.
    pub dumps: Vec<HuntDump>,
}

/// Hunts, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntList {
    pub hunts: Vec<Hunt>,
}

/// A place where a pattern is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundHit {
    /// Its number in the hunt, from 1.
    pub number: u32,
    pub dump_id: DumpId,
    /// Whose memory it is.
    pub guest: GuestName,
    /// When the dump began.
    pub taken_at: Timestamp,
    /// What was looked for.
    pub pattern: String,
    /// Where it begins in the guest's physical memory.
    pub address: GuestPhysAddr,
    /// How many bytes it is.
    pub bytes: u32,
    /// Where the bytes around it begin.
    pub around_address: GuestPhysAddr,
    /// The bytes around it and itself, as far as they are kept, in hexadecimal digits.
    #[serde(with = "crate::hex")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub around: Vec<u8>,
    /// Which processes have this place mapped, from what was read inside of the guest; missing where that was not read, or does not
    /// say it.
    #[serde(default)]
    pub owners: Option<MemoryOwners>,
}

/// Hits of a hunt, dump by dump and in ascending order of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HuntHits {
    pub hits: Vec<FoundHit>,
    /// Ask for those after this one next; `null` if there are no others now.
    pub next: Option<u32>,
}

impl HuntHits {
    /// The most hits of a page.
    pub const MOST: u32 = 1_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hunt_is_named_by_a_uuid_in_one_form() {
        let id = HuntId::from_uuid_bits(0x0d5e_2d7c_6f0e_4f2e_9d5b_0f6d_7f3a_9a11);
        assert_eq!(id.as_str(), "0d5e2d7c-6f0e-4f2e-9d5b-0f6d7f3a9a11");
        assert_eq!("0D5E2D7C6F0E4F2E9D5B0F6D7F3A9A11".parse(), Ok(id));
        for bad in ["", "x", "0d5e2d7c-6f0e-4f2e-9d5b", "../hunts"] {
            assert_eq!(bad.parse::<HuntId>(), Err(ParseHuntIdError), "{bad:?}");
        }
    }

    #[test]
    fn a_hunt_is_asked_for_in_few_words() {
        let asked: NewHunt =
            serde_json::from_str(r#"{"patterns": ["BusyBox"], "guests": ["web-01"]}"#).unwrap();
        assert_eq!((asked.sought.kind, asked.sought.patterns.len()), (PatternKind::Text, 1));
        assert_eq!(asked.guests, [GuestName("web-01".to_owned())]);
        assert!(!asked.all && asked.limit.is_none());
    }

    #[test]
    fn every_state_is_read_as_it_was_written_and_every_reason_ends_a_hunt() {
        for state in HuntState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for reason in [
            HuntReason::LimitOfHits,
            HuntReason::Cancelled { by: Actor::Page },
            HuntReason::ServiceStopped,
            HuntReason::NothingSearched,
            HuntReason::Failed,
        ] {
            assert!(reason.state().is_final());
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(serde_json::from_str::<HuntReason>(&json).unwrap(), reason, "{json}");
        }
    }
}
