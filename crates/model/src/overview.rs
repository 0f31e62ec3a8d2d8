//! What the status section shows.

use serde::{Deserialize, Serialize};

use crate::{FrozenPause, Message, ServiceHealth, Stats, Timestamp};

/// The figures over all records and the health of the parts memdeck depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The service that takes the dumps.
    pub service: ServiceHealth,
    /// Why the hypervisor does not answer; `None` while it does.
    pub hypervisor: Option<Message>,
    /// The libvirt URI of the hypervisor.
    pub hypervisor_uri: String,
    /// The host whose guests these are, where it is known.
    pub host: Option<String>,
    /// What operators must know of the catalog: that it was restored and what is missing, or that it is not sound.
    #[serde(default)]
    pub catalog: Option<String>,
    /// What keeps images or records from being stored on this host; `None` where nothing does.
    #[serde(default)]
    pub storage: Option<Message>,
    /// How long a guest may stand still for a frozen dump, and how fast the host of the service reads one. `None` where the
    /// service does not tell it.
    #[serde(default)]
    pub frozen_pause: Option<FrozenPause>,
    /// Figures over all records.
    pub stats: Stats,
    /// The version of the server.
    pub version: String,
    /// The server's clock at the time of the answer: the page counts elapsed time with it, because the operator's
    /// clock may be wrong.
    pub server_time: Timestamp,
}
