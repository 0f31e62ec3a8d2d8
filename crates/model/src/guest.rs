//! A guest (libvirt: domain) as operators see it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ByteCount, HostId};

/// The name of a domain in libvirt. Guest-controlled in practice: text, never markup or a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct GuestName(pub String);

impl fmt::Display for GuestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What libvirt says a guest does, in the words existing clients know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GuestState {
    /// libvirt reports no state.
    #[serde(rename = "no state")]
    NoState,
    /// vCPUs run.
    Running,
    /// Blocked on a resource (Xen).
    Blocked,
    /// vCPUs are stopped, memory is kept.
    Paused,
    /// Going down.
    Shutdown,
    /// Not running; has no memory to dump.
    Shutoff,
    /// Crashed, possibly with its memory kept.
    Crashed,
    /// Suspended by its own power management.
    Suspended,
    /// A state newer than this program.
    #[serde(other)]
    Unknown,
}

impl GuestState {
    /// Whether the guest has memory that can be dumped.
    #[must_use]
    pub fn has_memory(self) -> bool {
        !matches!(self, Self::Shutoff | Self::NoState)
    }

    /// What a word on the wire means.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        let known = [
            Self::NoState,
            Self::Running,
            Self::Blocked,
            Self::Paused,
            Self::Shutdown,
            Self::Shutoff,
            Self::Crashed,
            Self::Suspended,
        ];
        known.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Unknown)
    }

    /// The word on the wire and on screen.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoState => "no state",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Paused => "paused",
            Self::Shutdown => "shutdown",
            Self::Shutoff => "shutoff",
            Self::Crashed => "crashed",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
        }
    }
}

/// A guest of one hypervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Guest {
    /// The host that it is on; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// libvirt's id, which a running guest has and a stopped one has not.
    pub id: Option<u32>,
    /// Its name, unique on its hypervisor.
    pub name: GuestName,
    /// Its UUID in the hyphenated form, which survives renames and restarts.
    pub uuid: String,
    /// What it does now.
    pub state: GuestState,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// The most memory it may have.
    pub memory_max: ByteCount,
    /// The memory it has now (balloon).
    pub memory: ByteCount,
    /// CPU time used since its start, in nanoseconds.
    pub cpu_time_ns: u64,
}

impl Guest {
    /// What tells it from every other guest of all hosts, and what a request for a dump names it by: its UUID, behind its
    /// host where there are several. Two hosts may have guests of one UUID: a copy, or a guest that is on its way.
    #[must_use]
    pub fn reference(&self) -> String {
        self.host.as_ref().map_or_else(|| self.uuid.clone(), |host| host.qualify(&self.uuid))
    }
}

/// A guest in the shape of `GET /api/telemetry/live-vms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vm {
    /// The host that it is on; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    /// libvirt's id; −1 for a guest that is not running, as libvirt itself says it.
    pub id: i64,
    pub name: GuestName,
    pub uuid: String,
    /// What it does now.
    pub state: GuestState,
    /// Virtual CPUs.
    pub cpu_count: u32,
    /// KiB.
    pub memory_max: u64,
    /// KiB.
    pub memory_used: u64,
    /// Nanoseconds.
    pub cputime: u64,
}

impl From<Guest> for Vm {
    fn from(guest: Guest) -> Self {
        Self {
            host: guest.host,
            id: guest.id.map_or(-1, i64::from),
            name: guest.name,
            uuid: guest.uuid,
            state: guest.state,
            cpu_count: guest.vcpus,
            memory_max: guest.memory_max.0 / 1024,
            memory_used: guest.memory.0 / 1024,
            cputime: guest.cpu_time_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_the_words_of_the_contract() {
        for state in [
            GuestState::NoState,
            GuestState::Running,
            GuestState::Blocked,
            GuestState::Paused,
            GuestState::Shutdown,
            GuestState::Shutoff,
            GuestState::Crashed,
            GuestState::Suspended,
            GuestState::Unknown,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!(serde_json::from_str::<GuestState>("\"hibernated\"").unwrap(), GuestState::Unknown);
    }
}
