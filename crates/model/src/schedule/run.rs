//! What became of the runs of a schedule.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DumpId, GuestName, HostId, Message, Timestamp};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Its time has come; it has not chosen its guests yet.
    Waiting,
    /// Its dumps are asked for and taken.
    Running,
    /// Every guest of it has come to its end.
    Done,
    /// It was not started when it should have been.
    Missed,
    /// It was left out because the run before it had not ended.
    Skipped,
}

impl RunState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Running, Self::Done, Self::Missed, Self::Skipped];

    /// The word on the wire and in the catalog.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Missed => "missed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing happens to it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl FromStr for RunState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// How a guest of a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunGuestState {
    /// Its turn has not come, or its host has as many dumps as it may.
    Waiting,
    /// A dump is being asked for. If memdeck stops now, the next start looks first whether there is one.
    Asking,
    /// Its dump waits or runs.
    Dumping,
    /// There is an image.
    Completed,
    /// There is none.
    Failed,
    /// No dump was asked for, on purpose.
    Skipped,
}

impl RunGuestState {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Asking, Self::Dumping, Self::Completed, Self::Failed, Self::Skipped];

    /// The word on the wire and in the catalog.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Asking => "asking",
            Self::Dumping => "dumping",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing happens to it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Skipped)
    }
}

impl FromStr for RunGuestState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

/// A guest of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunGuest {
    /// Its host; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    pub name: GuestName,
    /// Its UUID; empty for a name that meant no guest.
    pub uuid: String,
    /// When its dump is to be asked for.
    pub due: Timestamp,
    pub state: RunGuestState,
    /// Its dump, once there is one.
    pub dump_id: Option<DumpId>,
    /// When its dump was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// Why it was left out or failed.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub reason: Option<Message>,
}

/// How many guests of a run came to which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunCounts {
    /// Waiting, being asked for, or being dumped.
    pub open: u32,
    pub completed: u32,
    pub failed: u32,
    pub skipped: u32,
}

impl fmt::Display for RunCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.completed, "dumped"),
            (self.failed, "failed"),
            (self.skipped, "left out"),
            (self.open, "under way"),
        ];
        let told: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        f.write_str(if told.is_empty() { "no guests" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

/// One run of a schedule, or a stretch of runs that were missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScheduleRun {
    /// When it was planned; of a stretch, the first.
    pub planned: Timestamp,
    pub state: RunState,
    /// How many planned runs this is about: more than 1 only where `missed`.
    pub count: u32,
    /// Of a stretch, when the last was planned.
    pub last_planned: Timestamp,
    /// When memdeck came to it.
    pub noticed_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub guests: RunCounts,
    /// Why it was missed or skipped, or why it has no guests.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub reason: Option<Message>,
    /// Each guest; only where one schedule is asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<RunGuest>,
}

/// Runs of a schedule, the newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunList {
    pub runs: Vec<ScheduleRun>,
    pub count: usize,
}
