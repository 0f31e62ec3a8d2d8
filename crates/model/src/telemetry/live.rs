//! What pages get of one guest each second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeviceStats, Metric, VmTotals};
use crate::{GuestName, GuestState, HostId, Millis, Timestamp};

/// One device with its changes per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveDevice {
    #[serde(flatten)]
    pub stats: DeviceStats,
    /// Changes per second. A rate that is not known is not in it.
    pub rates: BTreeMap<Metric, f64>,
}

/// The newest values of a guest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveSample {
    /// The host that it is on; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    pub uuid: String,
    pub name: GuestName,
    /// libvirt's id; −1 for a guest that is not running.
    pub id: i64,
    /// What it does.
    pub state: GuestState,
    /// When its process began; `None` if that is not known. A guest that reboots keeps its process.
    pub started_at: Option<Timestamp>,
    /// When the values were taken.
    pub at: Timestamp,
    /// How old the values are.
    pub age_ms: Millis,
    /// The guest did not answer since: these are its last good values.
    pub stale: bool,
    /// A job has the guest, or it does not answer its hypervisor: what only the guest's process knows is missing.
    pub partial: bool,
    /// The most memory it may have, in KiB.
    pub memory_max: Option<u64>,
    /// The values themselves.
    pub totals: VmTotals,
    /// Changes per second of the counters in `totals`. A rate that is not known is not in it.
    pub rates: BTreeMap<Metric, f64>,
    /// CPU time of all its vCPUs that it uses, 0 to 100.
    pub cpu_pct: Option<f64>,
    /// The part of it in user mode, as the host counts it.
    pub cpu_user_pct: Option<f64>,
    /// The part of it in the host's kernel.
    pub cpu_system_pct: Option<f64>,
    /// Memory in use, 0 to 100; see [`VmTotals::memory_in_use_pct`].
    pub memory_pct: Option<f64>,
    /// Positions of the gauges' needles for `rates`, by [`needle_degrees`](super::needle_degrees).
    pub degrees: BTreeMap<Metric, f64>,
    /// Its network interfaces and disks.
    pub devices: Vec<LiveDevice>,
}

impl LiveSample {
    /// What tells the guest from every other one of all hosts, as [`Guest::reference`](crate::Guest::reference).
    #[must_use]
    pub fn reference(&self) -> String {
        reference(self.host.as_ref(), &self.uuid)
    }
}

/// What a list of guests shows of one: the few figures of [`LiveSample`] that fit into a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LiveSummary {
    /// The host that it is on; only where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostId>,
    pub uuid: String,
    pub name: GuestName,
    /// What it does.
    pub state: GuestState,
    /// When its process began; `None` if that is not known.
    pub started_at: Option<Timestamp>,
    /// When the values were taken.
    pub at: Timestamp,
    /// The guest did not answer since: these are its last good values.
    pub stale: bool,
    /// A job has the guest, or it does not answer its hypervisor.
    pub partial: bool,
    /// CPU time of all its vCPUs that it uses, 0 to 100.
    pub cpu_pct: Option<f64>,
    /// Memory in use, 0 to 100.
    pub memory_pct: Option<f64>,
    /// Bytes per second.
    pub net_rx: Option<f64>,
    /// Bytes per second.
    pub net_tx: Option<f64>,
    /// Bytes per second.
    pub disk_read: Option<f64>,
    /// Bytes per second.
    pub disk_write: Option<f64>,
}

impl LiveSummary {
    /// What tells the guest from every other one of all hosts, as [`Guest::reference`](crate::Guest::reference).
    #[must_use]
    pub fn reference(&self) -> String {
        reference(self.host.as_ref(), &self.uuid)
    }

    /// Of a guest of which nothing is measured yet.
    #[must_use]
    pub fn unmeasured(uuid: &str, state: GuestState, at: Timestamp) -> Self {
        Self {
            host: None,
            uuid: uuid.to_owned(),
            name: GuestName(String::new()),
            state,
            started_at: None,
            at,
            stale: false,
            partial: false,
            cpu_pct: None,
            memory_pct: None,
            net_rx: None,
            net_tx: None,
            disk_read: None,
            disk_write: None,
        }
    }
}

impl From<&LiveSample> for LiveSummary {
    fn from(sample: &LiveSample) -> Self {
        let rate = |metric| sample.rates.get(&metric).copied();
        Self {
            host: sample.host.clone(),
            uuid: sample.uuid.clone(),
            name: sample.name.clone(),
            state: sample.state,
            started_at: sample.started_at,
            at: sample.at,
            stale: sample.stale,
            partial: sample.partial,
            cpu_pct: sample.cpu_pct,
            memory_pct: sample.memory_pct,
            net_rx: rate(Metric::NetRxBytes),
            net_tx: rate(Metric::NetTxBytes),
            disk_read: rate(Metric::DiskReadBytes),
            disk_write: rate(Metric::DiskWriteBytes),
        }
    }
}

fn reference(host: Option<&HostId>, uuid: &str) -> String {
    host.map_or_else(|| uuid.to_owned(), |host| host.qualify(uuid))
}
