//! How a host stands, as the page *Hosts* and `GET /api/hosts` show it.

use serde::{Deserialize, Serialize};

use crate::{ByteCount, Capabilities, FrozenPause, HostId, Message, Timestamp};

/// Whether a host can be used, and what keeps it from that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HostCondition {
    /// Nobody has asked it yet.
    #[default]
    Unasked,
    /// It answers.
    Up,
    /// No answer: not reachable, or too slow.
    Unreachable,
    /// It does not accept the token of this dashboard.
    WrongToken,
    /// Its certificate has expired.
    ExpiredCertificate,
    /// Its certificate is not trusted for another reason: it is for another name, or signed by an unknown authority.
    BadCertificate,
    /// It speaks another version of the protocol.
    VersionMismatch,
    /// It answers with an error of its own.
    Failing,
    /// It answers, but not as a dump service does.
    Garbage,
    /// A condition of a newer memdeck.
    #[serde(other)]
    Other,
}

impl HostCondition {
    /// Whether dumps can be asked for.
    #[must_use]
    pub fn is_up(self) -> bool {
        self == Self::Up
    }
}

/// How one host stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostState {
    /// Its name.
    pub name: HostId,
    /// The URL of its dump service, `local`, or `dial://` and its name for an agent that dials in.
    pub service: String,
    /// Whether it answers.
    pub condition: HostCondition,
    /// Whether an operator added it to the running dashboard, and may remove it there; the others stand in the configuration.
    #[serde(default)]
    pub added: bool,
    /// Whether it is kept from taking new dumps.
    pub draining: bool,
    /// Why it cannot be used; `None` while it can.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub error: Option<Message>,
    /// What is wrong with it although it answers: no room, a clock that is far off; `None` where nothing is.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub warning: Option<Message>,
    /// The version of memdeck there; `None` where it is not memdeck, or was not asked yet.
    pub version: Option<String>,
    /// When it answered last.
    pub last_contact: Option<Timestamp>,
    /// How far its clock is ahead of the dashboard's, in milliseconds; negative where it is behind. Known to a second.
    pub clock_ahead_ms: Option<i64>,
    /// How many guests it has, as it said last; `None` where it does not list them.
    pub guests: Option<u32>,
    /// How many of them run.
    pub running_guests: Option<u32>,
    /// Its dumps that wait or run, as it said last.
    pub active_dumps: u32,
    /// Bytes that are free for images, where it tells that.
    pub free_bytes: Option<ByteCount>,
    /// What it can do.
    pub capabilities: Capabilities,
    /// How long a guest may stand still there for a frozen dump, and how fast one is read; `None` where that is not known.
    pub frozen_pause: Option<FrozenPause>,
}

/// The answer of `GET /api/hosts`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostList {
    /// How many there are.
    pub count: usize,
    /// The hosts, in the order of the configuration.
    pub hosts: Vec<HostState>,
    /// When this was answered.
    pub timestamp: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_of_a_newer_version_is_read_as_one_that_is_not_up() {
        let condition: HostCondition = serde_json::from_str("\"hibernating\"").unwrap();
        assert_eq!(condition, HostCondition::Other);
        assert!(!condition.is_up() && HostCondition::Up.is_up());
    }
}
