//! What something was done to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{DumpId, HuntId};

/// What an entry is about. On the wire an object whose `kind` says what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AuditObject {
    /// memdeck itself.
    Service,
    /// The catalog.
    Catalog,
    /// The audit.
    Audit,
    /// The key that signs the manifests of a host.
    SigningKey,
    /// The collector of telemetry.
    Collector,
    /// A guest, as it was named.
    Guest {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    /// A dump or its image.
    Dump {
        dump_id: DumpId,
        /// The name of its guest, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guest: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
    },
    Host {
        name: String,
    },
    Setting {
        name: String,
    },
    User {
        name: String,
    },
    Group {
        name: String,
    },
    Token {
        name: String,
    },
    Session {
        user: String,
    },
    Schedule {
        name: String,
    },
    Policy {
        name: String,
    },
    /// An investigation.
    Case {
        name: String,
    },
    /// Where notifications go.
    NotificationTarget {
        name: String,
    },
    /// What notifications are sent for.
    NotificationRule {
        name: String,
    },
    /// A message to a target of notifications.
    NotificationMessage {
        name: String,
    },
    /// A file that somebody named.
    File {
        name: String,
    },
    Hunt {
        id: HuntId,
    },
}

impl AuditObject {
    /// A dump of which no more is known than its id.
    #[must_use]
    pub fn dump(dump_id: DumpId) -> Self {
        Self::Dump { dump_id, guest: None, uuid: None, host: None }
    }

    /// The name of the guest that it is about.
    #[must_use]
    pub fn guest(&self) -> Option<&str> {
        match self {
            Self::Guest { name, .. } => Some(name),
            Self::Dump { guest, .. } => guest.as_deref(),
            _ => None,
        }
    }

    /// The UUID of the guest that it is about.
    #[must_use]
    pub fn guest_uuid(&self) -> Option<&str> {
        match self {
            Self::Guest { uuid, .. } | Self::Dump { uuid, .. } => uuid.as_deref(),
            _ => None,
        }
    }

    /// The host that it is about.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Guest { host, .. } | Self::Dump { host, .. } => host.as_deref(),
            Self::Host { name } => Some(name),
            _ => None,
        }
    }

    /// The guest of the dump that it is about.
    #[must_use]
    pub fn guest_of_dump(&self) -> Option<&str> {
        match self {
            Self::Dump { guest, .. } => guest.as_deref(),
            _ => None,
        }
    }

    /// The dump that it is about.
    #[must_use]
    pub fn dump_id(&self) -> Option<&DumpId> {
        match self {
            Self::Dump { dump_id, .. } => Some(dump_id),
            _ => None,
        }
    }
}

impl fmt::Display for AuditObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("memdeck"),
            Self::Catalog => f.write_str("the catalog"),
            Self::Audit => f.write_str("the audit"),
            Self::SigningKey => f.write_str("the signing key"),
            Self::Collector => f.write_str("the collector"),
            Self::Guest { name, .. } => write!(f, "guest {name}"),
            Self::Dump { dump_id, guest: Some(guest), .. } => write!(f, "dump {dump_id} of {guest}"),
            Self::Dump { dump_id, guest: None, .. } => write!(f, "dump {dump_id}"),
            Self::Host { name } => write!(f, "host {name}"),
            Self::Setting { name } => write!(f, "setting {name}"),
            Self::User { name } => write!(f, "user {name}"),
            Self::Group { name } => write!(f, "group {name}"),
            Self::Token { name } => write!(f, "token {name}"),
            Self::Session { user } => write!(f, "session of {user}"),
            Self::Schedule { name } => write!(f, "schedule {name}"),
            Self::Policy { name } => write!(f, "retention rule {name}"),
            Self::Case { name } => write!(f, "case {name}"),
            Self::NotificationTarget { name } => write!(f, "notification target {name}"),
            Self::NotificationRule { name } => write!(f, "notification rule {name}"),
            Self::NotificationMessage { name } => write!(f, "notification {name}"),
            Self::File { name } => write!(f, "file {name}"),
            Self::Hunt { id } => write!(f, "hunt {id}"),
        }
    }
}
