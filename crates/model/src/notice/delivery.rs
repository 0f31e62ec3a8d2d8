//! What became of a message, as the delivery log shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NoticeKind, Severity, TargetName, UnknownWord};
use crate::{Message, Millis, Timestamp};

/// How far a message to a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It waits to be sent, for the first time or again.
    Waiting,
    /// The target has taken it.
    Delivered,
    /// It was given up. It is sent again if somebody asks for it.
    Dead,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// The word in JSON and in the catalog.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for DeliveryState {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownWord::new(word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

/// A message to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Delivery {
    /// Names the message; the target gets it too.
    pub id: String,
    pub target: TargetName,
    pub state: DeliveryState,
    pub kind: NoticeKind,
    pub severity: Severity,
    /// One line that says what happened.
    pub title: Message,
    /// A sentence for each of what happened, on lines of their own.
    pub text: Message,
    /// How many notices it tells.
    pub count: u32,
    /// How often sending it failed.
    pub attempts: u32,
    /// Why it failed last.
    pub error: Option<Message>,
    /// When its first notice was raised.
    pub created_at: Timestamp,
    /// When it is sent, or sent again, while it waits.
    pub next_at: Option<Timestamp>,
    /// When it was delivered or given up.
    pub ended_at: Option<Timestamp>,
}

/// Which part of the delivery log is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryQuery {
    /// Only of this state.
    #[serde(default)]
    pub state: Option<DeliveryState>,
    /// Only to this target.
    #[serde(default)]
    pub target: Option<TargetName>,
    /// At most this many; 0 counts as 100.
    #[serde(default)]
    pub limit: u32,
    #[serde(default)]
    pub offset: u32,
}

impl DeliveryQuery {
    const USUAL: u32 = 100;
    const MOST: u32 = 1_000;

    /// The limit that counts.
    #[must_use]
    pub fn bounded(self) -> Self {
        let limit = if self.limit == 0 { Self::USUAL } else { self.limit.min(Self::MOST) };
        Self { limit, ..self }
    }
}

/// The answer of `GET /api/notifications/log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeliveryLog {
    /// How many there are in all.
    pub total: u64,
    /// The newest first.
    pub deliveries: Vec<Delivery>,
}

/// What came of trying a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestResult {
    /// Whether the target took the message.
    pub delivered: bool,
    /// What happened, in a sentence.
    pub detail: Message,
    /// How long it took.
    pub took_ms: Millis,
}
