//! What happened, with its facts: data for programs, and the sentence that people read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NoticeKind;
use crate::{Actor, ByteCount, DumpId, EndReason, Message, Millis, Timestamp};

/// The guest that something happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestOf {
    pub name: String,
    /// `None` where a dump service did not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

impl fmt::Display for GuestOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What happened. `Display` is one sentence for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    DumpFailed {
        dump_id: DumpId,
        guest: GuestOf,
        /// Why, as data; `None` where the service that took it did not say.
        #[serde(default, deserialize_with = "EndReason::deserialize_tolerant")]
        reason: Option<EndReason>,
        /// Why, in a sentence.
        detail: Message,
    },
    FellBack {
        dump_id: DumpId,
        guest: GuestOf,
        /// Why it was not live.
        why: Message,
    },
    PausedLong {
        dump_id: DumpId,
        guest: GuestOf,
        pause_ms: Millis,
        /// What was allowed.
        limit_ms: Millis,
    },
    VerificationFailed {
        dump_id: DumpId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<GuestOf>,
        /// What is wrong with it.
        detail: Message,
    },
    SpaceLow {
        /// `dumps` for the images, `state` for the catalog.
        volume: String,
        free_bytes: ByteCount,
        /// What should be free.
        floor_bytes: ByteCount,
    },
    HostAway {
        why: Message,
    },
    HostBack {
        /// For how long it was away; `None` where it was away before memdeck started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        away_ms: Option<Millis>,
    },
    ScheduleMissed {
        schedule: String,
        /// When it should have run.
        due: Timestamp,
        why: Message,
    },
    SignInGuessing {
        /// The network address that the tries come from.
        address: String,
        /// The account that is tried; `None` for tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
        /// How many tries failed.
        attempts: u32,
    },
    LegalHoldLifted {
        /// The case, or the dump, that it held.
        held: String,
        by: Actor,
        /// Why, as that one says.
        reason: String,
    },
    /// Nothing happened: an operator tries a target.
    Test {
        by: Actor,
    },
}

impl Happening {
    #[must_use]
    pub fn kind(&self) -> NoticeKind {
        match self {
            Self::DumpFailed { .. } => NoticeKind::DumpFailed,
            Self::FellBack { .. } => NoticeKind::FellBack,
            Self::PausedLong { .. } => NoticeKind::PausedLong,
            Self::VerificationFailed { .. } => NoticeKind::VerificationFailed,
            Self::SpaceLow { .. } => NoticeKind::SpaceLow,
            Self::HostAway { .. } => NoticeKind::HostAway,
            Self::HostBack { .. } => NoticeKind::HostBack,
            Self::ScheduleMissed { .. } => NoticeKind::ScheduleMissed,
            Self::SignInGuessing { .. } => NoticeKind::SignInGuessing,
            Self::LegalHoldLifted { .. } => NoticeKind::LegalHoldLifted,
            Self::Test { .. } => NoticeKind::Test,
        }
    }

    /// The guest it happened to, if it happened to one.
    #[must_use]
    pub fn guest(&self) -> Option<&GuestOf> {
        match self {
            Self::DumpFailed { guest, .. }
            | Self::FellBack { guest, .. }
            | Self::PausedLong { guest, .. } => Some(guest),
            Self::VerificationFailed { guest, .. } => guest.as_ref(),
            _ => None,
        }
    }

    /// What makes two of them the same one: it is told once, however often it is found out. `None` where each is another.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let kind = self.kind();
        match self {
            Self::DumpFailed { dump_id, .. }
            | Self::FellBack { dump_id, .. }
            | Self::PausedLong { dump_id, .. } => Some(format!("{kind} {dump_id}")),
            Self::ScheduleMissed { schedule, due, .. } => Some(format!("{kind} {due} {schedule}")),
            _ => None,
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DumpFailed { guest, detail, .. } => write!(f, "the dump of {guest} failed: {detail}"),
            Self::FellBack { guest, why, .. } => {
                write!(f, "{guest} was stopped for its dump, because a live one was not possible: {why}")
            }
            Self::PausedLong { guest, pause_ms, limit_ms, .. } => {
                write!(f, "{guest} stood still for {pause_ms} during its dump; the limit is {limit_ms}")
            }
            Self::VerificationFailed { dump_id, guest: None, detail } => {
                write!(f, "the image of the dump {dump_id} is not what it was: {detail}")
            }
            Self::VerificationFailed { dump_id, guest: Some(guest), detail } => {
                write!(f, "the image of {guest} (dump {dump_id}) is not what it was: {detail}")
            }
            Self::SpaceLow { volume, free_bytes, floor_bytes } => write!(
                f,
                "the volume of {} has {free_bytes} left, and should have {floor_bytes}",
                match volume.as_str() {
                    "dumps" => "DUMP_DIR",
                    "state" => "STATE_DIR",
                    other => other,
                }
            ),
            Self::HostAway { why } => write!(f, "the dump service does not answer: {why}"),
            Self::HostBack { away_ms: Some(away) } => {
                write!(f, "the dump service answers again after {away}")
            }
            Self::HostBack { away_ms: None } => f.write_str("the dump service answers again"),
            Self::ScheduleMissed { schedule, due, why } => {
                write!(f, "the schedule '{schedule}' did not run at {due}: {why}")
            }
            Self::SignInGuessing { address, account: None, attempts } => {
                write!(f, "{address} tried {attempts} wrong tokens or passwords")
            }
            Self::SignInGuessing { address, account: Some(account), attempts } => {
                write!(
                    f,
                    "{attempts} wrong passwords were tried for the account '{account}', the last one from {address}"
                )
            }
            Self::LegalHoldLifted { held, by, reason } => {
                write!(f, "{by} lifted the legal hold on {held}: {reason}")
            }
            Self::Test { by } => write!(f, "{by} tries whether notifications arrive here; nothing happened"),
        }
    }
}
