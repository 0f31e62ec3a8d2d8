//! Whether a service can do what it is for.

use serde::{Deserialize, Serialize};

use crate::Message;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReadinessCheck {
    /// A file can be written in the directory of images.
    DumpDir,
    /// A file can be written in the state directory, and its volume has room.
    StateDir,
    /// The catalog can be read.
    Catalog,
    /// The hypervisor lists its guests.
    Hypervisor,
    /// The dump service answers.
    DumpService,
}

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FailedCheck {
    /// What was tried in vain.
    pub check: ReadinessCheck,
    /// What is wrong and what to do, in one sentence.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub detail: Message,
}

/// Whether dumps can be taken, stored and recorded now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether every check succeeded.
    pub ready: bool,
    /// The checks that failed.
    pub failed: Vec<FailedCheck>,
}

impl Readiness {
    /// What these failures make of it.
    #[must_use]
    pub fn of(failed: Vec<FailedCheck>) -> Self {
        Self { ready: failed.is_empty(), failed }
    }
}
