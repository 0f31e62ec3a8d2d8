//! What happened to dumps and their images, as the activity log shows it.

use serde::{Deserialize, Serialize};

use crate::{Actor, CaptureMode, DumpId, EndReason, HostId, Message, Timestamp};

/// What happened to a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivityKind {
    /// It was asked for.
    Queued,
    /// The guest began to be read.
    Started,
    /// The guest began to be read, and was or is taken in another mode than the first choice.
    Fallback,
    /// It ended with an image.
    Completed,
    /// It ended without one.
    Failed,
    /// Somebody or a time limit ended it.
    Cancelled,
    /// A verification found that its image is not what it was.
    Damaged,
    /// A verification could not read its image.
    Unreadable,
}

/// One line of the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// When it happened.
    pub at: Timestamp,
    pub kind: ActivityKind,
    /// To which dump; a record of a service that is not memdeck may name none.
    pub dump_id: Option<DumpId>,
    /// The host that took it, where that is known; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// The guest's name, or what the request called it.
    pub guest: String,
    /// Who asked for the dump, if that is known.
    pub by: Option<Actor>,
    /// How the memory was taken, if this line says so.
    pub mode: Option<CaptureMode>,
    /// Why or with what result; may be empty.
    pub detail: Message,
    /// Why it ended without an image, as data.
    #[serde(default, deserialize_with = "EndReason::deserialize_tolerant")]
    pub end_reason: Option<EndReason>,
}
