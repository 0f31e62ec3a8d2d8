//! What is decided about an image and why; holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::{Actor, ByteCount, DumpId, GuestName, Message, Remark, Timestamp};

/// Why an image stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WhyKept {
    /// It is under legal hold.
    Held { reason: Remark },
    /// It is being read.
    InUse,
    /// It is the newest good image of its guest.
    LastGood,
    /// The rule lets only verified images go.
    Unverified,
    /// Its verification found it damaged: somebody should look at it.
    Damaged,
    /// Images that stay are stored as differences to it: so many.
    NeededBy { differences: u32 },
    /// No rule means its guest.
    NoRule,
    /// It is among the newest.
    Newest { keep_last: u32 },
    /// It is young.
    Young { keep_hours: u32 },
    /// It is the newest of its hour.
    Hourly,
    /// It is the newest of its day.
    Daily,
    /// It is the newest of its week.
    Weekly,
    /// It is the newest of its month.
    Monthly,
    /// The rule only limits bytes, and there is room.
    WithinLimit,
}

impl fmt::Display for WhyKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { reason } => write!(f, "under legal hold: {}", reason.as_str()),
            Self::InUse => f.write_str("being read"),
            Self::LastGood => f.write_str("the newest good image of its guest"),
            Self::Unverified => f.write_str("not verified"),
            Self::Damaged => f.write_str("found damaged"),
            Self::NeededBy { differences: 1 } => f.write_str("one image that stays is a difference to it"),
            Self::NeededBy { differences } => {
                write!(f, "{differences} images that stay are differences to it")
            }
            Self::NoRule => f.write_str("no rule for its guest"),
            Self::Newest { keep_last } => write!(f, "among the newest {keep_last}"),
            Self::Young { keep_hours } => write!(f, "younger than {keep_hours} h"),
            Self::Hourly => f.write_str("newest of its hour"),
            Self::Daily => f.write_str("newest of its day"),
            Self::Weekly => f.write_str("newest of its week"),
            Self::Monthly => f.write_str("newest of its month"),
            Self::WithinLimit => f.write_str("within the limit of bytes"),
        }
    }
}

/// Why an image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum WhyGone {
    /// Nothing that its rule says keeps it.
    Expired,
    /// The images of its guest take more bytes than its rule allows.
    OverLimit { most_bytes: ByteCount },
    /// Too little is free on its host.
    NoRoom { floor_bytes: ByteCount },
}

impl fmt::Display for WhyGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("nothing in its rule keeps it"),
            Self::OverLimit { most_bytes } => write!(f, "its guest's images take more than {most_bytes}"),
            Self::NoRoom { floor_bytes } => write!(f, "less than {floor_bytes} is free on its host"),
        }
    }
}

/// What becomes of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    Kept { why: Vec<WhyKept> },
    Gone { why: WhyGone },
}

/// What becomes of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageFate {
    pub dump_id: DumpId,
    pub guest: GuestName,
    /// The hypervisor's host name.
    pub host: Option<String>,
    /// When the dump began.
    pub at: Timestamp,
    /// Size of the stored file.
    pub bytes: ByteCount,
    #[serde(flatten)]
    pub fate: Fate,
}

/// What a policy would do now, or did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RetentionReport {
    pub policy: Policy,
    /// Every image that is kept here or on a host, the newest first.
    pub images: Vec<ImageFate>,
    /// How many of them go, and their bytes.
    pub gone: u32,
    pub gone_bytes: ByteCount,
    pub timestamp: Timestamp,
}

/// What a hold keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HoldOf {
    /// Every image of a case, also of dumps that are yet to come.
    Case(Remark),
    /// One image.
    Dump(DumpId),
}

impl fmt::Display for HoldOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case(case) => write!(f, "case {}", case.as_str()),
            Self::Dump(dump_id) => write!(f, "dump {dump_id}"),
        }
    }
}

/// A request for a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewHold {
    pub of: HoldOf,
    pub reason: Remark,
}

/// Something that may not be deleted until the hold is lifted, by nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hold {
    pub id: u32,
    pub of: HoldOf,
    pub reason: Remark,
    pub by: Actor,
    pub at: Timestamp,
    pub lifted_at: Option<Timestamp>,
    pub lifted_by: Option<Actor>,
    /// Why it was lifted.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub lift_reason: Option<Message>,
}

/// Holds, the newest first, those that were lifted included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoldList {
    pub holds: Vec<Hold>,
    pub count: usize,
}
