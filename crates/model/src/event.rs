//! What the server tells an open page.

use serde::{Deserialize, Serialize};

use crate::{Capabilities, DumpStatus, Guest, Message, Record, Verification};

/// Whether the service that takes dumps answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Its URL, or `local`.
    pub service: String,
    /// Why it does not answer; `None` while it does.
    pub error: Option<Message>,
    /// What is wrong with its answers; `None` where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Message>,
    /// What it can do.
    #[serde(default = "everything", skip_serializing_if = "is_everything")]
    pub capabilities: Capabilities,
}

impl ServiceHealth {
    /// Of a service that can do everything.
    #[must_use]
    pub fn of(service: &str, error: Option<Message>) -> Self {
        Self { service: service.to_owned(), error, warning: None, capabilities: Capabilities::ALL }
    }
}

fn everything() -> Capabilities {
    Capabilities::ALL
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_everything(capabilities: &Capabilities) -> bool {
    *capabilities == Capabilities::ALL
}

/// One change. On the wire: the SSE event's name is the kind, its data the content as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", rename_all = "lowercase")]
pub enum Event {
    /// A dump was accepted, moved on or ended.
    Dump(Box<DumpStatus>),
    /// A record was added to the catalog, or changed because its image was deleted.
    Record(Box<Record>),
    /// A verification of an image began, moved on or ended; without the whole report.
    Verification(Box<Verification>),
    /// The hypervisor's guests, after one of them changed.
    Guests(Vec<Guest>),
    /// The dump service went away or came back.
    Service(ServiceHealth),
    /// The hypervisor went away (with the reason) or came back (without).
    Hypervisor(Option<Message>),
    /// Images or records cannot be stored on this host (with the reason), or can again (without).
    Storage(Option<Message>),
}

impl Event {
    /// The SSE event name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dump(_) => "dump",
            Self::Record(_) => "record",
            Self::Verification(_) => "verification",
            Self::Guests(_) => "guests",
            Self::Service(_) => "service",
            Self::Hypervisor(_) => "hypervisor",
            Self::Storage(_) => "storage",
        }
    }
}
