//! What the status section shows.

use serde::{Deserialize, Serialize};

use crate::{ForeignImport, FrozenPause, HostState, Message, Rights, ServiceHealth, Stats, Timestamp};

/// The figures over all records and the health of the parts memdeck depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The service that takes the dumps.
    pub service: ServiceHealth,
    /// Why the hypervisor does not answer; `None` while it does.
    pub hypervisor: Option<Message>,
    /// The libvirt URI of the hypervisor.
    pub hypervisor_uri: String,
    /// The host whose guests these are, if it is known.
    pub host: Option<String>,
    /// The hosts; empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostState>,
    /// What operators must know of the catalog: that it was restored and what is missing, or that it is not sound.
    #[serde(default)]
    pub catalog: Option<Message>,
    /// What keeps images or records from being stored on this host; `None` if nothing does.
    #[serde(default)]
    pub storage: Option<Message>,
    /// How long a guest may stand still for a frozen dump, and how fast the host of the service reads one. `None` if the
    /// service does not report it.
    #[serde(default)]
    pub frozen_pause: Option<FrozenPause>,
    /// How far the rows that other tools wrote into InfluxDB have been read; `None` without InfluxDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ForeignImport>,
    /// What whoever asks may do.
    #[serde(default = "everything")]
    pub rights: Rights,
    /// Figures over all records.
    pub stats: Stats,
    /// The version of the server.
    pub version: String,
    /// The server's clock at the time of the answer: the page counts elapsed time with it, because the operator's
    /// clock may be wrong.
    pub server_time: Timestamp,
}

fn everything() -> Rights {
    Rights::ALL
}
