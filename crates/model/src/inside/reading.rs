//! How far the reading of an image is, and what it found.

use serde::{Deserialize, Serialize};

use super::{Inside, InsideProblem};
use crate::{Actor, DumpId, Timestamp};

/// How far the reading of an image is.
///
/// ```text
/// none ──► waiting ──► running ──► finished   kept beside the image
///                         └──────► failed     until memdeck ends, or somebody asks again
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InsideState {
    /// Nothing is kept, and nobody asked since memdeck was started.
    #[default]
    None,
    /// Another image is being read, or a dump is being taken: both go first.
    Waiting,
    /// The image is being read.
    Running,
    /// It was read.
    Finished,
    /// Nothing was read, or nothing could be kept.
    Failed,
}

impl InsideState {
    /// Whether it goes on, so that it is worth to ask again.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// What is known of the inside of a dump's guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InsideReading {
    /// Which dump.
    pub dump_id: DumpId,
    /// How far it is.
    pub state: InsideState,
    /// Who asked for it; not kept with a result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<Actor>,
    /// When it was asked for; not kept with a result.
    pub asked_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What was read, once it is finished.
    pub inside: Option<Box<Inside>>,
    /// Why it failed.
    pub problem: Option<InsideProblem>,
}

impl InsideReading {
    /// None so far.
    #[must_use]
    pub fn none(dump_id: DumpId) -> Self {
        Self {
            dump_id,
            state: InsideState::None,
            requested_by: None,
            asked_at: None,
            finished_at: None,
            inside: None,
            problem: None,
        }
    }

    /// One that cannot be had, and why.
    #[must_use]
    pub fn failed(dump_id: DumpId, problem: InsideProblem) -> Self {
        Self { state: InsideState::Failed, problem: Some(problem), ..Self::none(dump_id) }
    }
}
