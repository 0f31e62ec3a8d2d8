//! Guests that a request for all of them leaves out.

use serde::{Deserialize, Serialize};

use crate::{Guest, GuestName, GuestState, HostId, Message};

/// A guest that a request for all guests leaves out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Omitted {
    /// Its host; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    pub name: GuestName,
    pub uuid: String,
    /// Why, for programs.
    pub why: OmittedWhy,
    /// Why, for people.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub reason: Message,
}

/// Why a request for all guests leaves one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OmittedWhy {
    /// It is off: there is nothing to dump.
    Off,
    /// It has memory but does not run: dump it by name.
    NotRunning,
    /// A dump of it waits or runs already.
    BeingDumped,
    /// Its name cannot be sent to the dump service.
    Unnamable,
    /// Its host takes no new dumps.
    HostDraining,
    /// Its host does not answer.
    HostUnavailable,
}

impl OmittedWhy {
    /// Whether the guest has memory that is not being dumped because of this.
    #[must_use]
    pub fn leaves_memory(self) -> bool {
        self != Self::Off
    }
}

impl Omitted {
    /// `guest`, which a request for all running guests does not mean because of its state; `None` if it runs.
    #[must_use]
    pub fn by_state(guest: &Guest) -> Option<Self> {
        let state = guest.state.as_str();
        let (why, reason) = match guest.state {
            GuestState::Running | GuestState::Blocked => return None,
            _ if guest.state.has_memory() => (
                OmittedWhy::NotRunning,
                format!("it is {state}; all means the running VMs, name it to dump it"),
            ),
            _ => (OmittedWhy::Off, format!("it is {state}: there is no memory to dump")),
        };
        Some(Self::new(guest, why, reason.into()))
    }

    /// `guest`, for that reason.
    #[must_use]
    pub fn new(guest: &Guest, why: OmittedWhy, reason: Message) -> Self {
        Self { host: guest.host.clone(), name: guest.name.clone(), uuid: guest.uuid.clone(), why, reason }
    }
}
